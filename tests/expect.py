"""What every run that is no pytest says of a thing that is not as it should be."""


class Wrong(Exception):
    """Something is not as it should be; the text says what."""


def same(what: str, found: object, wanted: object) -> None:
    """Raises Wrong unless they are equal."""
    if found != wanted:
        raise Wrong(f"{what}: {found!r}, should be {wanted!r}")
