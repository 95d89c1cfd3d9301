"""What the status page asks of the ledger."""

from dataclasses import replace

import pytest

from provider_daemon.job.naming import public_name
from provider_daemon.job.parking import Parked, ParkReason
from provider_daemon.ledger import listing
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ledger.listing import Show
from tests.unit.job.jobs import JOB


def save(ledger: Ledger, *numbers: int, **changes: object) -> None:
    with ledger.write():
        for number in numbers:
            ledger.save_job(replace(JOB, spec=replace(JOB.spec, job_id=f"JOB-{number}"), **changes))  # type: ignore[arg-type]


def test_pages_have_every_job_once(ledger: Ledger) -> None:
    """The newest first; the last number of a page leads to the next one, whatever is chosen."""
    save(ledger, *range(1, 8))
    save(ledger, *range(8, 15), closed_at=5.0)
    save(ledger, *range(15, 22), parked=Parked(ParkReason.SEVERAL, "twice"))
    opened = [*range(21, 14, -1), *range(7, 0, -1)]
    for show, wanted in ((Show.ALL, range(21, 0, -1)), (Show.OPEN, opened), (Show.PARKED, opened[:7])):
        found, page = [], listing.jobs(ledger, show=show, count=4)
        while page:
            found += [job.spec.job_id for _, job in page]
            page = listing.jobs(ledger, show=show, before=page[-1][0], count=4)
        assert found == [f"JOB-{number}" for number in wanted]


def test_a_job_that_is_saved_again_keeps_its_place(ledger: Ledger) -> None:
    """Its number is that of its arrival."""
    save(ledger, 1, 2)
    save(ledger, 1, slurm_id="9")
    assert [(number, job.spec.job_id) for number, job in listing.jobs(ledger)] == [(2, "JOB-2"), (1, "JOB-1")]


def test_an_id_of_slurm_is_looked_for_among_the_newest(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a look costs the same in a ledger of years; the id on chain finds any."""
    monkeypatch.setattr(listing, "AMONG", 2)
    save(ledger, 1, slurm_id="77")
    save(ledger, 2, 3, slurm_id="88")
    assert listing.find(ledger, "77") == ()
    assert [job.spec.job_id for _, job in listing.find(ledger, "88")] == ["JOB-3", "JOB-2"]
    assert [job.spec.job_id for _, job in listing.find(ledger, "JOB-1")] == ["JOB-1"]


def test_found_by_any_of_its_names(ledger: Ledger) -> None:
    """The id on chain with or without its prefix, the SLURM job's name, its id in SLURM."""
    with ledger.write():
        ledger.save_job(replace(JOB, spec=replace(JOB.spec, job_id="JOB-7"), slurm_id="99"))
        ledger.save_job(replace(JOB, spec=replace(JOB.spec, job_id="JOB-8"), slurm_id="7"))
    name = public_name(replace(JOB.spec, job_id="JOB-8"))

    def ids(match: str) -> list[str]:
        return [job.spec.job_id for _, job in listing.find(ledger, match)]

    assert ids("JOB-7") == ids("99") == ["JOB-7"]
    assert ids("7") == ["JOB-8", "JOB-7"]
    assert ids(name) == ["JOB-8"]
    assert ids("") == ids("%") == ids("JOB-9") == []
