"""A job's amounts in one line."""

from dataclasses import replace

import pytest

from provider_daemon.job.usage import Usage
from provider_daemon.status.job_price import price_line
from provider_daemon.status.overview import line
from tests.unit.job.jobs import JOB

ACCEPTED = replace(JOB, usage=None, estimate=15_000, agreed=20_000, escrowed=20_000)
USED = Usage(3600, 3600, nodes_used=1)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "price: at most 15000uvirt, 20000uvirt in escrow"),
        ({"usage": USED}, "price: at most 15000uvirt, 20000uvirt in escrow; bill 10000uvirt"),
        ({"escrowed": 0}, "price: at most 15000uvirt, 20000uvirt promised, nothing in escrow"),
        (
            {"escrowed": 0, "agreed": 0, "usage": USED},
            "price: at most 15000uvirt, nothing promised; bill 0uvirt",
        ),
        ({"estimate": None}, "price: not known, the job was accepted by an older version"),
    ],
)
def test_price_line(changes: dict[str, object], text: str) -> None:
    assert price_line(replace(ACCEPTED, **changes)) == text  # type: ignore[arg-type] # by name


def test_the_pages_columns() -> None:
    """The same amounts, each by itself; no bill before SLURM's final record."""
    shown = line(1, ACCEPTED)
    assert (shown.estimate, shown.agreed, shown.escrowed, shown.bill) == (15_000, 20_000, 20_000, None)
    assert line(1, replace(ACCEPTED, usage=USED)).bill == 10_000
    assert shown.price_denom == "uvirt"
