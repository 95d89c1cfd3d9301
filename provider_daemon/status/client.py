"""Queries the status of the running daemon."""

import http.client
import json
from typing import Any

from provider_daemon.errors import ConfigError
from provider_daemon.status.overview import DaemonStatus, EndpointStatus, LoopStatus, Trouble, WalletStatus
from provider_daemon.text import printable

PATIENCE_SECONDS = 2.0
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - a wildcard address cannot be queried


def ask(listen: str, ledger_id: str) -> DaemonStatus | None:
    """Returns None if nothing answers at metrics.listen.

    Raises ConfigError if something else answers there, or a daemon with another ledger.
    """
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    connection = http.client.HTTPConnection(_ANYWHERE.get(host, host), int(port), timeout=PATIENCE_SECONDS)
    try:
        connection.request("GET", "/status.json")
        found = read(json.load(connection.getresponse())["daemon"])
    except OSError:
        return None
    except (http.client.HTTPException, ValueError, TypeError, KeyError):
        raise _another(listen, "the process that answers there is not provd of this version") from None
    finally:
        connection.close()
    if found.ledger_id != ledger_id:
        raise _another(
            listen, f"provd {found.version} answers there, but uses another ledger: {printable(found.ledger)}"
        )
    return found


def _another(listen: str, what: str) -> ConfigError:
    todo = "use -c with the configuration of that daemon, or set a different metrics.listen for each daemon"
    return ConfigError([f"metrics.listen {listen}: {what}: {todo}"])


def read(value: dict[str, Any]) -> DaemonStatus:
    """Raises TypeError or KeyError for a document of another form."""
    return DaemonStatus(
        version=str(value["version"]),
        parts=tuple(LoopStatus(**each) for each in value["parts"]),
        troubles=tuple(Trouble(**each) for each in value["troubles"]),
        endpoints=tuple(EndpointStatus(**each) for each in value["endpoints"]),
        wallets=tuple(WalletStatus(**each) for each in value["wallets"]),
        ledger=str(value["ledger"]),
        ledger_id=str(value["ledger_id"]),
        config_problems=tuple(map(str, value["config_problems"])),
        silent=tuple(map(str, value["silent"])),
    )
