"""Failed expectations of all runs that do not use pytest."""


class Wrong(Exception):
    """An expectation failed; the text describes it."""


class NotTried(Exception):
    """A case cannot be played on this machine; the text says why."""


def same(what: str, found: object, wanted: object) -> None:
    """Raises Wrong unless they are equal."""
    if found != wanted:
        raise Wrong(f"{what}: {found!r}, should be {wanted!r}")
