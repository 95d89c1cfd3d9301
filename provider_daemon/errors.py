"""The exception tree. A class names the treatment, not the origin; provd translates foreign exceptions.

ProvdError
├── Transient      nothing is known to have happened; the next tick retries
├── Refused        the other side refused for good; report it or park it, never repeat it unchanged
├── Unreadable     an answer that provd cannot parse; alert, change nothing
│   └── TurnedAway   no answer at all, and retrying does not help
├── ConfigError    a usage or configuration error; nothing is started
└── LedgerError    the ledger is unusable (held by another daemon, newer schema, damage); the daemon stops
"""


class ProvdError(Exception):
    """Base of provd's own errors. The text is one line for an operator, without secrets."""

    exit_code = 1  # exit status of a command that ends with it


class Transient(ProvdError):
    """A temporary failure: a timeout, a lost connection, a service that is down. The next tick retries."""


class Refused(ProvdError):
    """A final refusal, with the other side's reason.

    `code` and `codespace` are set for refusals by the chain; `message_index` names the failing message of a
    transaction.
    """

    def __init__(
        self, text: str, *, code: int = 0, codespace: str = "", message_index: int | None = None
    ) -> None:
        super().__init__(text)
        self.code = code
        self.codespace = codespace
        self.message_index = message_index


class Unreadable(ProvdError):
    """An answer that provd cannot parse. Unknown is never treated as empty."""


class TurnedAway(Unreadable):
    """Nothing was asked: the login was refused, the host key is wrong, or our key cannot be used."""


class ConfigError(ProvdError):
    """Errors in the configuration or in a command's arguments; `problems` has a line for each."""

    exit_code = 2

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class LedgerError(ProvdError):
    """The ledger file cannot be opened safely."""
