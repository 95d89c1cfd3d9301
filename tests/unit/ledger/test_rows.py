"""A job's JSON in the ledger: the same bytes for ever, and nothing but a whole job is read from it."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provider_daemon.job.job import Job
from provider_daemon.ledger.rows import UnreadableJob, job_from_value, job_to_row
from tests.unit.job.jobs import JOB

FIXTURES = Path(__file__).parents[2] / "fixtures/ledger"
STORED = (FIXTURES / "jobs.jsonl").read_text().splitlines()
STORED_BEFORE = (FIXTURES / "jobs-before-data.jsonl").read_text().splitlines()
SECRET = "hunter2"


def rewritten(value: str) -> object:
    return job_to_row(job_from_value(value))["value"]


def keeps(before: object, after: object) -> bool:
    """Returns whether all fields of before are in after with their values, at any depth."""
    if isinstance(before, dict) and isinstance(after, dict):
        return all(name in after and keeps(value, after[name]) for name, value in before.items())
    return before == after


@pytest.mark.parametrize("value", STORED + STORED_BEFORE)
def test_stored_jobs_keep_their_fields(value: str) -> None:
    """Rows that an older provd wrote are read and written again with all their values; what is new is
    added with its default."""
    once = str(rewritten(value))
    assert keeps(json.loads(value), json.loads(once))
    assert rewritten(once) == once


@settings(max_examples=100, deadline=None)
@given(st.builds(replace, st.from_type(Job), slurm_id=st.sampled_from(["", "1", "4294967293"])))
def test_any_job_round_trip(job: Job) -> None:
    """A job is stored as compact ASCII JSON of its fields in their order, and comes back equal."""
    value = job_to_row(job)["value"]
    assert value == json.dumps(asdict(job), separators=(",", ":"))
    assert repr(job_from_value(str(value))) == repr(job)  # NaN is not equal to itself


@pytest.mark.parametrize(
    "missing", ["spec", "program", "wall_seconds", "adopted_at", "state", "reported", "promised"]
)
def test_a_row_without_a_required_field_is_unreadable(missing: str) -> None:
    """No default stands in for what every provd has written."""
    value = {name: field for name, field in asdict(JOB).items() if name != missing}
    with pytest.raises(UnreadableJob, match=f"^{missing}: Field required$"):
        job_from_value(json.dumps(value))


@pytest.mark.parametrize(
    "change",
    [
        {"exit_code": SECRET},
        {"attempt": "7"},
        {"slurm_id": 7},
        {"program": SECRET},
        {"new": SECRET},
        {"hold": ""},
    ],
)
def test_an_invalid_field_is_named_without_its_value(change: dict[str, object]) -> None:
    """A field of another type or of a newer provd makes the row unreadable; the reason holds no customer's
    text."""
    with pytest.raises(UnreadableJob, match=f"^{next(iter(change))}: ") as raised:
        job_from_value(json.dumps({**asdict(JOB), **change}))
    assert SECRET not in str(raised.value)
