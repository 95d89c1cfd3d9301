"""Store records, byte for byte."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.chain import codec
from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2
from provider_daemon.errors import Unreadable

SAMPLES = [json.loads(line) for line in (Path(__file__).parents[2] / "fixtures/chain/samples.jsonl").read_text().splitlines()]
TYPES = {
    "job": types_pb2.HPCJob,
    "cluster": types_pb2.HPCCluster,
    "offering": types_pb2.HPCOffering,
    "node": types_pb2.NodeMetadata,
    "dispute": types_pb2.HPCDispute,
}


@pytest.mark.parametrize("sample", SAMPLES, ids=[sample["kind"] for sample in SAMPLES])
def test_sample_round_trip(sample: dict) -> None:  # type: ignore[type-arg]
    """A record seen on the running chain decodes into its message and encodes back into the same bytes."""
    stored = codec.dumps(sample["value"])
    message = codec.decode(TYPES[sample["kind"]], stored)
    extras = {name: sample["value"][name] for name in codec.EXTRAS.get(message.DESCRIPTOR.name, {})}
    assert codec.encode(message, extras) == stored


def test_go_escapes() -> None:
    """Go's encoder escapes <, > and &, and nothing else that JSON does not ask for."""
    assert codec.dumps({"a": "<b> & ü"}) == '{"a":"\\u003cb\\u003e \\u0026 ü"}'.encode()


def test_null_partitions() -> None:
    """A cluster without partitions holds null."""
    assert list(codec.decode(types_pb2.HPCCluster, b'{"cluster_id":"HPC-1","partitions":null}').partitions) == []


@pytest.mark.parametrize("value", [b"", b"[]", b'{"state":"wobbly"}', b'{"created_at":"yesterday"}', b'{"block_height":"x"}'])
def test_unreadable(value: bytes) -> None:
    """What does not fit raises, and is never read as an empty record."""
    with pytest.raises(Unreadable):
        codec.decode(types_pb2.HPCJob, value)


@given(st.integers(0, 4_000_000_000 * 10**9))
def test_times(nanoseconds: int) -> None:
    """Times keep their nanoseconds."""
    text = codec.format_time(nanoseconds)
    message = codec.decode(types_pb2.HPCJob, codec.dumps({"created_at": text}))
    assert message.created_at.seconds * 10**9 + message.created_at.nanos == nanoseconds
