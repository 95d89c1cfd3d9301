"""What an operator may ask of the daemon: typed operations, carried out on the ledger.

An operation is the same whether the daemon carries it out, asked over the control socket, or the command
itself does, because no daemon runs: it changes the ledger, and the loops act on what they find there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from provider_daemon.audit_log.records import Action
from provider_daemon.chain.keys import Signer
from provider_daemon.config.model import Config
from provider_daemon.ledger.ledger import Ledger


class Body(BaseModel):
    """A request or an answer. Fields that this version does not know are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Reason = Annotated[str, Field(min_length=1, max_length=200)]
"""Why an operator does something."""

Asked = TypeVar("Asked", bound=Body)
Answer = TypeVar("Answer", bound=Body)


@dataclass(frozen=True, slots=True)
class Context:
    """What an operation works with. `operator`: the Unix user who asks. `now`: seconds since the epoch.

    `signers`: the public keys that the running daemon signs with, by address; empty if none runs. `keys`: the
    keys themselves, by their names in the configuration.
    """

    ledger: Ledger
    config: Config
    operator: str
    now: float
    signers: Mapping[str, bytes] = field(default_factory=dict)
    keys: Mapping[str, Signer] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Deed:
    """What the audit log says about a change: which job or object, and why."""

    action: Action
    job: str = ""
    object: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Operation(Generic[Asked, Answer]):
    """`name` is its path below /v1/.

    `apply` runs in one transaction of the ledger, and raises Refused if it cannot be done. `deeds` are
    recorded in the same transaction; None for a query, which changes nothing. `wakes`: the loops that act on
    the change, by the first part of their names.
    """

    name: str
    asked: type[Asked]
    answer: type[Answer]
    apply: Callable[[Asked, Context], Answer]
    deeds: Callable[[Asked, Answer], list[Deed]] | None = None
    wakes: frozenset[str] = frozenset()
