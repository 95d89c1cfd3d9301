"""The module without a server: handlers on a state, at whatever height and time a test names."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from google.protobuf.message import Message

from provider_daemon.chain import codec, keyspace
from provider_daemon.devnet import genesis
from provider_daemon.devnet.context import ChainRules, Context
from provider_daemon.devnet.end_block import end_block
from provider_daemon.devnet.execute import handle
from provider_daemon.devnet.kv import Layer
from provider_daemon.devnet.validate import validate
from tests.fakes.chain import FUNDS

START = "2026-11-24T06:00:00Z"


def nanoseconds(text: str) -> int:
    """Of an RFC 3339 time in UTC with up to nine digits."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    return int(datetime.fromisoformat(whole + "+00:00").timestamp()) * 10**9 + int(
        fraction.ljust(9, "0") or 0
    )


@dataclass
class Module:
    """`do` runs one message as a transaction would; a failing one leaves nothing behind."""

    rules: ChainRules = field(default_factory=ChainRules)
    state: Layer = field(default_factory=Layer)
    height: int = 1
    time: int = nanoseconds(START)

    def __post_init__(self) -> None:
        genesis.write(self.context(), FUNDS)

    def context(self) -> Context:
        return Context(self.state, self.rules, self.height, self.time)

    def at(self, time: str, height: int = 1) -> "Module":
        self.time, self.height = nanoseconds(time), height
        return self

    def later(self, seconds: float) -> "Module":
        """So much time passes, and a block ends."""
        self.time += round(seconds * 10**9)
        self.height += 1
        self.end_block()
        return self

    def end_block(self) -> None:
        end_block(self.context())

    def do(self, *messages: Message) -> Context:
        """Raises ChainError; the context that is returned has the events."""
        work = self.context().branch()
        for message in messages:
            validate(message)
            handle(work, message)
        work.state.commit()
        return work

    def raw(self, prefix: bytes, record_id: str) -> bytes:
        return self.state.get(keyspace.HPC_STORE, keyspace.key(prefix, record_id))

    def record(self, prefix: bytes, record_id: str) -> dict[str, Any]:
        return codec.loads(self.raw(prefix, record_id))
