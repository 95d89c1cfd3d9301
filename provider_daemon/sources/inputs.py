"""An input of a job after its declaration was checked, and the site's rules for inputs."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from provider_daemon.config.model import DataConfig
from provider_daemon.errors import ConfigError
from provider_daemon.sources.addresses import Forbidden
from provider_daemon.sources.weburl import PORTS, WebUrl, parse_host

MAX_INPUTS = 1000

T = TypeVar("T")


class Scheme(StrEnum):
    """The schemes of a URI that provd fetches from."""

    HTTPS = "https"
    HTTP = "http"
    S3 = "s3"
    IPFS = "ipfs"
    UPLOAD = "upload"
    SITE = "site"


@dataclass(frozen=True, slots=True)
class Input:
    """`uri`: without fragment; never logged, because a query can hold a signature: log `shown`.

    `sha256`: hex digest of the bytes as fetched, None if none was declared. `size`: in bytes as fetched, None
    if not declared; never more than the policy's limit, which `limit` holds. `encrypted`: the fetched bytes
    must be decrypted with the provider's recipient key.
    """

    name: str
    uri: str = field(repr=False)
    scheme: Scheme
    sha256: str | None
    size: int | None
    limit: int
    encrypted: bool = False

    @property
    def shown(self) -> str:
        return self.uri.partition("?")[0]

    @property
    def resumable(self) -> bool:
        """Whether parts that were fetched at two times certainly belong to the same content."""
        return self.sha256 is not None or self.scheme is Scheme.IPFS


@dataclass(frozen=True, slots=True)
class InputPolicy:
    """What a site accepts. `datasets`: names for `site:`. `max_bytes`: of one input, and of all of a job."""

    require_checksum: bool = True
    max_bytes: int = 100 * 10**9
    s3_endpoints: frozenset[str] = frozenset()
    ipfs: bool = False
    uploads: bool = False
    datasets: frozenset[str] = frozenset()
    allowed: "AllowedHosts" = field(default_factory=lambda: AllowedHosts(frozenset()))
    forbidden: Forbidden = field(default_factory=Forbidden.public_only)

    @classmethod
    def of(cls, data: DataConfig, datasets: Mapping[str, str], *, uploads: bool) -> "InputPolicy":
        """Returns the policy of a configuration; `datasets` are those of the job's cluster.

        Raises ConfigError for a host or network that is not one.
        """
        return cls(
            require_checksum=data.require_checksum,
            max_bytes=data.max_input_gb * 10**9,
            s3_endpoints=frozenset(data.s3_endpoints),
            ipfs=bool(data.ipfs_gateways),
            uploads=uploads,
            datasets=frozenset(datasets),
            allowed=_configured("allowed_hosts", AllowedHosts.of, data.allowed_hosts),
            forbidden=_configured("forbidden_networks", Forbidden.public_only, data.forbidden_networks),
        )


@dataclass(frozen=True, slots=True)
class AllowedHosts:
    """Hosts that may be fetched from although their addresses are not public, by host and port."""

    authorities: frozenset[tuple[str, int]]

    @classmethod
    def of(cls, entries: Iterable[str]) -> "AllowedHosts":
        """An entry is `host`, for ports 80 and 443, or `host:port`. Raises ValueError for another."""
        return cls(frozenset(pair for entry in entries for pair in _authorities(entry)))

    def allows(self, url: WebUrl) -> bool:
        return url.authority in self.authorities


def _authorities(entry: str) -> list[tuple[str, int]]:
    host, separator, port = entry.rpartition(":")
    if not separator or entry.endswith("]"):
        return [(parse_host(entry), default) for default in PORTS.values()]
    if not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
        raise ValueError(f"invalid port in {entry!r}")
    return [(parse_host(host), int(port))]


def _configured(key: str, read: Callable[[Iterable[str]], T], values: list[str]) -> T:
    try:
        return read(values)
    except ValueError as error:
        raise ConfigError([f"data.{key}: {error}"]) from None
