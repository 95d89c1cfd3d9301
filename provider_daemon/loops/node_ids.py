"""Under which id a compute node is on the chain.

`<cluster>.<host>`, until the chain deregisters it: after an hour without a heartbeat (the daemon was down, or
the chain stood still) no message brings that id back. Its host then goes on as `<cluster>.<host>~2`, and so
on; no host name holds a `~`."""

from provider_daemon.ledger import meta
from provider_daemon.ledger.ledger import Ledger

# The chain's words for it: as published (2109, a transition that there is none), and by the error's own name
# (2128).
_WORDS = ("from deregistered to", "node deregistered")


def node_id(ledger: Ledger, cluster_name: str, host: str) -> str:
    first = f"{cluster_name}.{host}"
    return ledger.get(meta.node_id(first))


def is_given_up(refusal: str) -> bool:
    """Whether a heartbeat was refused because its node is deregistered."""
    return any(words in refusal for words in _WORDS)


def succeed(ledger: Ledger, old: str) -> str:
    """The id in place of a deregistered one, from now on. Call inside `ledger.write()`."""
    first, _, number = old.partition("~")
    new = f"{first}~{int(number or 1) + 1}"
    ledger.set(meta.node_id(first), new)
    return new
