"""All sources of inputs behind one method."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from provider_daemon.config.model import DataConfig
from provider_daemon.errors import ConfigError, Transient
from provider_daemon.sources import https, ipfs, s3, uploads
from provider_daemon.sources.addresses import Address
from provider_daemon.sources.https import Http, Limits
from provider_daemon.sources.inputs import Input, InputPolicy, Scheme
from provider_daemon.sources.refusals import InputRefused
from provider_daemon.sources.resolver import Lookup, is_own, system_lookup
from provider_daemon.sources.weburl import parse_url

Stream = AbstractAsyncContextManager[AsyncIterator[bytes]]


class Sources:
    """Where inputs come from, as configured. `uploads`: the gateway's directory, None without a gateway."""

    def __init__(
        self,
        http: Http,
        endpoints: Mapping[str, s3.Endpoint],
        gateways: Sequence[str],
        uploads_directory: Path | None,
    ) -> None:
        self._http = http
        self._endpoints = endpoints
        self._gateways = gateways
        self._uploads = uploads_directory

    @classmethod
    def of(
        cls,
        data: DataConfig,
        uploads_directory: Path | None,
        environment: Mapping[str, str],
        *,
        limits: Limits | None = None,
        lookup: Lookup = system_lookup,
        own: Callable[[Address], bool] = is_own,
    ) -> "Sources":
        """Raises ConfigError for a value that is not what its key asks for."""
        policy = InputPolicy.of(data, {}, uploads=uploads_directory is not None)
        endpoints = {
            name: s3.read_endpoint(name, url, environment) for name, url in data.s3_endpoints.items()
        }
        try:
            for gateway in data.ipfs_gateways:
                parse_url(gateway)
            http = Http(policy, ca_file=data.ca_file, limits=limits, lookup=lookup, own=own)
        except ValueError as error:
            raise ConfigError([f"data.ipfs_gateways: {error}"]) from None
        except OSError as error:
            raise ConfigError([f"data.ca_file: {data.ca_file}: {error.strerror}"]) from None
        return cls(http, endpoints, data.ipfs_gateways, uploads_directory)

    def fetch(self, source: Input, customer: str, offset: int = 0, *, hashing: bool = True) -> Stream:
        """Returns a context whose value is the input's bytes from `offset` on, for `customer` (bech32).

        Size and checksum are checked while the bytes pass; the checksum of an upload or a resumed input is
        left to the caller, and without `hashing` every one is. An offset needs `source.resumable`. Raises,
        when the context is entered or while it is read, InputRefused if the input can never be fetched as
        declared, and Transient for all else. A `site:` input is not fetched.
        """
        if source.scheme in (Scheme.HTTPS, Scheme.HTTP):
            return https.fetch(self._http, source, offset, hashing=hashing)
        if source.scheme is Scheme.S3:
            return s3.fetch(self._http, self._endpoints, source, offset, hashing=hashing)
        if source.scheme is Scheme.IPFS:
            return ipfs.fetch(self._http, self._gateways, source, offset, hashing=hashing)
        if source.scheme is Scheme.UPLOAD and self._uploads is not None:
            return uploads.fetch(self._uploads, customer, source, offset)
        raise ValueError(f"{source.name}: {source.scheme} inputs are not fetched")

    async def uploaded(
        self, inputs: Sequence[Input], customer: str
    ) -> list[bytes | InputRefused | Transient]:
        """Returns the whole and checked content of each `upload:` input, or why there is none."""
        if self._uploads is None:
            raise ValueError("uploads are not fetched without a gateway")
        return await uploads.read_all(self._uploads, customer, inputs)
