"""The documents' site in real Chromium, opened as files."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.browser.chromium import Tab, chromium
from tests.unit.docs import ROOT

pytestmark = pytest.mark.real

SEARCH = "document.querySelector('[data-md-component=search-query]')"
FOUND = (
    "[...document.querySelectorAll('.md-search-result__link')].map(link => new "
    "URL(link.href).pathname.split('/').pop())"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(directory)]
    subprocess.run(build, cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, check=True, timeout=60)
    return directory


@pytest.fixture
async def tab() -> AsyncIterator[Tab]:
    async with chromium() as opened:
        yield opened


async def test_search_needs_no_server(site: Path, tab: Tab) -> None:
    """Without a server or network, a search for a word finds the pages that contain it."""
    await tab.call("Network.enable")
    await tab.call(
        "Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=0, uploadThroughput=0
    )
    await tab.size(1280)
    await tab.go(f"file://{site}/index.html")
    await tab.run(f"{SEARCH}.focus()")
    await tab.call("Input.insertText", text="runway")
    await tab.until(f"{FOUND}.length > 0")
    assert {"doctor.html", "metrics.html"} & set(await tab.run(FOUND))
    assert tab.problems == []


@pytest.mark.parametrize(
    "name", ["index", "install", "first-job", "security", "operators-guide", "cli", "alerts/index"]
)
async def test_on_a_phone(site: Path, tab: Tab, name: str) -> None:
    """Only tables and blocks of code are wider than the page, and no image is missing."""
    await tab.size(360)
    await tab.go(f"file://{site}/{name}.html")
    assert await tab.run("document.documentElement.scrollWidth") <= 360
    assert (
        await tab.run("[...document.images].filter(image => !image.naturalWidth).map(image => image.src)")
        == []
    )
    assert tab.problems == []
