"""The errors of the API: each has a status, a code that never changes, and a sentence for the customer."""

import json
from collections.abc import Mapping
from enum import Enum

from aiohttp import web

CODE_HEADER = "Provd-Error"  # the code again: an answer to HEAD has no body


class Code(Enum):
    """code -> HTTP status. docs/gateway.md lists them."""

    BAD_REQUEST = ("bad_request", 400)
    BAD_PATH = ("bad_path", 400)
    LOGIN_REQUIRED = ("login_required", 401)
    LOGIN_REFUSED = ("login_refused", 401)
    NO_PUBLIC_KEY = ("no_public_key", 401)
    NOT_YOURS = ("not_yours", 403)
    NOT_PERMITTED = ("not_permitted", 403)
    NOT_FOUND = ("not_found", 404)
    NOT_STARTED = ("not_started", 404)
    NO_MANIFEST = ("no_manifest", 404)
    METHOD = ("method_not_allowed", 405)
    CONFLICT = ("offset_mismatch", 409)
    LENGTH_CONFLICT = ("length_mismatch", 409)
    BUSY = ("upload_busy", 409)
    DELETED = ("results_deleted", 410)
    LENGTH_REQUIRED = ("length_required", 411)
    TOO_LARGE = ("too_large", 413)
    ENCODED = ("content_encoding", 415)
    RANGE = ("range_not_satisfiable", 416)
    WRONG_HASH = ("wrong_hash", 422)
    UNREADABLE_FILE = ("not_readable", 403)
    TOO_MANY = ("too_many_requests", 429)
    TOO_MANY_STREAMS = ("too_many_streams", 429)
    INTERNAL = ("internal_error", 500)
    UNAVAILABLE = ("unavailable", 503)
    QUOTA = ("quota_exceeded", 507)
    STORAGE_FULL = ("storage_full", 507)
    TOO_SLOW = ("too_slow", 408)

    @property
    def text(self) -> str:
        return str(self.value[0])

    @property
    def status(self) -> int:
        return int(self.value[1])


class ApiError(Exception):
    """An answer that is an error. `message` names no secret and nothing of another customer.

    `code_text` replaces the code's own text, for the reasons why a token is refused.
    """

    def __init__(
        self, code: Code, message: str, *, headers: Mapping[str, str] | None = None, code_text: str = ""
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.headers = dict(headers or {})
        self.code_text = code_text or code.text

    def response(self) -> web.Response:
        return web.Response(
            status=self.code.status,
            text=json.dumps({"error": {"code": self.code_text, "message": self.message}}) + "\n",
            content_type="application/json",
            headers={**self.headers, CODE_HEADER: self.code_text},
        )
