"""The Python API for programs without asyncio: the same methods as `provider_daemon.client.api.Client`."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from provider_daemon.client import api
from provider_daemon.client.api import Fetched, Plan
from provider_daemon.client.gateway_facts import RemoteFile, Uploads
from provider_daemon.client.job_source import JobSource
from provider_daemon.client.outcome import Ended
from provider_daemon.client.submission import Submitted
from provider_daemon.client.verify import ResultFile
from provider_daemon.job.state import State


class Client:
    """A context manager around an `api.Client`. For one thread, and not inside a running event loop."""

    def __init__(self, client: api.Client) -> None:
        self._client = client
        self._runner = asyncio.Runner()

    @classmethod
    def from_keyring(cls, key: str, **options: Any) -> "Client":
        """Accepts what `api.Client.from_keyring` accepts."""
        return cls(api.Client.from_keyring(key, **options))

    def __enter__(self) -> "Client":
        self._runner.run(self._client.__aenter__())
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._runner.run(self._client.__aexit__())
        finally:
            self._runner.close()

    @property
    def address(self) -> str:
        return self._client.address

    def plan(self, job: JobSource, *, offering: str = "", directory: Path | None = None) -> Plan:
        return self._runner.run(self._client.plan(job, offering=offering, directory=directory))

    def send(self, plan: Plan) -> Submitted:
        return self._runner.run(self._client.send(plan))

    def submit(self, job: JobSource, *, offering: str = "") -> str:
        return self._runner.run(self._client.submit(job, offering=offering))

    def wait(self, job_id: str, changed: Callable[[State, str], None] = lambda state, message: None) -> Ended:
        return self._runner.run(self._client.wait(job_id, changed))

    def logs(self, job_id: str, *, stream: str = "output", follow: bool = False) -> Iterator[bytes]:
        parts = self._client.logs(job_id, stream=stream, follow=follow)
        try:
            while (part := self._runner.run(_next(parts))) is not None:
                yield part
        finally:
            self._runner.run(parts.aclose())

    def files(self, job_id: str, prefix: str = "") -> list[RemoteFile]:
        return self._runner.run(self._client.files(job_id, prefix))

    def manifest(self, job_id: str, *, patience: float = 0.0) -> tuple[bytes, tuple[ResultFile, ...]]:
        return self._runner.run(self._client.manifest(job_id, patience=patience))

    def fetch(self, job_id: str, directory: str | Path, *, patience: float = 0.0) -> Fetched:
        return self._runner.run(self._client.fetch(job_id, directory, patience=patience))

    def upload(self, path: str | Path) -> str:
        return self._runner.run(self._client.upload(path))

    def download(self, sha256: str, path: str | Path) -> int:
        return self._runner.run(self._client.download(sha256, path))

    def uploads(self) -> Uploads:
        return self._runner.run(self._client.uploads())

    def remove_upload(self, sha256: str) -> None:
        self._runner.run(self._client.remove_upload(sha256))


async def _next(parts: Any) -> bytes | None:
    found: bytes | None = await anext(parts, None)
    return found
