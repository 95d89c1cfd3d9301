"""Messages as JSON, and requests out of query strings, without a server."""

import pytest
from google.protobuf.any_pb2 import Any as AnyMessage

from provider_daemon.chain.gateway_json import render
from provider_daemon.chain.proto.cosmos.tx.v1beta1.tx_pb2 import ModeInfo
from provider_daemon.chain.proto.virtengine.hpc.v1 import query_pb2
from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2 as t
from provider_daemon.devnet.rest import read

JOBS = query_pb2.QueryJobsRequest.DESCRIPTOR


def test_an_unknown_type_keeps_its_bytes() -> None:
    """And so do bytes that are not of the type that they say."""
    assert render(AnyMessage(type_url="/other.Msg", value=b"\1\2")) == {
        "@type": "/other.Msg",
        "value": "AQI=",
    }
    broken = AnyMessage(type_url="/virtengine.hpc.v1.MsgCancelJob", value=b"\xff")
    assert render(broken) == {"@type": "/virtengine.hpc.v1.MsgCancelJob", "value": "/w=="}


def test_a_oneof_shows_what_is_set() -> None:
    assert render(ModeInfo()) == {}
    assert render(ModeInfo(single=ModeInfo.Single())) == {"single": {"mode": "SIGN_MODE_UNSPECIFIED"}}


def test_words_that_are_not_known_stay_numbers() -> None:
    """A newer chain's."""
    job = t.HPCJob.FromString(
        t.HPCJob(state=t.JOB_STATE_QUEUED).SerializeToString().replace(b"\x02", b"\x63")
    )
    assert render(job)["state"] == 99


def test_maps_are_objects() -> None:
    """Sorted."""
    spec = t.JobWorkloadSpec(environment={"B": "2", "A": "1"})
    assert list(render(spec)["environment"].items()) == [("A", "1"), ("B", "2")]


def test_the_path_wins() -> None:
    """Over the query string."""
    kind = query_pb2.QueryJobRequest.DESCRIPTOR
    assert read.from_query(kind, {"job_id": "JOB-1"}, [("job_id", "JOB-2")]) == query_pb2.QueryJobRequest(
        job_id="JOB-1"
    )


@pytest.mark.parametrize("name", ["nothing", "pagination", "state.x", "nothing.at.all", ""])
def test_what_leads_nowhere_is_passed_over(name: str) -> None:
    assert read.from_query(JOBS, {}, [(name, "1")]) == query_pb2.QueryJobsRequest()


@pytest.mark.parametrize("body", ["5", "not json", '{"tx_bytes": 5}'])
def test_bodies_that_are_none(body: str) -> None:
    from provider_daemon.chain.proto.cosmos.tx.v1beta1.service_pb2 import BroadcastTxRequest

    with pytest.raises(ValueError, match="body cannot be read"):
        read.from_body(BroadcastTxRequest.DESCRIPTOR, body)
