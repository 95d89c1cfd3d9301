"""Sends results to a customer's target: one HTTP PUT, presigned by the customer or with the site's S3 key."""

from collections.abc import Mapping

from provider_daemon.errors import Transient
from provider_daemon.mover.ports import Chunks
from provider_daemon.mover.targets import Target, TargetKind, TargetRefused
from provider_daemon.sources.https import Authorities, Http
from provider_daemon.sources.reference import split_s3
from provider_daemon.sources.refusals import InputRefused
from provider_daemon.sources.s3 import Endpoint, request_url
from provider_daemon.sources.weburl import WebUrl, parse_url

AGAIN = frozenset({408, 425, 429})


class HttpUploader:
    """Implements delivery.Uploader. `endpoints`: the S3 servers of data.s3_endpoints by name."""

    def __init__(self, http: Http, endpoints: Mapping[str, Endpoint]) -> None:
        self._http = http
        self._endpoints = endpoints

    async def put(self, target: Target, chunks: Chunks, size: int) -> None:
        url, trusted = self._resolved(target)
        try:
            async with self._http.session(trusted) as session:
                status = await session.put(url, chunks, size)
        except InputRefused as error:
            raise TargetRefused(str(error)) from None
        if status in AGAIN or status >= 500:
            raise Transient(f"{target.shown}: the target cannot accept the results now (HTTP {status})")
        if not 200 <= status < 300:
            hint = "; a presigned URL may have expired" if status in (401, 403) else ""
            raise TargetRefused(f"{target.shown}: the target refuses the results (HTTP {status}){hint}")

    def _resolved(self, target: Target) -> tuple[WebUrl, Authorities]:
        if target.kind is TargetKind.PUT:
            return parse_url(target.uri), frozenset()
        name, bucket, key = split_s3(target.uri)
        endpoint = self._endpoints.get(name)
        if endpoint is None:
            known = ", ".join(sorted(self._endpoints)) or "none"
            raise TargetRefused(f"{target.shown}: unknown S3 endpoint; this site has: {known}")
        url = request_url(endpoint, bucket, key, "PUT")
        return url, frozenset({url.authority})
