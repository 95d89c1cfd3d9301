"""Records by RPC or by raw store, and the sweep over all jobs."""

import json
from pathlib import Path

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.chain import codec, grpc_errors, keyspace, query
from provider_daemon.chain.endpoints import RECHECK_SECONDS, Endpoints
from provider_daemon.chain.proto.virtengine.hpc.v1 import query_pb2, types_pb2
from provider_daemon.chain.query import Query, count_starting_with
from provider_daemon.chain.store import Store
from provider_daemon.errors import Unreadable
from tests.fakes.chain import FakeClock
from tests.unit.chain.far_end import Abort, FarEnd, endpoints

SAMPLES = {
    sample["kind"]: codec.dumps(sample["value"])
    for sample in map(
        json.loads, (Path(__file__).parents[2] / "fixtures/chain/samples.jsonl").read_text().splitlines()
    )
}


def stored_jobs(count: int) -> dict[tuple[str, bytes], bytes]:
    """JOB-1 .. JOB-count and the counter."""
    record = json.loads(SAMPLES["job"])
    jobs = {
        ("hpc", b"\x03" + f"JOB-{n}".encode()): codec.dumps({**record, "job_id": f"JOB-{n}"})
        for n in range(1, count + 1)
    }
    return {**jobs, ("hpc", keyspace.NEXT_JOB): (count + 1).to_bytes(8, "big")}


def over(ours: Endpoints) -> Query:
    return Query(ours, Store(ours))


async def swept(ours: Endpoints) -> tuple[set[str], list[Unreadable]]:
    found = [item async for item in over(ours).jobs()]
    ids = [item.job_id for item in found if isinstance(item, types_pb2.HPCJob)]
    assert len(ids) == len(set(ids))
    return set(ids), [item for item in found if isinstance(item, Unreadable)]


async def test_by_rpc() -> None:
    """Where the call is wired, its answer is taken and the store is not read."""
    far = FarEnd(
        answers={"Job": lambda asked: query_pb2.QueryJobResponse(job=types_pb2.HPCJob(job_id=asked.job_id))}
    )
    async with endpoints(far) as ours:
        record = await over(ours).job("JOB-5")
    assert record is not None
    assert record.job_id == "JOB-5"
    assert "/store/hpc/key" not in far.calls


async def test_by_store_where_unimplemented() -> None:
    """A call that is not wired is found out once; from then on the record is read from the store."""
    far = FarEnd(records={("hpc", b"\x03JOB-1"): SAMPLES["job"]})
    async with endpoints(far) as ours:
        records = over(ours)
        first, second = await records.job("JOB-1"), await records.job("JOB-1")
    assert first == second == codec.decode(types_pb2.HPCJob, SAMPLES["job"])
    assert far.calls.count("Job") == 1


async def test_each_call_for_itself() -> None:
    """That one call is missing says nothing about another."""
    node = types_pb2.NodeMetadata(node_id="n1")
    far = FarEnd(answers={"NodeMetadata": lambda asked: query_pb2.QueryNodeMetadataResponse(node=node)})
    far.records = {("hpc", b"\x01HPC-1"): SAMPLES["cluster"]}
    async with endpoints(far) as ours:
        records = over(ours)
        cluster = await records.cluster("HPC-1")
        assert cluster is not None
        assert cluster.name == "alpha"
        assert await records.node("n1") == node


async def test_tried_again_after_an_upgrade() -> None:
    """A node of another version may have the call wired by now."""
    far, clock = FarEnd(), FakeClock()
    async with endpoints(far, clock=clock) as ours:
        records = over(ours)
        assert await records.job("JOB-1") is None
        far.version = "1.1"
        far.answers["Job"] = lambda asked: query_pb2.QueryJobResponse(job=types_pb2.HPCJob(job_id="JOB-1"))
        clock.time += RECHECK_SECONDS
        assert await records.job("JOB-1") is not None


async def test_not_found() -> None:
    """NOT_FOUND from the call and no such key in the store both mean: there is none."""

    def missing(asked: object) -> query_pb2.QueryJobResponse:
        raise Abort(grpc.StatusCode.NOT_FOUND, "JOB-9 not found")

    async with endpoints(FarEnd(answers={"Job": missing})) as ours:
        assert await over(ours).job("JOB-9") is None
        assert await over(ours).offering("OFF-9") is None


async def test_a_no_of_the_modules_own() -> None:
    """An error that says neither NOT_FOUND nor UNIMPLEMENTED is no absence: the store is asked, and the call
    again next time."""

    def refused(asked: query_pb2.QueryJobRequest) -> query_pb2.QueryJobResponse:
        raise Abort(grpc.StatusCode.UNKNOWN, f"codespace hpc code 2106: {asked.job_id}: job not found")

    far = FarEnd(answers={"Job": refused}, records={("hpc", b"\x03JOB-1"): SAMPLES["job"]})
    async with endpoints(far) as ours:
        records = over(ours)
        assert await records.job("JOB-9") is None
        assert await records.job("JOB-1") is not None
    assert far.calls.count("Job") == 2


async def test_an_answer_without_a_record() -> None:
    """An empty answer is not a job with empty fields."""
    async with endpoints(FarEnd(answers={"Job": lambda asked: query_pb2.QueryJobResponse()})) as ours:
        with pytest.raises(Unreadable, match="JOB-9"):
            await over(ours).job("JOB-9")


@pytest.mark.parametrize("said", ["JOB-2", "JOB-1\n", "JOB-01", "JOB-\uff11", ""])
async def test_an_answer_about_another(said: str) -> None:
    """A record that says to be another's, by call or from the store, is taken for nobody's."""
    stored = codec.dumps({**json.loads(SAMPLES["job"]), "job_id": said})
    by_call = FarEnd(answers={"Job": lambda _: query_pb2.QueryJobResponse(job=types_pb2.HPCJob(job_id=said))})
    for far in (by_call, FarEnd(records={("hpc", b"\x03JOB-1"): stored})):
        async with endpoints(far) as ours:
            with pytest.raises(Unreadable, match="JOB-1"):
                await over(ours).job("JOB-1")


async def test_a_bad_record_is_named() -> None:
    """The error says whose record cannot be read."""
    async with endpoints(FarEnd(records={("hpc", b"\x03JOB-3"): b'{"state":"wobbly"}'})) as ours:
        with pytest.raises(Unreadable, match="JOB-3"):
            await over(ours).job("JOB-3")


async def test_sweep_past_a_bad_record() -> None:
    """One record that cannot be read is told of and hides no other."""
    records = stored_jobs(12)
    records["hpc", b"\x03JOB-7"] = b"not json"
    async with endpoints(FarEnd(records=records)) as ours:
        ids, bad = await swept(ours)
    assert ids == {f"JOB-{n}" for n in range(1, 13)} - {"JOB-7"}
    assert [("JOB-7" in str(error)) for error in bad] == [True]


async def test_sweep_in_bounded_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many jobs there are, no answer holds more than SWEEP of them, and each job comes once."""
    monkeypatch.setattr(query, "SWEEP", 12)
    far = FarEnd(records=stored_jobs(345))
    async with endpoints(far) as ours:
        assert await swept(ours) == ({f"JOB-{n}" for n in range(1, 346)}, [])
    assert 30 <= far.calls.count("/store/hpc/subspace") <= 60


async def test_sweep_of_very_large_records(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs too large to come together are asked for in smaller groups."""
    monkeypatch.setattr(grpc_errors, "_OPTIONS", [("grpc.max_receive_message_length", 5_000)])
    async with endpoints(FarEnd(records=stored_jobs(40))) as ours:
        assert await swept(ours) == ({f"JOB-{n}" for n in range(1, 41)}, [])


@given(st.integers(1, 999), st.integers(1, 5_000))
def test_count_starting_with(number: int, end: int) -> None:
    """The count is that of counting one by one."""
    assert count_starting_with(number, end) == sum(
        str(other).startswith(str(number)) for other in range(1, end)
    )


async def test_nodes_of_a_cluster() -> None:
    """The cluster's own nodes, and those whose record cannot be read."""
    other = SAMPLES["node"].replace(b"HPC-1", b"HPC-2").replace(b'"n1"', b'"n2"')
    records = {("hpc", b"\x05n1"): SAMPLES["node"], ("hpc", b"\x05n2"): other, ("hpc", b"\x05n3"): b"{"}
    async with endpoints(FarEnd(records=records)) as ours:
        found = [item async for item in over(ours).nodes("HPC-1")]
    assert [item.node_id if isinstance(item, types_pb2.NodeMetadata) else "bad" for item in found] == [
        "n1",
        "bad",
    ]
