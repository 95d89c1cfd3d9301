"""Shared values of the tests of sources."""

import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from ipaddress import ip_network

from provider_daemon.sources.addresses import Address, Forbidden
from provider_daemon.sources.https import Limits
from provider_daemon.sources.inputs import AllowedHosts, Input, InputPolicy, Scheme
from provider_daemon.sources.weburl import parse_url

BODY = bytes(range(256)) * 4000  # more than one chunk
BODY_SHA256 = hashlib.sha256(BODY).hexdigest()
PUBLIC = "93.184.216.34"  # no packet is sent to it
QUICK = Limits(connect=2.0, answer=2.0, idle=2.0, slow=60.0, total=60.0)


def policy(*allowed: str, require_checksum: bool = True, max_bytes: int = 10**7) -> InputPolicy:
    return InputPolicy(
        require_checksum=require_checksum,
        max_bytes=max_bytes,
        s3_endpoints=frozenset({"minio"}),
        ipfs=True,
        uploads=True,
        datasets=frozenset({"imagenet"}),
        allowed=AllowedHosts.of(allowed),
    )


def web_input(
    url: str,
    *,
    sha256: str | None = BODY_SHA256,
    size: int | None = len(BODY),
    limit: int = 10**7,
    name: str = "data.bin",
) -> Input:
    return Input(name, url, Scheme(parse_url(url).scheme), sha256, size, limit)


def nobody(_: Address) -> bool:
    """No address is this host's own, so that loopback can stand for the Internet."""
    return False


async def collect(
    stream: AbstractAsyncContextManager[AsyncIterator[bytes]],
    store: Callable[[bytes], None] = lambda _: None,
) -> bytes:
    """Returns the whole content; `store` gets each chunk as it comes."""
    parts = []
    async with stream as chunks:
        async for chunk in chunks:
            store(chunk)
            parts.append(chunk)
    return b"".join(parts)


def only_loopback() -> InputPolicy:
    """A policy that forbids 127.0.0.1 alone, so that the rest of loopback can stand for the Internet."""
    return replace(policy(), forbidden=Forbidden(((ip_network("127.0.0.1/32"), "loopback"),)))
