"""DataReference, as a customer wrote it on the chain -> Input (docs/data.md, 'Schemes')."""

import re
from collections.abc import Callable, Iterable
from urllib.parse import unquote_to_bytes

from provider_daemon.job.references import DataReference
from provider_daemon.sources import names
from provider_daemon.sources.addresses import literal
from provider_daemon.sources.cid import BadCid, parse_cid
from provider_daemon.sources.inputs import MAX_INPUTS, Input, InputPolicy, Scheme
from provider_daemon.sources.refusals import InputRefusal, InputRefused
from provider_daemon.sources.weburl import MAX_URL, BadUrl, parse_url
from provider_daemon.text import printable

EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
_SHA256 = re.compile(r"(?:sha256:)?([0-9A-Fa-f]{64})")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_SHOWN = 80


def parse_all(references: Iterable[DataReference], policy: InputPolicy) -> tuple[Input, ...]:
    """Returns the inputs in order. Raises InputRefused, which names the first reference that is refused."""
    inputs: list[Input] = []
    taken: set[str] = set()
    for number, reference in enumerate(references, 1):
        if number > MAX_INPUTS:
            raise InputRefused(InputRefusal.TOO_MANY, f"more than {MAX_INPUTS} data references")
        found = parse(reference, policy)
        if names.key(found.name) in taken:
            raise InputRefused(
                InputRefusal.NAME,
                f"two inputs are named {found.name!r}; end the URI with #name=... to choose another name",
            )
        taken.add(names.key(found.name))
        inputs.append(found)
    total = sum(each.size or 0 for each in inputs)
    if total > policy.max_bytes:
        raise InputRefused(
            InputRefusal.TOO_LARGE,
            f"the inputs have {total} bytes together; this site accepts at most {policy.max_bytes}",
        )
    return tuple(inputs)


def parse(reference: DataReference, policy: InputPolicy) -> Input:
    """Checks one reference. Nothing is resolved or fetched. Raises InputRefused."""
    body, mark, fragment = reference.uri.partition("#")
    scheme = _scheme(body)
    last, implied = _READERS[scheme](body, policy)
    sha256 = _sha256(reference.checksum, implied)
    if sha256 is None and policy.require_checksum and scheme in _NEED_CHECKSUM:
        raise InputRefused(
            InputRefusal.CHECKSUM,
            f"{_quoted(body)}: this site requires a checksum: sha256: and 64 hex digits",
        )
    size = _size(reference.size_bytes, sha256, policy)
    name = _name(_fragment(fragment) if mark else None, reference.reference_id, last)
    return Input(name, body, scheme, sha256, size, policy.max_bytes, reference.encrypted)


def _scheme(body: str) -> Scheme:
    if len(body) > MAX_URL:
        raise InputRefused(InputRefusal.URI, f"a URI is longer than {MAX_URL} characters")
    try:
        return Scheme(body.partition(":")[0])
    except ValueError:
        known = ", ".join(Scheme)
        raise InputRefused(
            InputRefusal.SCHEME, f"{_quoted(body)}: unknown scheme; provd accepts {known}"
        ) from None


# --- each scheme's reader returns the last part of the path and the SHA-256 that the URI implies ---


def _web(body: str, policy: InputPolicy) -> tuple[str, str | None]:
    try:
        url = parse_url(body)
    except BadUrl as error:
        raise InputRefused(InputRefusal.URI, f"{_quoted(body)}: {error}") from None
    allowed = policy.allowed.allows(url)
    if url.scheme == "http" and not allowed:
        raise InputRefused(InputRefusal.SCHEME, f"{_quoted(body)}: http is not accepted; use https")
    address = literal(url.host)
    why = None if allowed or address is None else policy.forbidden.why(address)
    if why:
        raise InputRefused(InputRefusal.ADDRESS, f"{_quoted(body)}: {url.host} is {why}, and not accepted")
    return _decoded(url.path.rpartition("/")[2], body), None


def _s3(body: str, policy: InputPolicy) -> tuple[str, str | None]:
    endpoint, _, key = split_s3(body)
    if endpoint not in policy.s3_endpoints:
        known = ", ".join(sorted(policy.s3_endpoints)) or "none"
        raise InputRefused(InputRefusal.URI, f"{_quoted(body)}: unknown S3 endpoint; this site has: {known}")
    return key.rpartition("/")[2], None


def split_s3(body: str) -> tuple[str, str, str]:
    """`s3://<endpoint>/<bucket>/<key>` -> endpoint, bucket, key (percent-decoded). Raises InputRefused."""
    found = re.fullmatch(r"s3://([^/?#]+)/([^/?#]+)/([^?#]+)", body)
    if found is None or not _BUCKET.fullmatch(found[2]) or ".." in found[2]:
        raise InputRefused(
            InputRefusal.URI, f"{_quoted(body)}: not of the form s3://<endpoint>/<bucket>/<key>"
        )
    key = _decoded(found[3], body)
    if not key.isprintable() or any(part in ("", ".", "..") for part in key.split("/")):
        raise InputRefused(InputRefusal.URI, f"{_quoted(body)}: not a valid S3 key")
    return found[1], found[2], key


def _ipfs(body: str, policy: InputPolicy) -> tuple[str, str | None]:
    if not policy.ipfs:
        raise InputRefused(InputRefusal.SCHEME, f"{_quoted(body)}: this site has no IPFS gateway")
    cid, parts = split_ipfs(body)
    return (parts[-1] if parts else cid), None


def split_ipfs(body: str) -> tuple[str, tuple[str, ...]]:
    """`ipfs://<cid>[/path]` -> the CID's text, and the names of the path. Raises InputRefused."""
    cid, _, path = body.removeprefix("ipfs://").partition("/")
    try:
        parse_cid(cid)
    except BadCid as error:
        raise InputRefused(InputRefusal.URI, f"{_quoted(body)}: {error}") from None
    if "?" in path:
        raise InputRefused(InputRefusal.URI, f"{_quoted(body)}: an ipfs URI has no query")
    parts = tuple(_decoded(part, body) for part in path.split("/")) if path else ()
    if any(part in ("", ".", "..") or "/" in part or not part.isprintable() for part in parts):
        raise InputRefused(InputRefusal.URI, f"{_quoted(body)}: not a valid path")
    return cid, parts


def _upload(body: str, policy: InputPolicy) -> tuple[str, str | None]:
    if not policy.uploads:
        raise InputRefused(InputRefusal.SCHEME, f"{_quoted(body)}: this site accepts no uploads")
    found = re.fullmatch(r"upload:([0-9a-f]{64})", body)
    if found is None:
        raise InputRefused(
            InputRefusal.URI, f"{_quoted(body)}: not of the form upload:<64 lower-case hex digits>"
        )
    return found[1], found[1]


def _site(body: str, policy: InputPolicy) -> tuple[str, str | None]:
    dataset = body.removeprefix("site:")
    if dataset not in policy.datasets:
        known = ", ".join(sorted(policy.datasets)) or "none"
        raise InputRefused(InputRefusal.URI, f"{_quoted(body)}: unknown dataset; this cluster has: {known}")
    return dataset, None


_READERS: dict[Scheme, Callable[[str, InputPolicy], tuple[str, str | None]]] = {
    Scheme.HTTPS: _web,
    Scheme.HTTP: _web,
    Scheme.S3: _s3,
    Scheme.IPFS: _ipfs,
    Scheme.UPLOAD: _upload,
    Scheme.SITE: _site,
}
_NEED_CHECKSUM = {Scheme.HTTPS, Scheme.HTTP, Scheme.S3}


# --- the other fields ---


def _sha256(text: str, implied: str | None) -> str | None:
    if not text:
        return implied
    found = _SHA256.fullmatch(text)
    if found is None:
        raise InputRefused(
            InputRefusal.CHECKSUM,
            f"checksum {_quoted(text)}: not of the form sha256: and 64 hex digits; no other kind is accepted",
        )
    sha256 = found[1].lower()
    if implied not in (None, sha256):
        raise InputRefused(InputRefusal.CHECKSUM, "the checksum differs from the one in the upload: URI")
    return sha256


def _size(declared: int, sha256: str | None, policy: InputPolicy) -> int | None:
    if declared < 0:
        raise InputRefused(InputRefusal.SIZE, f"size_bytes {declared}: a size cannot be negative")
    if declared > policy.max_bytes:
        raise InputRefused(
            InputRefusal.TOO_LARGE, f"size_bytes {declared}: this site accepts at most {policy.max_bytes}"
        )
    if sha256 == EMPTY_SHA256:
        if declared:
            raise InputRefused(
                InputRefusal.SIZE, f"size_bytes {declared}, but the checksum is that of an empty file"
            )
        return 0
    return declared or None  # 0 is how the protocol writes a size that is not given


def _fragment(text: str) -> str:
    key, _, value = text.partition("=")
    if key != "name" or "&" in value:
        raise InputRefused(InputRefusal.NAME, f"fragment {_quoted(text)}: only #name=<file name> is accepted")
    return _decoded(value, text)


def _name(chosen: str | None, reference_id: str, last: str) -> str:
    name = chosen if chosen is not None else reference_id or last
    try:
        return names.checked(name)
    except names.BadName as error:
        raise InputRefused(
            InputRefusal.NAME,
            f"file name {_quoted(name)}: {error}; end the URI with #name=... to choose another name",
        ) from None


def _decoded(text: str, uri: str) -> str:
    """Decodes percent-encoding of UTF-8."""
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        raise InputRefused(InputRefusal.URI, f"{_quoted(uri)}: '%' without two hex digits")
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeError:
        raise InputRefused(InputRefusal.URI, f"{_quoted(uri)}: percent-encoding that is not UTF-8") from None


def _quoted(text: str) -> str:
    """Returns the start of a URI or field, without its query, safe to print."""
    shown = printable(text.partition("?")[0])
    return repr(shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}...")
