"""Keeps what was read last, so that a reading that fails changes nothing else."""

from collections.abc import Callable
from typing import Any, TypeVar

from provider_daemon.errors import ProvdError

T = TypeVar("T")


class Readings:
    """The last value of each reading, by name, and the errors of those that failed at the last try."""

    def __init__(self) -> None:
        self.errors: dict[str, str] = {}
        self._values: dict[str, Any] = {}
        self._read_at: dict[str, float] = {}

    def get(
        self, name: str, read: Callable[[], T], default: T, *, now: float = 0.0, seconds: float = 0.0
    ) -> T:
        """Reads, unless the last try is less than `seconds` ago. Returns the last value if that fails.

        `default`: what is returned while the reading never succeeded.
        """
        if name in self._read_at and 0 <= now - self._read_at[name] < seconds:
            return self._value(name, default)
        self._read_at[name] = now
        try:
            self._values[name] = read()
            self.errors.pop(name, None)
        except OSError as error:
            self.errors[name] = f"{name}: {error.filename}: {error.strerror}"
        except ProvdError as error:
            self.errors[name] = f"{name}: {error}"
        return self._value(name, default)

    def _value(self, name: str, default: T) -> T:
        value: T = self._values.get(name, default)
        return value
