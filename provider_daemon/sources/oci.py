"""Container images in a registry: references, manifests, and the layout that umoci unpacks. Pure.

Formats: OCI image-spec 1.0 and Docker's image manifest, version 2, schema 2. What a registry sends is never
trusted: each manifest and blob is checked against the digest by which it was requested.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

from provider_daemon.sources.refusals import InputRefusal, InputRefused

DOCKER_HUB, DOCKER_HUB_HOST = "docker.io", "registry-1.docker.io"
MAX_MANIFEST = 4 * 1024 * 1024  # bytes, the limit of common registries
MAX_LAYERS = 512

_HOST = r"(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)(?::[0-9]{1,5})?"
_PART = r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*"
_TAG, _DIGEST = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", r"sha256:[0-9a-f]{64}"
_REFERENCE = re.compile(
    rf"(?:(?P<host>{_HOST})/)?(?P<name>{_PART}(?:/{_PART})*)(?::(?P<tag>{_TAG}))?(?:@(?P<digest>{_DIGEST}))?"
)
_OCI, _DOCKER = "application/vnd.oci.image", "application/vnd.docker"
INDEXES = frozenset({f"{_OCI}.index.v1+json", f"{_DOCKER}.distribution.manifest.list.v2+json"})
MANIFESTS = frozenset({f"{_OCI}.manifest.v1+json", f"{_DOCKER}.distribution.manifest.v2+json"})
_LAYERS = {
    f"{_OCI}.layer.v1.tar": f"{_OCI}.layer.v1.tar",
    f"{_OCI}.layer.v1.tar+gzip": f"{_OCI}.layer.v1.tar+gzip",
    f"{_DOCKER}.image.rootfs.diff.tar": f"{_OCI}.layer.v1.tar",
    f"{_DOCKER}.image.rootfs.diff.tar.gzip": f"{_OCI}.layer.v1.tar+gzip",
}
"""media type of a layer -> that of the same bytes in an OCI layout"""


@dataclass(frozen=True, slots=True)
class ImageReference:
    """`registry`: host, with the port if there is one. `tag` is "" if only the digest was given."""

    registry: str
    repository: str
    tag: str
    digest: str

    @property
    def wanted(self) -> str:
        """What a registry is asked for: the digest if there is one."""
        return self.digest or self.tag

    def __str__(self) -> str:
        tag, digest = (f":{self.tag}" if self.tag else ""), (f"@{self.digest}" if self.digest else "")
        return f"{self.registry}/{self.repository}{tag}{digest}"


@dataclass(frozen=True, slots=True)
class Descriptor:
    digest: str
    size: int
    media_type: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The manifest of an image for one platform. `size`: bytes of config and layers, as transferred."""

    digest: str
    config: Descriptor
    layers: tuple[Descriptor, ...]

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        return (self.config, *self.layers)

    @property
    def size(self) -> int:
        return sum(blob.size for blob in self.blobs)


def parse_reference(text: str) -> ImageReference:
    """Parses `[host[:port]/]name[:tag][@sha256:...]` as docker(1) does: without a host it is Docker Hub's.

    Raises InputRefused.
    """
    found = _REFERENCE.fullmatch(text) if len(text) <= 512 else None
    if found is None:
        raise InputRefused(InputRefusal.URI, f"{text[:200]!r} is not an image reference")
    host, name, tag, digest = found["host"] or "", found["name"], found["tag"] or "", found["digest"] or ""
    if host and not ("." in host or ":" in host or host == "localhost"):
        host, name = "", f"{host}/{name}"
    if host in ("", DOCKER_HUB):
        host, name = DOCKER_HUB, name if "/" in name else f"library/{name}"
    return ImageReference(host, name, tag or ("" if digest else "latest"), digest)


def check_digest(raw: bytes, digest: str) -> None:
    """Raises InputRefused if the bytes are others than the digest names."""
    if digest_of(raw) != digest:
        raise InputRefused(
            InputRefusal.WRONG_CHECKSUM,
            f"the content that the registry sent does not match its digest {digest}",
        )


def digest_of(raw: bytes) -> str:
    return f"sha256:{hashlib.sha256(raw).hexdigest()}"


def platform_digest(raw: bytes, architecture: str) -> str | None:
    """Returns the digest of the index's image for linux on the architecture; None if `raw` is no index.

    Raises InputRefused.
    """
    value = _object(raw)
    listed = value.get("manifests")
    if not isinstance(listed, list):
        return None
    for entry in listed:
        platform = _table(_table(entry).get("platform"))
        if (platform.get("os"), platform.get("architecture")) == ("linux", architecture):
            return _descriptor(entry).digest
    raise InputRefused(InputRefusal.NOT_FOUND, f"the image has no version for linux on {architecture}")


def parse_manifest(raw: bytes, digest: str) -> Manifest:
    """Raises InputRefused for what is not an image that can be unpacked."""
    check_digest(raw, digest)
    value = _object(raw)
    layers = value.get("layers")
    if not isinstance(layers, list) or len(layers) > MAX_LAYERS:
        raise InputRefused(InputRefusal.CONTENT, f"{digest} is not the manifest of an image")
    manifest = Manifest(digest, _descriptor(value.get("config")), tuple(map(_descriptor, layers)))
    for layer in manifest.layers:
        if layer.media_type not in _LAYERS:
            raise InputRefused(
                InputRefusal.CONTENT, f"a layer has the media type {layer.media_type!r}; gzip is supported"
            )
    return manifest


def layout(manifest: Manifest) -> dict[str, bytes]:
    """Returns the files of an OCI image layout besides the blobs of config and layers, by path.

    The image is tagged `image`. Its manifest has OCI media types, whatever the original one had.
    """
    described = {
        "schemaVersion": 2,
        "mediaType": f"{_OCI}.manifest.v1+json",
        "config": _described(manifest.config, f"{_OCI}.config.v1+json"),
        "layers": [_described(layer, _LAYERS[layer.media_type]) for layer in manifest.layers],
    }
    raw = json.dumps(described).encode()
    entry = _described(Descriptor(digest_of(raw), len(raw), ""), f"{_OCI}.manifest.v1+json")
    index = {
        "schemaVersion": 2,
        "manifests": [{**entry, "annotations": {"org.opencontainers.image.ref.name": "image"}}],
    }
    return {
        "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
        "index.json": json.dumps(index).encode(),
        blob_path(digest_of(raw)): raw,
    }


def blob_path(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _described(blob: Descriptor, media_type: str) -> dict[str, object]:
    return {"mediaType": media_type, "digest": blob.digest, "size": blob.size}


def _object(raw: bytes) -> dict[str, Any]:
    try:
        value = json.loads(raw)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise InputRefused(InputRefusal.CONTENT, "the registry sent a manifest that is not a JSON object")
    return value


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _descriptor(value: Any) -> Descriptor:
    match value:
        case {"digest": str(digest), "size": int(size), "mediaType": str(media_type)} if (
            re.fullmatch(_DIGEST, digest) and 0 <= size < 2**50
        ):
            return Descriptor(digest, size, media_type)
    raise InputRefused(InputRefusal.CONTENT, "the image's manifest has an invalid descriptor")
