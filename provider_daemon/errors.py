"""The exception tree. A class says the treatment, not the place: foreign exceptions are translated where they
enter.

ProvdError
├── Transient      nothing is known to have happened; the next tick tries again
├── Refused        the other side understood and said no; report it or park it, never repeat it unchanged
├── Unreadable     an answer that provd cannot understand; alert, change nothing
│   └── TurnedAway   no answer at all, and trying again does not help
├── ConfigError    a usage or configuration error; nothing is started
└── LedgerError    the ledger cannot be used (held by another daemon, newer schema, damage); the daemon stops
"""


class ProvdError(Exception):
    """Base of every error that provd raises on purpose. Its text is one line, fit for an operator, free of
    secrets."""

    exit_code = 1  # of a command that ends with it


class Transient(ProvdError):
    """Try again at the next tick: a time-out, a lost connection, a service that is down."""


class Refused(ProvdError):
    """A final no, with the other side's reason.

    `code` and `codespace` are the chain's where it came from there; `message_index` names the failing message
    of a transaction."""

    def __init__(
        self, text: str, *, code: int = 0, codespace: str = "", message_index: int | None = None
    ) -> None:
        super().__init__(text)
        self.code = code
        self.codespace = codespace
        self.message_index = message_index


class Unreadable(ProvdError):
    """An answer outside what we know how to read. Unknown is never taken for empty."""


class TurnedAway(Unreadable):
    """The way in is barred: the login is refused, the host is not the agreed one, our own key cannot be used.
    Nothing was asked."""


class ConfigError(ProvdError):
    """One or more mistakes in the configuration, or in what a command was given; `problems` holds a line for
    each."""

    exit_code = 2

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class LedgerError(ProvdError):
    """The ledger file cannot be opened safely."""
