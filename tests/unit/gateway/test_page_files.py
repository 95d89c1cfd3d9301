"""The files of the customers' page: no build step, nothing from elsewhere, nothing inline."""

import re
from pathlib import Path

import pytest

from tests.unit.docs import PACKAGE

PAGE = PACKAGE / "gateway" / "page"
FILES = sorted(PAGE.iterdir())
SCRIPTS = [file for file in FILES if file.suffix == ".js"]


def ids(file: Path) -> str:
    return file.name


@pytest.mark.parametrize("file", FILES, ids=ids)
def test_nothing_comes_from_elsewhere(file: Path) -> None:
    """No address of another server, not even in a style."""
    assert not re.search(r"https?://|//[a-z0-9.-]+\.[a-z]{2,}/|@import|url\((?!data:)", file.read_text())


def test_nothing_is_inline() -> None:
    """The policy forbids inline scripts, styles and handlers."""
    text = (PAGE / "index.html").read_text()
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)|javascript:", text)
    assert {"/page/app.js", "/page/style.css"} == set(re.findall(r'"(/page/[^"]+)"', text))


@pytest.mark.parametrize("file", SCRIPTS, ids=ids)
def test_text_never_becomes_elements(file: Path) -> None:
    """Names, logs and messages come from strangers."""
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc",
        file.read_text(),
    )


@pytest.mark.parametrize("file", SCRIPTS, ids=ids)
def test_every_import_exists(file: Path) -> None:
    """Each module and each of its names."""
    for names, path in re.findall(
        r'^import \{ ([^}]+) \} from "\./([^"]+)";$', file.read_text(), re.MULTILINE
    ):
        text = (PAGE / path).read_text()
        for name in names.split(", "):
            assert re.search(rf"^export (async )?(function|const|class) {name}\b", text, re.MULTILINE), name
            assert len(re.findall(rf"\b{name}\b", file.read_text())) > 1, f"{name} is not used"


@pytest.mark.parametrize("file", FILES, ids=ids)
def test_files_are_small(file: Path) -> None:
    """As everywhere in the package."""
    assert len(file.read_text().splitlines()) < 300
