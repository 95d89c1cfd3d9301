"""Where a customer wants the results: `Spec.outputs_pointer`, parsed. Nothing is resolved or sent here."""

from dataclasses import dataclass, field
from enum import StrEnum

from provider_daemon.encryption.identity import is_weak, public_key_of
from provider_daemon.errors import Refused
from provider_daemon.sources.reference import split_s3
from provider_daemon.sources.refusals import InputRefused
from provider_daemon.sources.weburl import BadUrl, parse_url


class TargetRefused(Refused):
    """The results cannot be sent to the target, now or later. The text is for the customer."""


class TargetKind(StrEnum):
    PUT = "put"
    S3 = "s3"


@dataclass(frozen=True, slots=True)
class Target:
    """`uri` without fragment; never logged, because its query can hold a signature. `recipient`: 32 bytes."""

    kind: TargetKind
    uri: str = field(repr=False)
    recipient: bytes | None = None

    @property
    def shown(self) -> str:
        return self.uri.partition("?")[0]


def parse_target(pointer: str) -> Target:
    """`https://...` for a presigned PUT, or `s3://<endpoint>/<bucket>/<key>`, each with `#age1...` or not.

    Raises TargetRefused.
    """
    uri, mark, fragment = pointer.partition("#")
    recipient = _recipient(fragment) if mark else None
    if uri.startswith("https://"):
        try:
            parse_url(uri)
        except BadUrl as error:
            raise TargetRefused(f"the output pointer is not a valid URL: {error}") from None
        return Target(TargetKind.PUT, uri, recipient)
    if uri.startswith("s3://"):
        try:
            split_s3(uri)
        except InputRefused as error:
            raise TargetRefused(f"the output pointer: {error}") from None
        return Target(TargetKind.S3, uri, recipient)
    raise TargetRefused(
        "the output pointer is neither https:// (a presigned PUT) nor s3://<endpoint>/<bucket>/<key>"
    )


def _recipient(fragment: str) -> bytes:
    try:
        key = public_key_of(fragment)
    except ValueError as error:
        raise TargetRefused(f"the fragment of the output pointer: {error}") from None
    if is_weak(key):
        raise TargetRefused(
            "the fragment of the output pointer is an unsafe age recipient: anybody could decrypt the results"
        )
    return key
