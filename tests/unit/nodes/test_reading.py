"""What an agent sends is what the collector reads, and nothing outside of the limits."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.errors import Unreadable
from provider_daemon.nodes import reading
from provider_daemon.nodes.report import Heartbeat
from provider_daemon.nodes.writing import encode

LEAST: dict[str, Any] = {
    "node_id": "alpha.c1",
    "cluster_id": "HPC-1",
    "sequence_number": 1,
    "timestamp": "2026-01-30T14:05:00Z",
    "agent_version": "0.1.0",
    "capacity": {},
    "health": {"status": "healthy"},
}


@given(st.from_type(Heartbeat))
def test_a_heartbeat_is_read_as_it_was_written(beat: Heartbeat) -> None:
    """Every value within the limits survives the wire."""
    assert reading.heartbeat(encode(beat)) == beat


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ({"sequence_number": 0}, "sequence_number"),
        ({"sequence_number": 2**63}, "sequence_number"),
        ({"health": {"status": "fine"}}, "health.status"),
        ({"health": {"status": "healthy", "cpu_utilization_percent": 101}}, "health.cpu_utilization_percent"),
        ({"capacity": {"gpus_total": -1}}, "capacity.gpus_total"),
        ({"node_id": "x" * 129}, "node_id"),
        ({"gpus": [{"index": 0, "state": "gone"}]}, "gpus.0.state"),
        ({"gpus": [{"index": 0, "state": "ok"}] * 65}, "gpus"),
        ({"capacity": None}, "capacity"),
    ],
)
def test_a_value_outside_of_its_limits_is_unreadable(changed: dict[str, Any], where: str) -> None:
    """The error names the field."""
    assert reading.heartbeat(json.dumps(LEAST).encode()).node_id == "alpha.c1"
    with pytest.raises(Unreadable, match=f"^{where}: "):
        reading.heartbeat(json.dumps(LEAST | changed).encode())


@pytest.mark.parametrize("data", [b"", b"[]", b"null", b"{", b"\xff"])
def test_what_is_no_heartbeat(data: bytes) -> None:
    """Anything but an object with the fields that a heartbeat must have."""
    with pytest.raises(Unreadable):
        reading.heartbeat(data)


def test_a_field_of_a_later_version_is_ignored() -> None:
    """An agent may be newer than the collector."""
    assert reading.heartbeat(json.dumps(LEAST | {"mood": "good"}).encode()).node_id == "alpha.c1"
