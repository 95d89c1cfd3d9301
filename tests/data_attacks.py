"""Runs every attack on data transfer and prints a line for each: area, attack, outcome.

The attacks are the tests in `tests/unit/*/test_attacks*.py`, which `make test` runs too. They use the real
gateway over HTTP, the real fetchers over TLS, the real client, and the real remote program at a site.
"""

import argparse
import re
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
WIDTHS = (10, 88)
KINDS = {
    "path": r"path|traversal|names_of_uploads|name ",
    "link": r"symbolic|hard|link_at|traps_in_the_directory",
    "address (SSRF)": r"sources.*(redirect|resolved|rebinding|loopback|metadata)",
    "replay": r"replay",
    "audience": r"at_another|other gateway|other chain|other provider",
    "expiry": r"expired",
    "size": r"endless|oversize|one byte more|beyond the quota|without_an_end|without an end",
    "decompression": r"bomb|compress",
    "cross-customer": r"cross_customer|another customer",
    "race": r"swap_between|replaces_a_file|shrinks",
}
"""What an attack is about, and which rows are: each kind must have some."""


@dataclass(eq=False)
class Rows:
    """A pytest plugin. `failed`: the rows with another outcome than expected."""

    rows: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._print(report.nodeid, "NOT REFUSED")
            self.failed.append(f"{report.nodeid}\n{report.longreprtext}")
        elif report.when == "call":
            self._print(report.nodeid, "refused" if report.passed else "skipped")

    def _print(self, node: str, outcome: str) -> None:
        area, attack = named(node)
        self.rows.append(f"{area}: {attack}")
        cells = [cell.ljust(width) for cell, width in zip((area, attack), WIDTHS, strict=True)]
        print(" | ".join([*cells, outcome]), flush=True)

    def pytest_internalerror(self, excrepr: object) -> None:
        self.failed.append(str(excrepr))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.failed.append(f"{report.nodeid}\n{report.longreprtext}")


def named(node: str) -> tuple[str, str]:
    """Returns area and attack of a test's id.

    >>> named("tests/unit/gateway/test_attacks.py::test_path_traversal[encoded dots]")
    ('gateway', 'path traversal: encoded dots')
    """
    path, _, test = node.partition("::")
    name, _, row = test.partition("[")
    about = name.removeprefix("test_").replace("_", " ").removeprefix("a ")
    attack = f"{about}: {row.removesuffix(']')}" if row else about
    return Path(path).parent.name, attack if len(attack) <= WIDTHS[1] else f"{attack[: WIDTHS[1] - 3]}..."


def counted(rows: list[str]) -> dict[str, int]:
    """Returns how many rows there are of each kind."""
    return {
        kind: sum(bool(re.search(pattern.replace("_", " "), row)) for row in rows)
        for kind, pattern in KINDS.items()
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", metavar="NAME", help="part of an attack's name")
    options = parser.parse_args()
    files = sorted(str(path) for path in (ROOT / "tests/unit").glob("*/test_attacks*.py"))
    rows, began = Rows(), time.monotonic()
    quiet = ["-p", "no:terminal", "-p", "no:cacheprovider", "-p", "no:faulthandler", "-o", "addopts="]
    status = pytest.main([*quiet, *files, *(["-k", options.only] if options.only else [])], plugins=[rows])
    for failure in rows.failed:
        print(f"\n{failure}", file=sys.stderr)
    kinds = counted(rows.rows)
    if not options.only:
        print(", ".join(f"{kind}: {count}" for kind, count in kinds.items()))
    missing = [kind for kind, count in kinds.items() if not count and not options.only]
    if missing:
        print(f"no attack of kind: {', '.join(missing)}", file=sys.stderr)
    right = len(rows.rows) - len(rows.failed)
    print(f"{right} of {len(rows.rows)} attacks refused, {time.monotonic() - began:.0f} s")
    return 1 if status or missing or rows.failed else 0


if __name__ == "__main__":
    sys.exit(main())
