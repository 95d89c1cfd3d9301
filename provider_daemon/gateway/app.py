"""The aiohttp application: routes, limits and headers."""

from aiohttp import web

from provider_daemon.gateway import openapi, page_routes
from provider_daemon.gateway.access import GATEWAY
from provider_daemon.gateway.limits import JSON_BYTES
from provider_daemon.gateway.middleware import add_headers, observed
from provider_daemon.gateway.parts import Gateway
from provider_daemon.gateway.routes import ROUTES


def build_app(gateway: Gateway) -> web.Application:
    app = web.Application(middlewares=[observed], client_max_size=JSON_BYTES)
    app[GATEWAY] = gateway
    app[page_routes.PAGE] = page_routes.load()
    for route in ROUTES:
        path = route.path.replace("{path}", "{path:.*}")
        app.router.add_route(route.method, path, route.handler)
    app.router.add_get("/openapi.json", _document, allow_head=False)
    app.on_response_prepare.append(add_headers)
    return app


async def _document(_: web.Request) -> web.Response:
    return web.Response(text=openapi.text(), content_type="application/json")
