"""Why an input of a job is refused for good. Everything else that fails is Transient."""

from enum import StrEnum

from provider_daemon.errors import Refused


class InputRefusal(StrEnum):
    """The reason (docs/data.md, 'What is refused')."""

    URI = "uri"
    SCHEME = "scheme"
    NAME = "name"
    CHECKSUM = "checksum"
    SIZE = "size"
    TOO_LARGE = "too_large"
    TOO_MANY = "too_many"
    ADDRESS = "address"
    NOT_FOUND = "not_found"
    DENIED = "denied"
    RESPONSE = "response"
    REDIRECT = "redirect"
    WRONG_SIZE = "wrong_size"
    WRONG_CHECKSUM = "wrong_checksum"
    CONTENT = "content"


class InputRefused(Refused):
    """The input can never be fetched as it is declared. The text is for the customer, and has no secret."""

    def __init__(self, reason: InputRefusal, text: str) -> None:
        super().__init__(text)
        self.reason = reason
