"""A hook of mkdocs: `folder/*` in the navigation stands for all pages of that folder, README.md first."""

from pathlib import Path
from typing import Any


def on_config(config: Any) -> Any:
    config["nav"] = _filled(config["nav"], Path(config["docs_dir"]))
    return config


def _filled(entries: list[Any], docs: Path) -> list[Any]:
    return [page for entry in entries for page in _pages(entry, docs)]


def _pages(entry: Any, docs: Path) -> list[Any]:
    if isinstance(entry, dict):
        return [
            {title: _filled(inner, docs) if isinstance(inner, list) else inner}
            for title, inner in entry.items()
        ]
    if not entry.endswith("/*"):
        return [entry]
    found = sorted(
        (docs / entry.removesuffix("/*")).glob("*.md"), key=lambda path: (path.name != "README.md", path.name)
    )
    return [str(path.relative_to(docs)) for path in found]
