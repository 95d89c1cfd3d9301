"""GET /v1/clusters/{id}/catalogue: what the provider sells, as the daemon signed it."""

from aiohttp import web

from provider_daemon.gateway.access import GATEWAY
from provider_daemon.gateway.errors import ApiError, Code


async def catalogue(request: web.Request) -> web.Response:
    """What a cluster offers: queues, prices, images, templates, maintenance, and what is free."""
    gateway = request.app[GATEWAY]
    cluster_id = request.match_info["id"]
    text = gateway.ledger.catalogue(cluster_id) if cluster_id in gateway.sites else ""
    if not text:
        raise ApiError(Code.NOT_FOUND, "There is no catalogue of this cluster.")
    return web.Response(text=text, content_type="application/json", headers={"Cache-Control": "no-cache"})
