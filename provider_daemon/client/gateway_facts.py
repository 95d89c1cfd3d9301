"""The answers of a gateway, checked. Pure. Every function raises Unreadable for an answer of another form."""

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from provider_daemon.errors import Refused, Unreadable

T = TypeVar("T")
MAX_MESSAGE = 500  # characters of an error message that are shown

Count = Annotated[int, Field(ge=0)]


class _Answer(BaseModel):
    """Fields that this version does not know are ignored: a newer gateway may add some."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Info(_Answer):
    """GET /v1/info. `url`: the address that tokens must name."""

    chain_id: str
    url: str
    providers: tuple[str, ...] = ()


class RemoteFile(_Answer):
    """An entry of a job's directory. `kind`: file, directory or other. `modified_at`: since the epoch.

    `path` is relative to the directory; bytes that are not UTF-8 are surrogate escapes.
    """

    path: str
    size: Count = 0
    kind: str = "file"
    modified_at: float = 0


class FilePage(_Answer):
    """GET /v1/jobs/{id}/files: entries of one directory. `more`: there are others after the last one."""

    files: tuple[RemoteFile, ...] = ()
    more: bool = False


class InputFacts(_Answer):
    """`state`: waiting, ready or failed."""

    state: str = ""
    detail: str = ""


class ResultFacts(_Answer):
    """`root` is None until there is a manifest; `detail` is why there will be none."""

    root: str | None = None
    files: int | None = None
    bytes: int | None = None
    detail: str = ""


class RemoteJob(_Answer):
    """GET /v1/jobs/{id}. `ended`: no more output can appear. `directory`: none, there or deleted."""

    id: str
    state: str = ""
    ended: bool = False
    message: str = ""
    directory: str = ""
    inputs: InputFacts | None = None
    results: ResultFacts | None = None
    expires_at: float | None = None


class Upload(_Answer):
    """`offset` of `length` bytes have arrived."""

    sha256: str
    offset: Count = 0
    length: Count = 0


class Uploads(_Answer):
    """GET /v1/uploads: the caller's uploads. `quota_bytes`: how much they may have in all."""

    uploads: tuple[Upload, ...] = ()
    used_bytes: Count = 0
    quota_bytes: Count = 0


class Link(_Answer):
    """POST /v1/jobs/{id}/links: whoever has the URL may read this job's results until it expires."""

    url: str
    expires_at: float


class Challenge(_Answer):
    """POST /v1/login/challenge: the text to sign as ADR-036 arbitrary data."""

    challenge: str


class Session(_Answer):
    """POST /v1/login/session."""

    token: str
    expires_at: float = 0


def read(kind: type[T], value: Any, what: str) -> T:
    """Validates an answer. `what` names it in the error."""
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the answer"
        raise Unreadable(f"the gateway's answer to {what} cannot be read: {place}: {first['msg']}") from None


class GatewayRefused(Refused):
    """The gateway understood and refused. `status` is the HTTP status, `reason` the code in its answer."""

    def __init__(self, text: str, status: int, reason: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.reason = reason


def refusal(status: int, value: Any, what: str) -> GatewayRefused:
    """Builds the exception of an error answer: `{"error": {"code", "message"}}`, or anything else."""
    error = value.get("error") if isinstance(value, dict) else None
    code, message = _text(error, "code"), _text(error, "message") or "no reason given"
    number = f"HTTP {status}, {code}" if code else f"HTTP {status}"
    return GatewayRefused(f"the gateway refused {what} ({number}): {message}", status, code)


def _text(value: Any, name: str) -> str:
    found = value.get(name) if isinstance(value, dict) else None
    return found[:MAX_MESSAGE] if isinstance(found, str) else ""
