"""What the collector writes is what the daemon reads."""

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.errors import ConfigError, Transient
from provider_daemon.node_store.rows import HEARTBEAT, Answered, HeardFrom, KnownAgent, Offered, Registered
from provider_daemon.node_store.rows import heartbeat_text as text_of
from provider_daemon.node_store.store import NodeStore
from provider_daemon.node_store.writer import COMMAND_SECONDS, NodeStoreWriter
from provider_daemon.nodes.command import CommandResult
from provider_daemon.nodes.report import (
    Acknowledgement,
    Capacity,
    Gpu,
    GpuState,
    Hardware,
    Health,
    HealthStatus,
    Heartbeat,
    JobCounts,
    Locality,
    Registration,
    Topology,
)

NODE = "site.c1"
AGENT = KnownAgent(NODE, "HPC-1", "key", "digest", registered_at=100.0, seen_at=100.0, interval=30)
HEALTH = Health(HealthStatus.HEALTHY)
REGISTRATION = Registration(
    NODE,
    "HPC-1",
    "ve1provider",
    "key",
    "c1",
    "f1",
    "1.0",
    Capacity(),
    HEALTH,
    hardware=Hardware(cpu_model="EPYC", features=("avx2",)),
)
BEAT = Heartbeat(
    NODE,
    "HPC-1",
    7,
    "2026-01-30T14:05:00Z",
    "1.1",
    Capacity(cpu_cores_total=8),
    HEALTH,
    gpus=(Gpu(0, GpuState.FAILED, xid_errors=(79,)),),
)
BEATEN = replace(AGENT, seen_at=130.0, sequence=7, signed_at=129.0)


def register(agent: KnownAgent = AGENT, nonce: str = "n1") -> Registered:
    return Registered(agent, replace(REGISTRATION, agent_pubkey=agent.public_key), nonce, 400.0)


def test_registration_and_heartbeat(writer: NodeStoreWriter, store: NodeStore) -> None:
    """Hardware stays as last reported, and a heartbeat changes what it reports."""
    writer.apply([register()])
    (found,) = store.facts("HPC-1").values()
    assert (found.hostname, found.fingerprint, found.heartbeat, found.seen_at) == ("c1", "f1", None, 100.0)
    writer.apply([HeardFrom(BEATEN, replace(BEAT, topology=Topology(2), locality=Locality(rack="r1")))])
    found = store.facts("HPC-1")[NODE]
    assert found.heartbeat == BEAT
    assert (found.agent_version, found.seen_at, found.registered_at) == ("1.1", 130.0, 100.0)
    assert (found.hardware, found.topology, found.locality) == (
        REGISTRATION.hardware,
        Topology(2),
        Locality(rack="r1"),
    )
    assert writer.agents() == [BEATEN]
    assert store.facts("HPC-2") == {}


def test_another_key_makes_the_old_heartbeat_void(writer: NodeStoreWriter, store: NodeStore) -> None:
    """A node that was installed again is not shown with the health of its former life."""
    writer.apply([register(), HeardFrom(BEATEN, BEAT)])
    writer.apply([register(BEATEN, "n2")])
    assert store.facts("HPC-1")[NODE].heartbeat == BEAT
    writer.apply([register(replace(AGENT, public_key="other"), "n3")])
    assert store.facts("HPC-1")[NODE].heartbeat is None
    assert [each.sequence for each in writer.agents()] == [0]


def test_restart(path: Path) -> None:
    """Sequences and nonces survive: a replayed request is refused by the next collector too."""
    first = NodeStoreWriter.open(path)
    first.apply([register(), HeardFrom(BEATEN, BEAT), Offered("c-1", NODE, "HPC-1", 100.0)])
    first.close()
    second = NodeStoreWriter.open(path)
    assert second.commands() == ({"c-1": NODE}, set())
    assert (second.agents(), second.nonces()) == ([BEATEN], {"n1": 400.0})
    second.prune(401.0)
    assert second.nonces() == {}
    second.close()


def test_answers_to_commands(writer: NodeStoreWriter, store: NodeStore) -> None:
    """Only the node that a command is for can answer it, and its first answer counts."""
    done, failed = (
        Acknowledgement("c-1", each, "text") for each in (CommandResult.DONE, CommandResult.FAILED)
    )
    writer.apply([Offered("c-1", NODE, "HPC-1", 100.0), Offered("c-1", NODE, "HPC-1", 101.0)])
    writer.apply([Answered("site.c2", failed, 102.0)])
    assert store.acknowledgements("HPC-1") == {}
    writer.apply([Answered(NODE, done, 103.0), Answered(NODE, failed, 104.0)])
    assert store.acknowledgements("HPC-1") == {"c-1": done}
    writer.prune(100.0 + COMMAND_SECONDS + 1)
    assert store.acknowledgements("HPC-1") == {}


def test_a_row_that_cannot_be_read(path: Path, writer: NodeStoreWriter, store: NodeStore) -> None:
    """It counts as not reported, and the other agents are read."""
    other = replace(AGENT, node_id="site.c2")
    writer.apply([register(), register(other, "n2"), HeardFrom(BEATEN, BEAT)])
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE agents SET heartbeat = '{', hardware = '[]' WHERE node_id = ?", [NODE])
    found = store.facts("HPC-1")
    assert (found[NODE].heartbeat, found[NODE].hardware, len(found)) == (None, None, 2)
    assert found["site.c2"].hardware == REGISTRATION.hardware


def test_a_failed_write_changes_nothing(writer: NodeStoreWriter, store: NodeStore) -> None:
    """All changes of one commit happen, or none: the requests of all of them are then refused."""
    writer.apply([register()])
    writer._db.execute("PRAGMA max_page_count = 1")
    many = replace(BEAT, timestamp="x" * 100_000)
    with pytest.raises(Transient, match="cannot be written"):
        writer.apply([register(replace(AGENT, node_id="site.c2"), "n2"), HeardFrom(BEATEN, many)])
    assert list(store.facts("HPC-1")) == [NODE]


def test_no_collector_yet_and_a_second_one(path: Path, store: NodeStore) -> None:
    """A missing database is a temporary failure, never 'no agent is known'."""
    with pytest.raises(Transient, match="does not exist: start provd collector"):
        store.facts("HPC-1")
    writer = NodeStoreWriter.open(path)
    with pytest.raises(ConfigError, match="another provd collector uses it"):
        NodeStoreWriter.open(path)
    writer.close()


words = st.text(max_size=20)
gpus = st.builds(Gpu, st.integers(0, 9), st.sampled_from(GpuState), words, xid_errors=st.tuples(st.just(79)))
jobs = st.builds(JobCounts, st.integers(0, 9), active_job_ids=st.lists(words, max_size=3).map(tuple))


@given(
    beat=st.builds(
        replace, st.just(BEAT), gpus=st.lists(gpus, max_size=3).map(tuple), jobs=jobs, timestamp=words
    )
)
def test_any_heartbeat_is_read_as_it_was_written(beat: Heartbeat) -> None:
    assert HEARTBEAT.validate_json(text_of(beat)) == beat
