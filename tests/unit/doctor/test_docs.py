"""docs/doctor.md says what the checks do."""

from itertools import groupby

from provider_daemon.cli.doctor import TITLES
from provider_daemon.doctor.finding import CheckOutcome
from provider_daemon.doctor.registry import CHECKS
from provider_daemon.doctor.vulnerable import VULNERABILITIES, Vulnerability
from tests.unit.docs import page, table


def test_every_check_is_explained() -> None:
    """A table for each section, in the order in which the checks are shown; `looks at` is the first line of
    the check's docstring."""
    text = page("doctor.md")
    assert [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")][
        : len(TITLES)
    ] == list(TITLES.values())
    assert list(TITLES) == [section for section, _ in groupby(CHECKS, key=lambda check: check.section)]
    for section in TITLES:
        rows = table(text, f"{section} check")
        assert [row[:2] for row in rows] == [
            [f"`{check.name}`", check.looks_at] for check in CHECKS if check.section == section
        ]
        assert all(len(row) == 4 and all(row) for row in rows)


def test_every_outcome_is_explained() -> None:
    assert [row[0] for row in table(page("doctor.md"), "outcome")] == [
        f"`{outcome}`" for outcome in CheckOutcome
    ]


def test_every_vulnerability_is_listed() -> None:
    assert table(page("doctor.md"), "vulnerability") == [row(each) for each in VULNERABILITIES]


def row(each: Vulnerability) -> list[str]:
    repaired = ", ".join(f"{branch}.{number}" for branch, number in each.fixed.items() if number is not None)
    never = ", ".join(branch for branch, number in each.fixed.items() if number is None)
    where = f" (`{each.switch}` only)" if each.switch else ""
    return [each.cve, f"{each.what}{where}", repaired + (f"; not in {never}" if never else "")]
