"""The documents as a site: built without a warning, whole, read without the network, and what they say of the
code is there."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.docs.run import PAGES as TYPED
from tests.docs.typed import commands, split
from tests.unit.docs import DOCS, PACKAGE, ROOT, page


class Seen(HTMLParser):
    """What a page fetches by itself, where its links lead, and the text of each paragraph."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.links: list[str] = []
        self.paragraphs: list[str] = []
        self._inside = False
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "a":
            self.links.append(values.get("href", ""))
        else:
            self.fetched += [
                values[name]
                for name in ("src", "href")
                if name in values and values.get("rel") != "canonical"
            ]
        self._inside = tag == "p" or (self._inside and tag not in ("ul", "ol", "table", "pre"))
        if tag == "p":
            self.paragraphs.append("")

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.paragraphs[-1] += data

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "p"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The site's directory, and what was printed while it was built."""
    site = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return site, done.stdout + done.stderr


def test_no_warning(built: tuple[Path, str]) -> None:
    """No page outside the navigation, no dead link, no heading that a link names and nobody has."""
    assert "WARNING" not in built[1]


def test_every_page_is_in_the_navigation(built: tuple[Path, str]) -> None:
    """The first page leads to each of the others."""
    site = built[0]
    links = set(Seen(site / "index.html").links)
    wanted = {
        str(path.relative_to(DOCS).with_suffix(".html")).replace("README", "index")
        for path in DOCS.rglob("*.md")
    }
    assert wanted - {"index.html"} <= links
    assert all((site / name).exists() for name in wanted)


def test_nothing_is_fetched_from_elsewhere(built: tuple[Path, str]) -> None:
    """Every script, style, font and picture comes with the site; so it is read without a network, and nobody
    hears of it."""
    for path in built[0].rglob("*.html"):
        assert [address for address in Seen(path).fetched if re.match(r"(\w+:)?//", address)] == [], path
    for path in built[0].rglob("*.css"):
        assert not re.search(r"(url\(|@import)\s*[\"']?(\w+:)?//", path.read_text()), path


def test_markdown_means_the_same_here_and_on_the_repository(built: tuple[Path, str]) -> None:
    """No list, table or block that one of the two renderers takes for running text."""
    for path in built[0].rglob("*.html"):
        for text in Seen(path).paragraphs:
            assert not re.search(r"^([-*] |\d+\. |\||```)", text, re.MULTILINE), f"{path.name}: {text[:200]}"


def test_the_readme_leads_to_every_page() -> None:
    """Its table is complete: each page, or the folder that it lies in."""
    readme = (ROOT / "README.md").read_text()
    for path in DOCS.glob("*.md"):
        assert path.name == "index.md" or f"](docs/{path.name})" in readme, path.name
    for folder in {path.parent.name for path in DOCS.glob("*/*.md")}:
        assert f"](docs/{folder}/" in readme, folder


def test_what_holds_the_security_exists() -> None:
    """Each row of the page on security names a file and a test, and they are there."""
    rows = re.findall(r"^\|(?! threat )[^|]+\|([^|]*`[^|]+)\|([^|]+)\|$", page("security.md"), re.MULTILINE)
    assert len(rows) > 35
    for stops, held in rows:
        files = re.findall(r"`(\w[\w./-]*\.(?:py|service))`", stops)
        assert files, stops
        assert all((ROOT / name).exists() or (PACKAGE / name).exists() for name in files), files
        assert re.search("::", held), held
        for path, test in re.findall(r"`([\w/]+\.py)::(\w+)`", held):
            found = next(
                root / path for root in (ROOT / "tests/unit", ROOT / "tests") if (root / path).exists()
            )
            assert re.search(rf"^(async )?def {test}\(", found.read_text(), re.MULTILINE), f"{path}::{test}"


def test_commands_of_a_page_are_typed_one_after_another() -> None:
    """A command goes on after a backslash, and up to the end of what it is given to read."""
    block = "one && two\n\nthree \\\n  more \\\n  yet\ncat > file <<END\na = 1\n\nEND\nlast &\n"
    assert list(split(block)) == [
        "one && two",
        "three \\\n  more \\\n  yet",
        "cat > file <<END\na = 1\n\nEND",
        "last &",
    ]


def test_the_first_job_is_typed_whole() -> None:
    """The pages that `make docs-test` types go from nothing to evidence, and take away what they made."""
    typed = [command for name in TYPED for command in commands(ROOT / name)]
    steps = [
        "apt-get update",
        "provd --version",
        "provd devnet start",
        "provd lab up",
        "provd run",
        "provd tx hpc submit-job",
    ]
    steps += ["provd evidence verify", "provd lab down", "rm -r"]
    places = [
        next(number for number, command in enumerate(typed) if command.startswith(step)) for step in steps
    ]
    assert places == sorted(places)
