"""Makes text from outside safe to print, and limits its length."""

_ESCAPED = dict.fromkeys("<>&\u2028\u2029", 6) | dict.fromkeys('"\\\n\r\t', 2)


def cut(text: str, most: int) -> str:
    """Cuts the text to `most` bytes in the chain's JSON (`<` has six), with a mark if some is left out."""
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
    """Escapes characters that move the cursor, start a line, or change the direction of writing."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def printable_lines(text: str) -> str:
    """Escapes a text as `printable` does, but keeps its line breaks and tabs."""
    return "".join(char if char in "\n\t" else printable(char) for char in text)
