"""The published daemon's form of a heartbeat, and the vector that its own code gives."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from provider_daemon.node_protocol import answer, published, signature
from provider_daemon.node_protocol.answer import Answer
from provider_daemon.node_protocol.published import signed_form
from provider_daemon.nodes.report import (
    Capacity,
    Health,
    HealthStatus,
    Heartbeat,
    JobCounts,
    Latency,
    LatencyMeasurement,
    Services,
)

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="
TEXT = (
    b'{"node_id":"HPC-1.c1","cluster_id":"HPC-1","sequence_number":1,"timestamp":"2026-01-30T14:05:00.5Z",'
    b'"agent_version":"0.1.0","capacity":{"cpu_cores_total":64,"cpu_cores_available":32,"memory_gb_total":256,'
    b'"memory_gb_available":128,"gpus_total":0,"gpus_available":0,"storage_gb_total":100,'
    b'"storage_gb_available":50},"health":{"status":"healthy","uptime_seconds":60,'
    b'"load_average_1m":"0.500000","cpu_utilization_percent":5,"memory_utilization_percent":50,'
    b'"slurm_state":"idle"},"latency":{"avg_cluster_latency_us":0},"jobs":{"running_count":0,'
    b'"pending_count":0},"services":{"slurmd_running":true}}'
)
SIGNATURE = "NhRTFRpQFItGwsKihILlx9dOePyuLfGqT3eneaEdOwG/5wVHDFiUMDOdlR93Ru4zXP4qsU7K7DvOrCulX90dAw=="
BEAT = Heartbeat(
    node_id="HPC-1.c1",
    cluster_id="HPC-1",
    sequence_number=1,
    timestamp="2026-01-30T14:05:00.5Z",
    agent_version="0.1.0",
    capacity=Capacity(
        cpu_cores_total=64,
        cpu_cores_available=32,
        memory_gb_total=256,
        memory_gb_available=128,
        storage_gb_total=100,
        storage_gb_available=50,
    ),
    health=Health(
        status=HealthStatus.HEALTHY,
        uptime_seconds=60,
        load_average_1m="0.500000",
        load_average_5m="0.400000",
        cpu_utilization_percent=5,
        memory_utilization_percent=50,
        disk_io_utilization_percent=7,
        slurm_state="idle",
    ),
    services=Services(slurmd_running=True, munge_running=True),
)


def test_the_vector() -> None:
    """Form, public key and signature are those that the published code computes from the same heartbeat."""
    assert base64.b64encode(KEY.public_key().public_bytes_raw()).decode() == PUBLIC
    assert signed_form(BEAT) == TEXT
    assert len(TEXT) == 593
    assert signature.sign(KEY, signed_form(BEAT)) == SIGNATURE
    assert signature.verify(PUBLIC, TEXT, SIGNATURE)


@pytest.mark.parametrize(
    ("text", "signed"),
    [
        ("a<b", b"a\\u003cb"),
        ("a>b", b"a\\u003eb"),
        ("a&b", b"a\\u0026b"),
        ("\u2028", b"\\u2028"),
        ("é", "é".encode()),
    ],
)
def test_strings_are_escaped_as_go_does(text: str, signed: bytes) -> None:
    """Go's encoder escapes what is special in HTML, and nothing else beyond JSON."""
    beat = Heartbeat(text, "c", 1, "t", "v", Capacity(), Health(HealthStatus.HEALTHY))
    assert b'{"node_id":"' + signed + b'"' in signed_form(beat)


def test_what_is_there_and_what_is_left_out() -> None:
    """Allocated numbers and measurements are there if they are not empty; loss, munge and ids never are."""
    beat = Heartbeat(
        "n",
        "c",
        1,
        "t",
        "v",
        Capacity(gpus_total=2, gpus_allocated=1, gpu_type="a100"),
        Health(HealthStatus.DEGRADED),
        Latency((LatencyMeasurement("m", 210, 5, "2026-01-30T14:05:00Z"),), avg_cluster_latency_us=210),
        JobCounts(1, 0, 7, 1, ("5",)),
        Services(munge_running=True, container_runtime="apptainer", container_runtime_version="1.3"),
    )
    assert b'"gpus_total":2,"gpus_available":0,"gpus_allocated":1,"gpu_type":"a100"' in signed_form(beat)
    assert b'"measurements":[{"target_node_id":"m","latency_us":210,"measured_at":' in signed_form(beat)
    for absent in (b"packet_loss", b"munge", b"completed_24h", b"active_job_ids", b"runtime_version"):
        assert absent not in signed_form(beat)


def test_the_answer_to_the_published_agent() -> None:
    """Its parser takes no number for a time, and our agent's parser takes both."""
    text = published.answer(Answer(True, 7, 1769781900, 15))
    assert b'"timestamp":"2026-01-30T14:05:00Z"' in text
    assert answer.read(text) == Answer(True, 7, 0, 15)
