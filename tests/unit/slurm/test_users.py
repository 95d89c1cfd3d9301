"""Rows of squeue and sacct where each customer has a Unix user: another user's row is never the job."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.ports import Watch
from provider_daemon.slurm import accounting, commands, parse
from provider_daemon.slurm.commands import SACCT_KEY, SACCT_USER, SQUEUE_KEY, SQUEUE_USER
from provider_daemon.slurm.ownership import own_records, renamed_records, sort_queue
from provider_daemon.slurm.tables import columns
from tests.unit.slurm.test_ownership import NAME, OTHER, queued, record, records

USERS = {NAME: "c001", OTHER: "c002"}
WATCH = Watch(frozenset({NAME, OTHER}), {NAME: "7"}, frozenset({OTHER}), 500, {NAME: 1000}, users=USERS)


def row(name: str, user: str, *, slurm_id: str = "7", submitted: int = 1000) -> parse.Queued:
    text = queued(name, slurm_id=slurm_id, submitted=submitted)
    return replace(accounting_free(text), user=user)


def accounting_free(line: str) -> parse.Queued:
    fields = line.removesuffix("|").split("|")
    header = "".join(f"{name.upper()}|" for name in columns(SQUEUE_KEY, commands.SQUEUE_FIELDS))
    table = f"{header}\n{'|'.join((fields[0], fields[0], *fields[1:], fields[0]))}|\n"
    (found,) = parse.queue(table, "|").rows
    return found


def test_the_user_of_a_row() -> None:
    """A row has the user that SLURM names; the main user's is "", as in a job of a shared account."""
    fields = "7|7|{}|RUNNING|1000|1010|N/A|0:30|cpu=4|None|ve-1|7|\n"
    header = "".join(f"{name}|" for name in columns(SQUEUE_KEY, (SQUEUE_USER, *commands.SQUEUE_FIELDS)))
    table = header + "\n" + "".join(map(fields.format, ("c001", "provd", "1234")))
    assert [found.user for found in parse.queue(table, "|", "provd").rows] == ["c001", "", "1234"]
    fields = "7|7|{}|COMPLETED|0:0|1000|1010|1020|10|1|cpu=4|None|/w|ve-1|7|\n"
    header = "".join(f"{name}|" for name in columns(SACCT_KEY, (SACCT_USER, *commands.SACCT_FIELDS)))
    table = header + "\n" + "".join(map(fields.format, ("c001", "provd")))
    assert [found.user for found in accounting.rows(table, "|", "provd").rows] == ["c001", ""]


def test_the_queries_of_an_account() -> None:
    """They name the account and ask for the user; without one, only the login's own jobs are asked for."""
    for shared, pooled in (
        (commands.queue("|"), commands.queue("|", "provd")),
        (commands.accounting_since("|", 0), commands.accounting_since("|", 0, account="provd")),
        (
            commands.accounting_by_name("|", ["a"], 0),
            commands.accounting_by_name("|", ["a"], 0, account="provd"),
        ),
    ):
        assert b"provd\n" in pooled.payload
        assert "-A" in pooled.program
        assert "-A" not in shared.program
    assert "-a -j" in commands.accounting_by_id("|", ["1"], "provd").program
    with pytest.raises(ValueError, match="invalid SLURM account"):
        commands.queue("|", "provd; rm")


def test_a_job_under_anothers_name_is_an_impostor() -> None:
    """It is neither the job nor one of the jobs that provd does not watch."""
    found = sort_queue([row(OTHER, "c001", slurm_id="9")], replace(WATCH, intents=frozenset({OTHER})))
    assert (found.ours, found.others) == ((), ())
    assert [each.slurm_id for each in found.impostors] == ["9"]


def test_an_impostor_may_be_its_users_own_job() -> None:
    """c001's job took the name of c002's: its id and submit time, or else its batch script, identify it."""
    (known,) = sort_queue([row(OTHER, "c001")], WATCH).ours
    assert (known.name, known.slurm_id) == (NAME, "7")
    requeued = sort_queue([row(OTHER, "c001", submitted=1001)], WATCH)
    assert (requeued.ours, len(requeued.unproven)) == ((), 1)


@given(
    st.sampled_from([NAME, OTHER, "other"]),
    st.sampled_from(["", "c001", "c002", "c003"]),
    st.sampled_from(["7", "9"]),
    st.sampled_from([1000, 1001]),
    st.booleans(),
)
def test_no_row_of_another_user_is_ours(
    name: str, user: str, slurm_id: str, submitted: int, searched: bool
) -> None:
    """Whatever a row's name, id and time: it stands for a job of its own user, or for none."""
    watch = replace(WATCH, intents=frozenset({OTHER}) if searched else frozenset())
    found = sort_queue([row(name, user, slurm_id=slurm_id, submitted=submitted)], watch)
    assert all(USERS[each.name] == user for each in found.ours)
    assert all(user in USERS.values() for _ in found.unproven)
    assert all(each.name not in watch.names for each in found.others)


@given(
    st.sampled_from([NAME, OTHER, "other"]),
    st.sampled_from([NAME, OTHER, "elsewhere"]),
    st.sampled_from(["", "c001", "c002"]),
    st.sampled_from(["7", "9"]),
    st.sampled_from([1000, 1001]),
)
def test_no_record_of_another_user_is_ours(
    name: str, directory: str, user: str, slurm_id: str, submitted: int
) -> None:
    """Neither its name nor its directory makes another user's record one of the job's."""
    (read,) = records(record(name, times=f"{submitted}|1010|1020", slurm_id=slurm_id))
    read = replace(read, user=user, directory=f"{directory}.0123abcd")
    for found in (*own_records([read], WATCH), *renamed_records([read], frozenset({OTHER}), WATCH)):
        assert found.name not in WATCH.names or USERS[found.name] == user
