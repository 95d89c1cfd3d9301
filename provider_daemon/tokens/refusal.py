"""Why a token, a challenge or a link is refused."""

from enum import Enum

from provider_daemon.errors import Refused


class TokenRefusal(Enum):
    """The reason. The value is the code of the error in the gateway's API."""

    MALFORMED = "token_malformed"
    ALGORITHM = "token_algorithm"
    SIGNATURE = "token_signature"
    UNKNOWN_ACCOUNT = "no_public_key"
    EXPIRED = "token_expired"
    NOT_YET_VALID = "token_not_yet_valid"
    TOO_LONG_LIVED = "token_too_long_lived"
    NOT_ONE_TIME = "token_not_one_time"
    REPLAYED = "token_replayed"
    BEFORE_START = "token_before_start"
    TOO_MANY = "too_many_logins"
    WRONG_AUDIENCE = "token_wrong_audience"
    WRONG_PROVIDER = "token_wrong_provider"
    NO_PERMISSION = "token_no_permission"


class TokenRefused(Refused):
    """The text is one sentence for the customer. It never quotes the token or a signature."""

    def __init__(self, reason: TokenRefusal, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
