"""A chain client for the duration of one command."""

import logging
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

import structlog

from provider_daemon import log
from provider_daemon.chain.client import GrpcChain
from provider_daemon.clock import SystemClock
from provider_daemon.errors import ConfigError

_NODE = re.compile(r"(https://|http://)?[^/@\s]+:\d{1,5}")


@asynccontextmanager
async def chain_at(nodes: Sequence[str], chain_id: str) -> AsyncIterator[GrpcChain]:
    """Raises ConfigError for an invalid gRPC endpoint."""
    wrong = [node for node in nodes if not _NODE.fullmatch(node)]
    if wrong:
        raise ConfigError(
            [
                f"--node: invalid gRPC endpoint: {node!r}; must be host:port, or https://host:port for TLS"
                for node in wrong
            ]
        )
    with _few_words():
        chain = GrpcChain(chain_id, nodes, SystemClock())
        try:
            yield chain
        finally:
            await chain.close()


@contextmanager
def _few_words() -> Iterator[None]:
    """Suppresses the daemon's warnings: the command reports an endpoint's error in its final line."""
    root, before = logging.getLogger(), structlog.get_config()
    handlers = root.handlers
    log.configure("console", "error")
    try:
        yield
    finally:
        root.handlers = handlers
        structlog.configure(**before)
