"""What leaves the ledger: frozen values that the type checker knows, never a row with columns named as
text."""

import dataclasses
import inspect
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from typing import get_type_hints

from provider_daemon import ledger


def public(owner: object) -> Iterator[tuple[str, object]]:
    """Functions, methods and properties that the other rooms may call."""
    for name, found in vars(owner).items():
        if isinstance(found, classmethod | property):
            found = found.fget if isinstance(found, property) else found.__func__
        if inspect.isfunction(found) and not name.startswith("_"):
            yield found.__qualname__, get_type_hints(found).get("return")


def test_no_row_leaves_the_ledger() -> None:
    """Neither returned nor held by a value that is returned."""
    leaving: list[tuple[str, object]] = []
    for place in pkgutil.iter_modules(ledger.__path__, f"{ledger.__name__}."):
        module = import_module(place.name)
        leaving += public(module)
        for owner in vars(module).values():
            if inspect.isclass(owner) and owner.__module__ == place.name:
                leaving += public(owner)
                hints = get_type_hints(owner) if dataclasses.is_dataclass(owner) else {}
                leaving += [(f"{owner.__name__}.{name}", hint) for name, hint in hints.items()]
    assert len(leaving) > 100
    assert [
        name for name, hint in leaving if "sqlite3.Row" in str(hint) or "sqlite3.Cursor" in str(hint)
    ] == []
