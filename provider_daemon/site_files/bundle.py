"""Modules of a remote program as text, for an interpreter that has none of them installed."""

from collections.abc import Iterable
from importlib import resources


def listed(package: str, modules: Iterable[str]) -> list[list[str]]:
    """Returns [full name, text] of each module, after the parent packages as empty modules."""
    parents = package.split(".")
    folder = resources.files(package)
    return [
        *([".".join(parents[: n + 1]), ""] for n in range(len(parents))),
        *([f"{package}.{name}", folder.joinpath(f"{name}.py").read_text("utf-8")] for name in modules),
    ]
