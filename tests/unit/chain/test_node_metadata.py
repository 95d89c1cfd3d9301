"""What a heartbeat says on chain: SLURM's part and the agent's."""

from dataclasses import replace

import pytest
from google.protobuf.any_pb2 import Any

from provider_daemon.chain import messages
from provider_daemon.chain.node_metadata import (
    AgentReport,
    heartbeat_facts,
    update_node_metadata,
    with_identity,
)
from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2
from provider_daemon.chain.proto.virtengine.hpc.v1.tx_pb2 import MsgUpdateNodeMetadata
from provider_daemon.nodes.hold import HoldSource
from provider_daemon.nodes.report import Capacity, Health, HealthStatus, Heartbeat
from provider_daemon.ports import Node
from tests.fakes.agents import FINGERPRINT, KEY, SICK, WELL, agent, heartbeat

NODE = Node(
    "n1",
    "MIXED",
    True,
    False,
    8,
    3,
    16_384,
    1_500,
    gpus=2,
    gpus_allocated=1,
    gpu_type="a100",
    load="0.50",
)


def body(
    node: Node = NODE, beat: Heartbeat | None = None, *, silent: bool = False, sequence: int = 3
) -> bytes:
    """A stored heartbeat of a node; with `beat` it has an agent."""
    found = AgentReport(agent(beat=beat), silent, lambda first: f"{first}~2") if beat else None
    packed = update_node_metadata(
        node,
        provider="ve1provider",
        node_id="alpha.n1",
        cluster_id="HPC-1",
        region="eu-west",
        datacenter="",
        sequence=sequence,
        agent=found,
    )
    return packed.SerializeToString(deterministic=True)


def sent(node: Node = NODE, beat: Heartbeat | None = None, *, silent: bool = False) -> MsgUpdateNodeMetadata:
    envelope = Any.FromString(body(node, beat, silent=silent))
    message = messages.unpack(envelope)
    assert isinstance(message, MsgUpdateNodeMetadata)
    return message


def test_heartbeat() -> None:
    """Available is capacity less what SLURM allocated; allocated memory is rounded up so that it is never
    sold twice."""
    message = sent()
    assert (message.resources.cpu_cores, message.resources.memory_gb, message.resources.gpus) == (5, 14, 1)
    assert (message.capacity.memory_gb_total, message.capacity.memory_gb_allocated) == (16, 2)
    assert (message.active, message.state) == (True, types_pb2.NODE_STATE_ACTIVE)
    assert message.last_sequence_number == 3


@pytest.mark.parametrize(
    ("node", "health"),
    [
        (replace(NODE, usable=False), types_pb2.HEALTH_STATUS_OFFLINE),
        (replace(NODE, usable=False, draining=True), types_pb2.HEALTH_STATUS_DRAINING),
        (replace(NODE, holds=frozenset({HoldSource.HEALTH})), types_pb2.HEALTH_STATUS_UNHEALTHY),
        (
            replace(NODE, usable=False, draining=True, holds=frozenset({HoldSource.HEALTH})),
            types_pb2.HEALTH_STATUS_UNHEALTHY,
        ),
        (replace(NODE, holds=frozenset(HoldSource)), types_pb2.HEALTH_STATUS_DRAINING),
    ],
)
def test_a_node_that_is_not_sold(node: Node, health: int) -> None:
    """It is offline and not active, whether SLURM, its agent or an operator is the reason."""
    for beat in (None, heartbeat(health=WELL)):
        message = sent(node, beat)
        assert (message.active, message.state) == (False, types_pb2.NODE_STATE_OFFLINE)
        assert message.health_status == message.health.status == health


def test_what_an_agent_adds() -> None:
    """What the node is and how it is; SLURM decides what is allocated."""
    message = sent(NODE, heartbeat(health=replace(WELL, temperature_celsius=61, slurm_state="down")))
    assert (message.agent_pubkey, message.hardware_fingerprint) == (KEY, FINGERPRINT)
    assert (message.hardware.cpu_model, list(message.hardware.features)) == ("EPYC 7763", ["avx2"])
    assert (message.topology.numa_nodes, message.locality.rack) == (8, "r7")
    assert (message.health.uptime_seconds, message.health.temperature_celsius) == (60, 61)
    assert message.health.slurm_state == "MIXED"
    assert (message.resources.cpu_cores, message.resources.storage_gb) == (5, 50)
    (measured,) = message.latency_measurements
    assert (measured.target_node_id, measured.latency_ms) == ("alpha.n2~2", 1)
    assert (measured.measured_at.seconds, measured.measured_at.nanos) == (1769781900, 500_000_000)


def test_a_silent_agent() -> None:
    """The node stays what it is; how it is comes from SLURM, also if the last heartbeat was a bad one."""
    message = sent(NODE, heartbeat(health=SICK), silent=True)
    assert (message.agent_pubkey, message.hardware.sockets) == (KEY, 2)
    assert message.health == types_pb2.NodeHealth(
        status=types_pb2.HEALTH_STATUS_HEALTHY, load_average_1m="0.50", slurm_state="MIXED"
    )
    assert not message.latency_measurements
    assert message.active


@pytest.mark.parametrize("status", list(HealthStatus))
def test_a_sick_node_without_a_hold(status: HealthStatus) -> None:
    """It is active, because the site only reports health, and its health is the agent's."""
    message = sent(NODE, heartbeat(health=Health(status)))
    assert message.active
    assert types_pb2.HealthStatus.Name(message.health_status) == f"HEALTH_STATUS_{status.upper()}"


def test_failed_gpus_are_not_available() -> None:
    """They count in the total. One that SLURM has given to a job may be one of those that failed."""
    message = sent(replace(NODE, gpus=4, gpus_lost=2))
    assert (message.capacity.gpus_total, message.resources.gpus) == (4, 1)
    assert sent(replace(NODE, gpus_lost=2)).resources.gpus == 0


def test_an_unreadable_time_of_a_measurement() -> None:
    """It is left out alone."""
    beat = heartbeat()
    measured = replace(beat.latency.measurements[0], measured_at="yesterday")
    message = sent(NODE, replace(beat, latency=replace(beat.latency, measurements=(measured,))))
    assert message.latency_measurements[0].latency_ms == 1
    assert not message.latency_measurements[0].HasField("measured_at")


LIVELY = Health(
    HealthStatus.DEGRADED,
    uptime_seconds=90,
    load_average_1m="9.1",
    cpu_utilization_percent=93,
    memory_utilization_percent=7,
    gpu_temperature_celsius=80,
    error_count_24h=3,
    last_error_message="processors: 93 % busy, above 90",
)


def test_what_changes_all_the_time_is_no_change() -> None:
    """Utilisation, load, temperature, latency, free storage, and degraded, which follows from them."""
    beat = heartbeat(health=LIVELY)
    measured = replace(beat.latency.measurements[0], latency_us=90_000)
    other = replace(
        beat,
        latency=replace(beat.latency, measurements=(measured,)),
        capacity=Capacity(storage_gb_total=100, storage_gb_available=49),
    )
    assert heartbeat_facts(body(beat=heartbeat())) == heartbeat_facts(body(beat=other, sequence=9))


@pytest.mark.parametrize(
    ("node", "beat", "silent"),
    [
        (NODE, None, False),
        (NODE, heartbeat(health=SICK), False),
        (replace(NODE, cpus_allocated=4), heartbeat(), False),
        (replace(NODE, gpus_lost=1), heartbeat(), False),
        (replace(NODE, slurm_state="IDLE"), heartbeat(), False),
        (replace(NODE, holds=frozenset({HoldSource.OPERATOR})), heartbeat(), False),
        (NODE, replace(heartbeat(), capacity=Capacity(storage_gb_total=99)), False),
    ],
)
def test_what_is_a_change(node: Node, beat: Heartbeat | None, silent: bool) -> None:
    assert heartbeat_facts(body(beat=heartbeat())) != heartbeat_facts(body(node, beat, silent=silent))


def test_the_identity_of_the_heartbeat_before() -> None:
    """It is kept where nothing is known of the agent, with nothing else of the old heartbeat."""
    before, plain = body(beat=heartbeat()), Any.FromString(body(sequence=8))
    message = messages.unpack(with_identity(plain, before))
    assert isinstance(message, MsgUpdateNodeMetadata)
    assert (message.agent_pubkey, message.hardware.cpu_model, message.locality.rack) == (
        KEY,
        "EPYC 7763",
        "r7",
    )
    assert (message.last_sequence_number, message.health.uptime_seconds) == (8, 0)
    assert with_identity(plain, body()) == plain
