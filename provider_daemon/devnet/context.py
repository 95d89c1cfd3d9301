"""What a message handler is given: the state, its block, and the rules in force."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeVar, cast

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from provider_daemon.chain import codec, keyspace
from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2
from provider_daemon.devnet.kv import Layer
from provider_daemon.money.rules import DEFAULT as BILLING
from provider_daemon.money.rules import Rules as Billing

M = TypeVar("M", bound=Message)

Event = tuple[str, dict[str, str]]


@dataclass(frozen=True, slots=True)
class ChainRules:
    """The rules of this chain.

    `settlement`: "report" (as the module's test report describes) or "published" (nothing happens). `compat`:
    "report", or "published" with the behaviour of the published source (docs/devnet.md). `max_gas`: of a
    block; -1 means no limit. `authority`: the governance account ("" is the gov module's account).
    `identities`: the scores of customers, 0 to 100; others have 0. `finalize_seconds`, `settle_seconds`:
    after the end of a job (3,600 and 86,400 on the chain). `billing`: rates, discounts, caps, shares.
    """

    chain_id: str = "virtengine-localnet-1"
    settlement: str = "report"
    compat: str = "report"
    min_gas_price: str = "0.025"
    fee_denom: str = "uve"
    max_gas: int = -1
    authority: str = ""
    identities: Mapping[str, int] = field(default_factory=dict)
    finalize_seconds: int = 0
    settle_seconds: int = 0
    billing: Billing = BILLING

    @property
    def has_quirks(self) -> bool:
        return self.compat == "published"


@dataclass(slots=True)
class Context:
    """State and block of a message. `time` is in nanoseconds since the epoch."""

    state: Layer
    rules: ChainRules
    height: int
    time: int
    events: list[Event] = field(default_factory=list)

    def branch(self) -> "Context":
        """Returns a context whose changes are dropped unless `state.commit()` is called."""
        return Context(Layer(self.state), self.rules, self.height, self.time)

    @property
    def now(self) -> Timestamp:
        return Timestamp(seconds=self.time // 10**9, nanos=self.time % 10**9)

    # --- records of the hpc store ---

    def load(self, message_type: type[M], prefix: bytes, record_id: str) -> M | None:
        value = self.state.get(keyspace.HPC_STORE, keyspace.key(prefix, record_id))
        return _decode(message_type, value) if value else None

    def store(
        self, prefix: bytes, record_id: str, message: Message, extras: dict[str, Any] | None = None
    ) -> None:
        self.state.put(keyspace.HPC_STORE, keyspace.key(prefix, record_id), codec.encode(message, extras))

    def extras(self, prefix: bytes, record_id: str, names: dict[str, Any]) -> dict[str, Any]:
        """Returns the fields of a record that its protobuf message lacks; `names` has their defaults."""
        value = self.state.get(keyspace.HPC_STORE, keyspace.key(prefix, record_id))
        record = codec.loads(value) if value else {}
        return {name: record.get(name, default) for name, default in names.items()}

    def rows(self, message_type: type[M], prefix: bytes) -> list[tuple[bytes, M]]:
        """Yields id and record in the store's order: by the bytes of the id."""
        return [
            (key[1:], _decode(message_type, value))
            for key, value in self.state.scan(keyspace.HPC_STORE, prefix)
        ]

    def every(self, message_type: type[M], prefix: bytes) -> list[M]:
        return [record for _, record in self.rows(message_type, prefix)]

    def params(self) -> types_pb2.Params:
        """Returns the current parameters; governance can change them at any time."""
        return _decode(types_pb2.Params, self.state.get(keyspace.HPC_STORE, keyspace.PARAMS))

    def since(self, moment: Timestamp) -> int:
        """Returns nanoseconds since a time."""
        return self.time - moment.seconds * 10**9 - moment.nanos

    def next_id(self, counter: bytes, step: int = 1) -> int:
        value = self.state.get(keyspace.HPC_STORE, counter)
        number = int.from_bytes(value, "big") if value else 1
        self.state.put(keyspace.HPC_STORE, counter, (number + step).to_bytes(8, "big"))
        return number


def _decode(message_type: type[M], value: bytes) -> M:
    """Returns a copy of the message that the caller may change."""
    wire: bytes = _wire(cast("Hashable", message_type), value)
    return message_type.FromString(wire)


@lru_cache(maxsize=10_000)
def _wire(message_type: Any, value: bytes) -> bytes:
    """Returns the encoded record from a cache.

    Every block reads every node and cluster, and few of them have changed. Parsing their JSON each time would
    be most of a block's work.
    """
    record: Message = codec.decode(message_type, value)
    return record.SerializeToString()
