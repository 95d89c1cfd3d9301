"""Ages and texts as the status page's tables show them. Pure."""

from provider_daemon.text import printable

LONGEST = 300  # characters per text
_UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


def age(seconds: float) -> str:
    """Formats in the largest whole unit; never negative, even if clocks differ."""
    past = max(0, int(seconds))
    unit, size = next((each for each in _UNITS if past >= each[1]), _UNITS[-1])
    return f"{past // size} {unit}"


def short(text: str) -> str:
    """Escapes and cuts a text of somebody else's."""
    shown = printable(text[: LONGEST + 1])
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 1]}…"
