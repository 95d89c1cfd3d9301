"""What comments, docstrings and scripts cite is in the repository: each page by its path, each section by its
heading."""

import ast
import functools
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.docs import DOCS, PACKAGE, ROOT

_CITED = re.compile(r"(?<![\w./-])((?:[\w-]+/)*[\w-]+\.(?:md|tsv))(?:, '([^']+)')?")
_SCRIPTS = [
    ROOT / "Makefile",
    ROOT / "pyproject.toml",
    ROOT / ".ci/run",
    ROOT / "provider_daemon/provd.example.toml",
]
FILES = sorted([*PACKAGE.rglob("*.py"), *(ROOT / "tests").rglob("*.py"), *_SCRIPTS])


def remarks(path: Path) -> Iterator[str]:
    """The comments and docstrings of a module; the whole of any other file."""
    text = path.read_text()
    if path.suffix != ".py":
        yield text
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.string
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""


@functools.cache
def cited() -> list[tuple[Path, str, str]]:
    """(file, page, section or nothing)."""
    return [
        (path, page, section)
        for path in FILES
        for remark in remarks(path)
        for page, section in _CITED.findall(" ".join(remark.split()))
    ]


def test_every_cited_page_exists() -> None:
    """By its path in the repository or beside the file; nothing outside the repository is cited."""
    for path, page, _ in cited():
        assert (ROOT / page).exists() or (path.parent / page).exists(), (
            f"{path.relative_to(ROOT)} cites {page}"
        )


def test_every_cited_section_is_a_heading() -> None:
    """Word for word."""
    sections = [(path, page, section) for path, page, section in cited() if section]
    assert len(sections) > 40
    for path, page, section in sections:
        headings = re.findall(r"^#+ (.+)$", (ROOT / page).read_text(), re.MULTILINE)
        assert section in headings, f"{path.relative_to(ROOT)} cites {page}, '{section}'"


@pytest.mark.parametrize("page", ["protocol.md", "slurm.md"])
def test_the_borders_pages_are_cited(page: str) -> None:
    """A page that no code cites would go out of date unnoticed."""
    assert (DOCS / page).exists()
    assert any(name == f"docs/{page}" for _, name, _ in cited())
