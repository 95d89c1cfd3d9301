"""Why the collector refuses a request of a node agent. Pure.

The value is the metric's label and the `code` in the answer; the HTTP status follows from it.
"""

from enum import StrEnum
from http import HTTPStatus


class Rejection(StrEnum):
    INVALID_REQUEST = "invalid_request"
    OVERSIZE = "oversize"
    TOO_SLOW = "too_slow"
    RATE_LIMITED = "rate_limited"
    UNKNOWN_NODE = "node_not_registered"
    CLUSTER_MISMATCH = "cluster_mismatch"
    PROVIDER_MISMATCH = "provider_mismatch"
    REVOKED = "revoked"
    BAD_SIGNATURE = "signature_invalid"
    UNSUPPORTED_SCHEME = "unsupported_scheme"
    WRONG_CLOCK = "wrong_clock"
    STALE_SEQUENCE = "stale_sequence"
    REPLAYED = "replayed"
    TOKEN_INVALID = "token_invalid"  # noqa: S105
    TOKEN_USED = "token_used"  # noqa: S105
    TOKEN_EXPIRED = "token_expired"  # noqa: S105
    UNAVAILABLE = "unavailable"


STATUS = {
    Rejection.INVALID_REQUEST: HTTPStatus.BAD_REQUEST,
    Rejection.OVERSIZE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Rejection.TOO_SLOW: HTTPStatus.REQUEST_TIMEOUT,
    Rejection.RATE_LIMITED: HTTPStatus.TOO_MANY_REQUESTS,
    Rejection.UNKNOWN_NODE: HTTPStatus.FORBIDDEN,
    Rejection.CLUSTER_MISMATCH: HTTPStatus.FORBIDDEN,
    Rejection.PROVIDER_MISMATCH: HTTPStatus.BAD_REQUEST,
    Rejection.REVOKED: HTTPStatus.FORBIDDEN,
    Rejection.BAD_SIGNATURE: HTTPStatus.UNAUTHORIZED,
    Rejection.UNSUPPORTED_SCHEME: HTTPStatus.BAD_REQUEST,
    Rejection.WRONG_CLOCK: HTTPStatus.UNAUTHORIZED,
    Rejection.STALE_SEQUENCE: HTTPStatus.CONFLICT,
    Rejection.REPLAYED: HTTPStatus.CONFLICT,
    Rejection.TOKEN_INVALID: HTTPStatus.UNAUTHORIZED,
    Rejection.TOKEN_USED: HTTPStatus.FORBIDDEN,
    Rejection.TOKEN_EXPIRED: HTTPStatus.FORBIDDEN,
    Rejection.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
}


class Rejected(Exception):
    """A refused request: the reason, and one line about what was seen, for the agent's log."""

    def __init__(self, reason: Rejection, text: str) -> None:
        super().__init__(text)
        self.reason = reason
