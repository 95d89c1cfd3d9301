"""Strangers' text on a screen."""


def printable(text: str) -> str:
    """It cannot move the cursor, start a line of its own, or turn the direction of writing around."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def printable_lines(text: str) -> str:
    """The same of a text that has lines and tabs of its own."""
    return "".join(char if char in "\n\t" else printable(char) for char in text)
