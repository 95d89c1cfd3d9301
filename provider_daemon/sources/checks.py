"""Checks the bytes of an input while they pass: never more than declared, and exactly as declared."""

import hashlib

from provider_daemon.sources.inputs import Input
from provider_daemon.sources.refusals import InputRefusal, InputRefused


class Check:
    """Counts and hashes an input's bytes from `offset` on.

    The checksum of a resumed input is left to the caller; without `hashing` every checksum is.
    """

    def __init__(self, source: Input, offset: int = 0, *, hashing: bool = True) -> None:
        self._source = source
        self.limit = source.limit if source.size is None else source.size
        self._digest = hashlib.sha256() if hashing and not offset else None
        self.received = offset
        if offset > self.limit:
            raise self._too_large()

    def announced(self, total: int | None) -> None:
        """Checks the size that a server announces for the whole content. Raises InputRefused."""
        if total is None:
            return
        if self._source.size is not None and total != self._source.size:
            raise InputRefused(
                InputRefusal.WRONG_SIZE,
                f"{self._source.name}: has {total} bytes, but size_bytes is {self._source.size}",
            )
        if total > self.limit:
            raise self._too_large()

    def update(self, chunk: bytes) -> None:
        """Raises InputRefused before a byte over the limit is passed on."""
        self.received += len(chunk)
        if self.received > self.limit:
            raise self._too_large()
        if self._digest is not None:
            self._digest.update(chunk)

    def finish(self) -> None:
        """Checks the whole at its end. Raises InputRefused."""
        source = self._source
        if source.size not in (None, self.received):
            raise InputRefused(
                InputRefusal.WRONG_SIZE,
                f"{source.name}: ended after {self.received} bytes, but size_bytes is {source.size}",
            )
        if self._digest is None or source.sha256 is None:
            return
        found = self._digest.hexdigest()
        if found != source.sha256:
            raise InputRefused(
                InputRefusal.WRONG_CHECKSUM,
                f"{source.name}: its SHA-256 is {found}, but {source.sha256} was declared",
            )

    def _too_large(self) -> InputRefused:
        declared = self._source.size is not None
        reason = InputRefusal.WRONG_SIZE if declared else InputRefusal.TOO_LARGE
        of = "size_bytes declares" if declared else "this site accepts"
        return InputRefused(reason, f"{self._source.name}: more than the {self.limit} bytes that {of}")
