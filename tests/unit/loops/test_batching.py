"""Which of the waiting messages go next."""

from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.ledger.rows import Message
from provider_daemon.loops.batching import select_messages
from tests.fakes.chain import ALICE, PROVIDER, job
from tests.unit.loops.conftest import House

BACKLOG = 10_000


def message(kind: str, subject: str, number: int) -> Message:
    return Message(kind, subject, b"", "queued" if kind == "report" else "", number)


def waiting(*subjects: str, nodes: int = 0) -> list[Message]:
    """One report for each subject, oldest first, and then the nodes' heartbeats."""
    reports = [message("report", subject, number) for number, subject in enumerate(subjects, 1)]
    return reports + [message("node", f"a.n{number}", 10**6 + number) for number in range(nodes)]


def test_what_fits_goes_whole() -> None:
    """No lane holds anything back that there is room for."""
    everything = waiting("JOB-1", "JOB-2", "JOB-1", nodes=7)
    assert select_messages(everything, 10) == everything


def test_live_work_goes_with_the_next_transaction() -> None:
    """Behind ten thousand old reports the newest job's own, and heartbeats, are in the very next
    transaction."""
    backlog = [f"JOB-{number}" for number in range(BACKLOG)]
    chosen = select_messages(waiting(*backlog, "JOB-NEW", "JOB-NEW", nodes=500), 100)
    assert [one.state for one in chosen if one.subject == "JOB-NEW"] == ["queued", "queued"]
    assert sum(one.kind == "node" for one in chosen) == 25
    assert [one.subject for one in chosen[:37]] == backlog[:37]
    assert len(chosen) == 100


def test_heartbeats_take_what_reports_leave_free() -> None:
    """Few reports, many nodes: the transaction is full all the same."""
    chosen = select_messages(waiting("JOB-1", nodes=500), 100)
    assert len(chosen) == 100
    assert chosen[0].subject == "JOB-1"


def test_a_cluster_does_not_wait_for_its_nodes() -> None:
    """However many nodes there are: an offline cluster takes no job until its own message lands."""
    chosen = select_messages([*waiting("JOB-1", nodes=500), message("cluster", "HPC-1", 10**7)], 100)
    assert [one.kind for one in chosen] == ["report", *["node"] * 98, "cluster"]


@given(st.lists(st.integers(1, 8)), st.integers(0, 30), st.integers(1, 20))
def test_never_too_many_never_out_of_order(jobs: list[int], nodes: int, room: int) -> None:
    """As many as fit, and of each job its first reports: none ever overtakes an earlier one of the same
    job."""
    everything = waiting(*(f"JOB-{number}" for number in jobs), nodes=nodes)
    chosen = select_messages(everything, room)
    assert len(chosen) == min(room, len(everything))
    assert chosen == [one for one in everything if one in chosen]
    for number in set(jobs):
        mine = [one for one in everything if one.subject == f"JOB-{number}"]
        assert [one for one in chosen if one in mine] == mine[: sum(one in mine for one in chosen)]


async def test_a_backlog_does_not_delay_a_new_job(house: House) -> None:
    """The reports of six hundred jobs, six transactions, wait for a chain that was away; a job that comes
    now, and the nodes, are heard at once."""
    for _ in range(30):
        await house.chain.send(ALICE, *(job() for _ in range(20)), gas_limit=400_000_000, fee=10_000_000)
    await house.intake.tick()
    await house.advance.tick()
    assert len(house.ledger.waiting_messages(PROVIDER.address)) == 600
    await house.heartbeat.tick()
    assert (await house.chain.send(ALICE, job(), gas_limit=20_000_000, fee=500_000)).ok
    await house.intake.tick()
    await house.advance.tick()
    await house.report()
    assert await house.state("JOB-601") == "queued"
    assert await house.state("JOB-1") == "queued"
    assert await house.state("JOB-300") == "pending"
    assert await house.chain.client.query.node("alpha.n2") is not None
