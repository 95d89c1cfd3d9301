"""Who sends a request: the address that is logged and limited."""

import ipaddress

from aiohttp import web


def client_address(request: web.Request, *, proxied: bool) -> str:
    """Returns the client's IP address: the last one that the reverse proxy added, or the peer's."""
    peer = request.remote or "unknown"
    if not proxied:
        return peer
    named = request.headers.getall("X-Forwarded-For", [""])[-1].rpartition(",")[2].strip()
    try:
        return str(ipaddress.ip_address(named))
    except ValueError:
        return peer
