"""The ids of compute nodes on chain.

A node's id is `<cluster>.<host>` until the chain deregisters it, which happens after an hour without a
heartbeat (the daemon was down, or the chain halted). No message reactivates a deregistered id. The host then
continues as `<cluster>.<host>~2`, and so on; no host name contains a `~`.
"""

from provider_daemon.ledger import meta
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.nodes.ids import first_id

# The chain's error texts: as published (2109, an undefined transition), and the error's own name (2128).
_WORDS = ("from deregistered to", "node deregistered")


def node_id(ledger: Ledger, cluster_name: str, host: str) -> str:
    return current_id(ledger, first_id(cluster_name, host))


def current_id(ledger: Ledger, first: str) -> str:
    return ledger.get(meta.node_id(first))


def is_given_up(refusal: str) -> bool:
    """Returns whether a heartbeat was refused because its node is deregistered."""
    return any(words in refusal for words in _WORDS)


def succeed(ledger: Ledger, old: str) -> str:
    """Replaces a deregistered id and returns the new one. Call inside `ledger.write()`."""
    first, _, number = old.partition("~")
    new = f"{first}~{int(number or 1) + 1}"
    ledger.set(meta.node_id(first), new)
    return new
