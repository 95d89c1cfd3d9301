"""Reads images from container registries (OCI distribution-spec 1.0), by the rules of all other sources."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from urllib.parse import quote, urlencode

from aiohttp import ClientResponse

from provider_daemon.errors import Transient
from provider_daemon.sources.answers import failure
from provider_daemon.sources.https import Http, Session
from provider_daemon.sources.oci import (
    DOCKER_HUB,
    DOCKER_HUB_HOST,
    INDEXES,
    MANIFESTS,
    MAX_MANIFEST,
    ImageReference,
    check_digest,
)
from provider_daemon.sources.refusals import InputRefusal, InputRefused
from provider_daemon.sources.weburl import BadUrl, WebUrl, join, parse_url

_ACCEPT = ", ".join(sorted(MANIFESTS | INDEXES))
_CHALLENGE = re.compile(r'([a-z]+)="([^"]*)"')
MAX_TOKEN = 64 * 1024


class Registries:
    """`allowed`: the registries that the site accepts, as `host[:port]`; `http://host:port` without TLS."""

    def __init__(self, http: Http, allowed: Sequence[str]) -> None:
        self._http = http
        self._allowed = {name.removeprefix("http://"): name.startswith("http://") for name in allowed}

    @asynccontextmanager
    async def open(self, reference: ImageReference) -> AsyncIterator["Repository"]:
        """Raises InputRefused for a registry that the site does not accept."""
        if reference.registry not in self._allowed:
            accepted = ", ".join(sorted(self._allowed)) or "none"
            raise InputRefused(
                InputRefusal.DENIED,
                f"registry {reference.registry} is not accepted by this site, which accepts {accepted}",
            )
        plain = self._allowed[reference.registry]
        host = DOCKER_HUB_HOST if reference.registry == DOCKER_HUB else reference.registry
        base = parse_url(f"{'http' if plain else 'https'}://{host}/v2/{reference.repository}/")
        trusted = frozenset({base.authority}) if plain else frozenset()
        async with self._http.session(trusted) as session:
            yield Repository(session, base, str(reference))


class Repository:
    """One repository of a registry. Each method raises InputRefused and Transient."""

    def __init__(self, session: Session, base: WebUrl, shown: str) -> None:
        self._session = session
        self._base = base
        self._shown = shown
        self._token = ""

    async def manifest(self, wanted: str) -> bytes:
        """Returns a manifest or an index by tag or digest, checked against a digest."""
        async with self._get(f"manifests/{wanted}", {"Accept": _ACCEPT}) as response:
            raw = await self._limited(response, MAX_MANIFEST)
        if ":" in wanted:
            check_digest(raw, wanted)
        return raw

    async def small_blob(self, digest: str, most: int) -> bytes:
        async with self._get(f"blobs/{digest}", {}) as response:
            raw = await self._limited(response, most)
        check_digest(raw, digest)
        return raw

    @asynccontextmanager
    async def blob(self, digest: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """Yields the bytes of a blob, which the caller checks."""
        async with self._get(f"blobs/{digest}", {}) as response:
            yield self._session.body(response, self._shown)

    @asynccontextmanager
    async def _get(self, path: str, headers: dict[str, str]) -> AsyncIterator[ClientResponse]:
        url = join(self._base, f"{self._base.path}{quote(path, safe='/:')}")
        for attempt in range(2):
            token = {"Authorization": f"Bearer {self._token}"} if self._token else {}
            async with self._session.get(url, headers | token) as response:
                if response.status == 401 and attempt == 0:
                    self._token = await self._login(response.headers.get("WWW-Authenticate", ""))
                    continue
                if response.status in (401, 403):
                    why = "the registry denies access: the image is private, or does not exist"
                    raise InputRefused(InputRefusal.DENIED, f"{self._shown}: {why}")
                if response.status != 200:
                    raise failure(response.status, self._shown)
                yield response
                return

    async def _login(self, challenge: str) -> str:
        """Returns an anonymous token, as the registry's challenge describes."""
        fields = dict(_CHALLENGE.findall(challenge)) if challenge.lower().startswith("bearer ") else {}
        asked = urlencode({name: fields[name] for name in ("service", "scope") if name in fields})
        try:
            url = parse_url(f"{fields.get('realm', '')}?{asked}")
        except BadUrl:
            raise failure(401, self._shown) from None
        async with self._session.get(url, {}) as response:
            if response.status != 200:
                raise failure(response.status, f"{self._shown}: login at {url.shown}")
            answer = await self._limited(response, MAX_TOKEN)
        try:
            value = json.loads(answer)
            token = value.get("token") or value.get("access_token")
        except (ValueError, AttributeError):
            token = None
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise InputRefused(InputRefusal.RESPONSE, f"{self._shown}: the registry sent no valid token")
        return token

    async def _limited(self, response: ClientResponse, most: int) -> bytes:
        body = bytearray()
        try:
            async with asyncio.timeout(60):
                async for chunk in self._session.body(response, self._shown):
                    body += chunk
                    if len(body) > most:
                        raise InputRefused(
                            InputRefusal.TOO_LARGE, f"{self._shown}: an answer of more than {most} bytes"
                        )
        except TimeoutError:
            raise Transient(f"{self._shown}: the registry did not answer in time") from None
        return bytes(body)
