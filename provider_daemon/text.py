"""Strangers' text: on a screen, and cut to what may be kept of it."""

_ESCAPED = dict.fromkeys("<>&\u2028\u2029", 6) | dict.fromkeys('"\\\n\r\t', 2)


def cut(text: str, most: int) -> str:
    """At most `most` bytes of it as the chain's store writes JSON (`<` is six bytes there), ended by a mark
    when some is left out."""
    if sum(map(_stored, text)) <= most:
        return text
    room, kept = most - len("…".encode()), 0
    for char in text:
        room -= _stored(char)
        if room < 0:
            break
        kept += 1
    return f"{text[:kept]}…"


def _stored(char: str) -> int:
    return _ESCAPED.get(char) or (6 if char < " " else len(char.encode(errors="replace")))


def printable(text: str) -> str:
    """It cannot move the cursor, start a line of its own, or turn the direction of writing around."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def printable_lines(text: str) -> str:
    """The same of a text that has lines and tabs of its own."""
    return "".join(char if char in "\n\t" else printable(char) for char in text)
