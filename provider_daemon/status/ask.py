"""What the running daemon says of itself, asked by a command beside it."""

import http.client
import json
from typing import Any

from provider_daemon.status.overview import Daemon, Endpoint, Part, Trouble, Wallet

PATIENCE_SECONDS = 2.0
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - an address to listen on is none to ask


def ask(listen: str) -> Daemon | None:
    """None when nothing answers at metrics.listen, or not as this version of provd would."""
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    connection = http.client.HTTPConnection(_ANYWHERE.get(host, host), int(port), timeout=PATIENCE_SECONDS)
    try:
        connection.request("GET", "/status.json")
        return read(json.load(connection.getresponse())["daemon"])
    except (OSError, http.client.HTTPException, ValueError, TypeError, KeyError):
        return None
    finally:
        connection.close()


def read(value: dict[str, Any]) -> Daemon:
    """Raises TypeError or KeyError for a document of another form."""
    return Daemon(
        version=str(value["version"]),
        parts=tuple(Part(**each) for each in value["parts"]),
        troubles=tuple(Trouble(**each) for each in value["troubles"]),
        endpoints=tuple(Endpoint(**each) for each in value["endpoints"]),
        wallets=tuple(Wallet(**each) for each in value["wallets"]),
    )
