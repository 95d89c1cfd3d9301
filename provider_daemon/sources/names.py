"""The file name of an input below `inputs/`: chosen by the customer, safe in a shell's argument."""

import unicodedata

MAX_NAME = 200


class BadName(ValueError):
    """The text says what is wrong with the name."""


def checked(name: str) -> str:
    """Returns the name. Raises BadName for one that is not a plain file name of at most 200 bytes."""
    if not name:
        raise BadName("empty")
    if "/" in name or not name.isprintable():
        raise BadName("a slash or a character that cannot be printed")
    if name[0] in "-.":
        raise BadName("begins with '-' or '.'")
    if name != name.strip():
        raise BadName("begins or ends with a space")
    if len(name.encode()) > MAX_NAME:
        raise BadName(f"longer than {MAX_NAME} bytes")
    return name


def key(name: str) -> str:
    """Returns what two names share if some file system treats them as one."""
    return unicodedata.normalize("NFC", name)
