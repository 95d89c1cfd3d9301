"""Store records, byte for byte."""

import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provider_daemon.chain import codec
from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2
from provider_daemon.errors import Unreadable

SAMPLES = [
    json.loads(line)
    for line in (Path(__file__).parents[2] / "fixtures/chain/samples.jsonl").read_text().splitlines()
]
TYPES: dict[str, type[Message]] = {
    "job": types_pb2.HPCJob,
    "cluster": types_pb2.HPCCluster,
    "offering": types_pb2.HPCOffering,
    "node": types_pb2.NodeMetadata,
    "dispute": types_pb2.HPCDispute,
}


# Every record that the module stores.
RECORDS: list[type[Message]] = [
    types_pb2.HPCJob,
    types_pb2.HPCCluster,
    types_pb2.HPCOffering,
    types_pb2.NodeMetadata,
    types_pb2.HPCDispute,
    types_pb2.JobAccounting,
    types_pb2.SchedulingDecision,
    types_pb2.SchedulingMetrics,
    types_pb2.HPCRewardRecord,
    types_pb2.Params,
]


@st.composite
def filled(draw: st.DrawFn, message_type: type[Message], whole: bool) -> Message:
    """Any message of the type; unless `whole`, parts of it may be missing."""
    message = message_type()
    for field in message.DESCRIPTOR.fields:
        _draw_field(draw, message, field, whole)
    return message


def _draw_field(draw: st.DrawFn, message: Message, field: Any, whole: bool) -> None:
    if field.message_type and field.message_type.GetOptions().map_entry:
        getattr(message, field.name).update(
            draw(st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2))
        )
    elif field.message_type and field.is_repeated:
        getattr(message, field.name).extend(draw(st.lists(_part(field, whole), max_size=2)))
    elif field.message_type:
        if whole or draw(st.booleans()):
            getattr(message, field.name).CopyFrom(draw(_part(field, whole)))
    elif field.is_repeated:
        getattr(message, field.name).extend(draw(st.lists(_scalar(field), max_size=2)))
    else:
        setattr(message, field.name, draw(_scalar(field)))


def _part(field: Any, whole: bool) -> st.SearchStrategy[Message]:
    if field.message_type.full_name == "google.protobuf.Timestamp":
        return st.builds(Timestamp, seconds=st.integers(0, 4_000_000_000), nanos=st.integers(0, 999_999_999))
    return filled(GetMessageClass(field.message_type), whole)


def _scalar(field: Any) -> st.SearchStrategy[object]:
    if field.enum_type:
        return st.sampled_from([value.number for value in field.enum_type.values])
    kinds: dict[int, st.SearchStrategy[object]] = {
        FieldDescriptor.CPPTYPE_STRING: st.text(max_size=5),
        FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
        FieldDescriptor.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1),
        FieldDescriptor.CPPTYPE_INT64: st.integers(-(2**63), 2**63 - 1),
        FieldDescriptor.CPPTYPE_UINT32: st.integers(0, 2**32 - 1),
        FieldDescriptor.CPPTYPE_UINT64: st.integers(0, 2**64 - 1),
    }
    return kinds[field.cpp_type]


@pytest.mark.parametrize("record_type", RECORDS, ids=lambda record_type: record_type.DESCRIPTOR.name)
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(data=st.data())
def test_every_record_round_trips(record_type: type[Message], data: st.DataObject) -> None:
    """What was written reads back as what it was."""
    message = data.draw(filled(record_type, whole=True))
    assert codec.decode(record_type, codec.encode(message)) == message


@pytest.mark.parametrize("record_type", RECORDS, ids=lambda record_type: record_type.DESCRIPTOR.name)
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(data=st.data())
def test_every_record_is_written_the_same_again(record_type: type[Message], data: st.DataObject) -> None:
    """Reading a record and writing it again gives the same bytes, whatever parts it lacks."""
    stored = codec.encode(data.draw(filled(record_type, whole=False)))
    assert codec.encode(codec.decode(record_type, stored)) == stored


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
    assert (
        list(codec.decode(types_pb2.HPCCluster, b'{"cluster_id":"HPC-1","partitions":null}').partitions) == []
    )


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"[]",
        b'{"state":"wobbly"}',
        b'{"created_at":"yesterday"}',
        b'{"block_height":"x"}',
        b'{"workload_spec":{"arguments":"-s"}}',
        b'{"workload_spec":[]}',
        b'{"exit_code":1.5}',
        b'{"exit_code":18446744073709551616}',
        b'{"workload_spec":{"is_preconfigured":18446744073709551616}}',
        b'{"workload_spec":{"command":"\\ud800"}}',
        b'{"workload_spec":{"environment":{"A":1}}}',
        b'{"state":"\\ud800"}',
        b'{"created_at":"\xef\xbc\x92\xef\xbc\x90\xef\xbc\x92\xef\xbc\x96-01-01T00:00:00Z"}',
        b'{"block_height":NaN}',
        b"[" * 100_000,
        b'{"job_id":' * 100_000,
        b'{"job_id":"\xff"}',
    ],
)
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


def test_zeros_as_go_writes_them() -> None:
    """A struct or time that is not optional is written with its zeros when it was never set; an optional one
    is left out."""
    record = json.loads(codec.encode(types_pb2.HPCJob(job_id="JOB-1")))
    assert record["created_at"] == "0001-01-01T00:00:00Z"
    assert record["resources"] == {
        "nodes": 0,
        "cpu_cores_per_node": 0,
        "memory_gb_per_node": 0,
        "storage_gb": 0,
    }
    assert "started_at" not in record
    assert record["agreed_price"] == []


def test_a_word_that_was_never_set() -> None:
    """Go's empty word for a state is no error: it is the state that says nothing."""
    node = codec.decode(types_pb2.NodeMetadata, b'{"node_id":"n1","health_status":""}')
    assert node.health_status == types_pb2.HEALTH_STATUS_UNSPECIFIED


def test_a_number_that_has_no_word() -> None:
    """A state of a newer chain is not written under some other name."""
    with pytest.raises(Unreadable, match="99 of JobState"):
        codec.encode(types_pb2.HPCJob(state=99))  # type: ignore[arg-type]
