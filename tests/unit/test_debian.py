"""deploy/debian: what can be said of the package before it is built (`make deb-test` builds it and plays its
life)."""

import re
import subprocess
from email.utils import parsedate_to_datetime

import pytest

from provider_daemon import __version__
from tests.unit.docs import ROOT

DEBIAN = ROOT / "deploy/debian"
BUILDER = "A Builder <builder@example.org>"


def changelog(text: str) -> str:
    awk = ["awk", "-v", "package=provd", "-v", f"builder={BUILDER}", "-f", str(DEBIAN / "changelog.awk")]
    return subprocess.run(awk, input=text, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("script", ["postinst", "prerm", "postrm"])
def test_scripts_parse(script: str) -> None:
    subprocess.run(["sh", "-n", DEBIAN / script], check=True)


def test_changelog_is_debians() -> None:
    """Of two released versions: heads, wrapped bullets, a paragraph as a bullet, and the day with its
    weekday."""
    text = "# Changelog\n\nWords.\n\n## Unreleased\n\n- next\n\n"
    text += (
        "## 0.2.0 - 2026-02-03\n\nAll of it:\n\n- one\n  two\n- three\n\n## 0.1.0 - 2026-01-31\n\n- first\n"
    )
    assert changelog(text) == (
        "provd (0.2.0) stable; urgency=medium\n\n  * All of it:\n  * one two\n  * three\n\n"
        f" -- {BUILDER}  Tue, 03 Feb 2026 00:00:00 +0000\n\n"
        "provd (0.1.0) stable; urgency=medium\n\n  * first\n\n"
        f" -- {BUILDER}  Sat, 31 Jan 2026 00:00:00 +0000\n"
    )


def test_the_changelog_fits() -> None:
    """Ours, with every word of its changes, in lines that Debian's tools take."""
    ours = (ROOT / "CHANGELOG.md").read_text()
    lines = changelog(ours).splitlines()
    assert lines[0] == f"provd ({__version__}) stable; urgency=medium"
    assert max(map(len, lines)) <= 80
    assert parsedate_to_datetime(lines[-1].rpartition(">")[2]).tzinfo
    said = [word for line in lines[1:-1] for word in line.split() if not line.startswith((" -- ", "provd ("))]
    versions = re.split(r"^## \d.*$", ours, flags=re.MULTILINE)[1:]
    body = re.sub(r"^- ", "", "".join(versions), flags=re.MULTILINE)
    assert [word for word in said if word != "*"] == body.split()
