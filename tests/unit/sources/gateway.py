"""An IPFS gateway over recorded blocks. It parses nothing: index.json says where each block lies."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

from tests.unit.sources.far_end import Request, head

FIXTURES = Path(__file__).parents[2] / "fixtures/ipfs"
INDEX = json.loads((FIXTURES / "index.json").read_text())
DATA = bytes((i * 7 + (i >> 8) * 13) & 255 for i in range(65536))
"""The content of most recorded files (tests/fixtures/ipfs/README.md)."""
HEADER = bytes([17, 0xA2]) + b"\x65roots\x80" + b"\x67version\x01"
"""The start of a CAR without roots."""
Change = Callable[[bytes], bytes]


def root(fixture: str) -> str:
    return str(INDEX[fixture]["root"])


def car(fixture: str) -> bytes:
    return (FIXTURES / f"{fixture}.car").read_bytes()


def blocks(fixture: str) -> dict[str, bytes]:
    """CID -> block."""
    recorded = car(fixture)
    return {cid: recorded[at : at + size] for cid, (at, size) in INDEX[fixture]["blocks"].items()}


class Gateway:
    """A handler. `car`: what it sends as CAR, None if it has none; `single` changes each single block."""

    def __init__(
        self,
        known: str | dict[str, bytes],
        car: bytes | None = None,
        single: Change | None = lambda block: block,
    ) -> None:
        self._car = car
        self._blocks = blocks(known) if isinstance(known, str) else known
        self._single = single
        self.asked: list[str] = []

    async def __call__(self, request: Request, writer: asyncio.StreamWriter) -> None:
        path, _, query = request.target.partition("?")
        if "format=car" in query and self._car is not None:
            self.asked.append("car")
            writer.write(head("200 OK", {"Content-Type": "application/vnd.ipld.car; version=1"}))
            writer.write(self._car)
        elif "format=raw" in query and self._single is not None:
            self.asked.append("raw")
            block = self._single(self._blocks[path.removeprefix("/ipfs/")])
            fields = {"Content-Type": "application/vnd.ipld.raw", "Content-Length": str(len(block))}
            writer.write(head("200 OK", fields) + block)
        else:
            self.asked.append("refused")
            writer.write(head("404 Not Found", {"Content-Length": "0"}))
