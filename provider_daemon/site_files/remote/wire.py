"""Frames of the protocol over two file descriptors."""

import json
import os
import struct
import time
from typing import Any, BinaryIO, Dict, Optional

READY = b"provd-site-files"
PIECE = 256 * 1024  # largest frame of content to the client
MAX_REQUEST = 1024 * 1024
MAX_CONTENT = 4 * 1024 * 1024
WORKING_SECONDS = 5.0


class Cut(Exception):
    """The client is gone."""


class Wire:
    def __init__(self, source: BinaryIO, sink: int) -> None:
        self._source = source
        self._sink = sink
        self._last = time.monotonic()

    def ready(self, hello: Dict[str, Any]) -> None:
        self._write([b"\n" + READY + b"\n"])
        self._json(b"h", hello)

    def request(self) -> Optional[Dict[str, Any]]:
        """Returns None at the end of stdin."""
        size = self._source.read(4)
        if not size:
            return None
        asked = json.loads(self._exactly(self._size(size, MAX_REQUEST)).decode("ascii"))
        if not isinstance(asked, dict):
            raise Cut
        return asked

    def content(self) -> bytes:
        """Returns the next content of a "write", b"" at its end. Raises Cut if it ends early."""
        return self._exactly(self._size(self._source.read(4), MAX_CONTENT))

    def data(self, data: "memoryview") -> None:
        self._write([struct.pack(">cI", b"d", len(data)), data])

    def value(self, value: Any) -> None:
        self._json(b"v", value)

    def end(self, value: Any) -> None:
        self._json(b"z", value)

    def error(self, kind: str, reason: str) -> None:
        self._json(b"e", {"kind": kind, "reason": reason})

    def working(self) -> None:
        """To be called while nothing is sent: the client gives up on a program that is silent for long."""
        if time.monotonic() - self._last > WORKING_SECONDS:
            self._write([struct.pack(">cI", b"p", 0)])

    def _json(self, kind: bytes, value: Any) -> None:
        text = json.dumps(value, separators=(",", ":")).encode("ascii")
        self._write([struct.pack(">cI", kind, len(text)), text])

    def _size(self, size: bytes, most: int) -> int:
        if len(size) != 4:
            raise Cut
        (length,) = struct.unpack(">I", size)
        if length > most:
            raise Cut
        return int(length)

    def _exactly(self, size: int) -> bytes:
        data = self._source.read(size)
        if len(data) != size:
            raise Cut
        return data

    def _write(self, pieces: Any) -> None:
        self._last = time.monotonic()
        waiting = [memoryview(piece) for piece in pieces]
        try:
            while waiting:
                written = os.writev(self._sink, waiting)
                while waiting and written >= len(waiting[0]):
                    written -= len(waiting.pop(0))
                if waiting:
                    waiting[0] = waiting[0][written:]
        except (BrokenPipeError, ConnectionResetError):
            raise Cut from None
