"""Why encrypted data cannot be opened."""

from enum import StrEnum

from provider_daemon.errors import Refused


class OpenRefusal(StrEnum):
    """NOT_ENCRYPTED: the data has no known format. UNSUPPORTED: an algorithm or form that is not accepted.

    NOT_A_RECIPIENT: none of the keys opens it. DAMAGED: it was cut off or changed.
    """

    NOT_ENCRYPTED = "not_encrypted"
    UNSUPPORTED = "unsupported"
    NOT_A_RECIPIENT = "not_a_recipient"
    DAMAGED = "damaged"


class NotOpened(Refused):
    """The data cannot be opened, and trying again does not help."""

    def __init__(self, reason: OpenRefusal, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
