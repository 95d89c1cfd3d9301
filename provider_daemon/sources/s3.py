"""S3: requests are signed by obstore, and sent like any other one (provider_daemon/sources/https.py).

So the limits, time-outs and checks of https hold here too, and nothing but the configured endpoint is asked.
"""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

import obstore
from obstore.store import S3Store

from provider_daemon.errors import ConfigError
from provider_daemon.sources import https
from provider_daemon.sources.https import Http
from provider_daemon.sources.inputs import Input
from provider_daemon.sources.reference import split_s3
from provider_daemon.sources.weburl import WebUrl, parse_url

if TYPE_CHECKING:
    from obstore.store import S3Credential

SIGNED_FOR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An S3 server of data.s3_endpoints. Without a key its requests are anonymous."""

    url: WebUrl
    region: str = "us-east-1"
    access_key_id: str = ""
    secret_access_key: str = field(default="", repr=False)


def read_endpoint(name: str, url: str, environment: Mapping[str, str]) -> Endpoint:
    """Returns an endpoint with its key and region from PROVD_S3_<NAME>_ACCESS_KEY_ID, _SECRET_ACCESS_KEY and
    _REGION. Raises ConfigError for half a key, or a URL that is not one."""
    prefix = f"PROVD_S3_{re.sub('[^A-Z0-9]', '_', name.upper())}_"
    key, secret = (environment.get(f"{prefix}{end}", "") for end in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"))
    if bool(key) != bool(secret):
        raise ConfigError([f"{prefix}ACCESS_KEY_ID and {prefix}SECRET_ACCESS_KEY: set both or neither"])
    try:
        return Endpoint(parse_url(url), environment.get(f"{prefix}REGION") or "us-east-1", key, secret)
    except ValueError as error:
        raise ConfigError([f"data.s3_endpoints.{name}: {error}"]) from None


def request_url(endpoint: Endpoint, bucket: str, key: str, method: Literal["GET", "PUT"] = "GET") -> WebUrl:
    """Returns the URL of an object, signed for `method` if the endpoint has a key."""
    base = str(endpoint.url).rstrip("/")
    if not endpoint.access_key_id:
        return parse_url(f"{base}/{bucket}/{quote(key, safe='/~')}")
    return parse_url(obstore.sign(_store(endpoint, base, bucket), method, key, SIGNED_FOR))


def _store(endpoint: Endpoint, base: str, bucket: str) -> S3Store:
    """Sets whatever obstore would otherwise read from AWS_* variables, which are not meant for provd."""

    def credential() -> "S3Credential":
        return {
            "access_key_id": endpoint.access_key_id,
            "secret_access_key": endpoint.secret_access_key,
            "token": None,
            "expires_at": None,
        }

    return S3Store(
        bucket,
        config={
            "endpoint": base,
            "aws_endpoint_url_s3": base,
            "region": endpoint.region,
            "skip_signature": False,
            "s3_express": False,
            "request_payer": False,
            "virtual_hosted_style_request": False,
        },
        client_options={"allow_http": True},
        credential_provider=credential,
    )


@asynccontextmanager
async def fetch(
    http: Http,
    endpoints: Mapping[str, Endpoint],
    source: Input,
    offset: int = 0,
    *,
    hashing: bool = True,
) -> AsyncIterator[AsyncIterator[bytes]]:
    """As `https.fetch`. An endpoint may have a private address, and may not redirect."""
    name, bucket, key = split_s3(source.uri)
    url = request_url(endpoints[name], bucket, key)
    trusted = frozenset({url.authority})
    async with https.fetch(
        http, source, offset, hashing=hashing, url=url, trusted=trusted, redirects=0
    ) as chunks:
        yield chunks
