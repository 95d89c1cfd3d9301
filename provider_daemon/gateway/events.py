"""Server-sent events of a log (the HTML standard's event stream). Pure.

An event's id is the number of the log's bytes up to its end, so that a client continues where it was
interrupted. Its data is one JSON string: a log may have carriage returns, which the format would split.
"""

import codecs
import json

KEEP_ALIVE = b": keep-alive\n\n"


class LogEvents:
    """Turns a log's bytes, from `offset` on, into events. A character is never split between two events."""

    def __init__(self, offset: int) -> None:
        self.offset = offset
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def event(self, chunk: bytes, *, final: bool = False) -> bytes:
        """Returns the event for the next bytes; b"" if they complete no character."""
        self.offset += len(chunk)
        text = self._decoder.decode(chunk, final)
        pending = len(self._decoder.getstate()[0])
        return _event("log", self.offset - pending, text) if text else b""

    def end(self, state: str) -> bytes:
        """Returns what ends the stream: remaining bytes, then the job's state."""
        return self.event(b"", final=True) + _event("end", self.offset, state)

    @staticmethod
    def failed(message: str) -> bytes:
        """Returns an event after which the client connects again."""
        return b"event: failed\ndata: " + json.dumps(message).encode() + b"\n\n"


def _event(name: str, offset: int, text: str) -> bytes:
    return f"id: {offset}\nevent: {name}\ndata: {json.dumps(text)}\n\n".encode()
