"""Rules of jobs: transitions, cancelling, time limits."""

import pytest

from provider_daemon.chain import keyspace
from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2
from provider_daemon.devnet import bank
from provider_daemon.devnet.failures import ChainError
from provider_daemon.job.state import TERMINAL, TRANSITIONS, State, route
from tests.fakes.chain import ALICE, BOB, job, report
from tests.unit.devnet.pure import Module
from tests.unit.devnet.rules import heartbeat, refused


@pytest.mark.parametrize("before", list(State))
@pytest.mark.parametrize("after", list(State))
def test_transitions(shop: Module, before: State, after: State) -> None:
    """Exactly those of the table; every other report, the same state again included, is 2107."""
    shop.do(job(), *(report(step) for step in route(State.PENDING, before)))
    if after in TRANSITIONS[before]:
        shop.do(report(after))
        assert shop.record(keyspace.JOB, "JOB-1")["state"] == after
    else:
        assert refused(shop, report(after)) == ("hpc", 2107)


@pytest.mark.parametrize("state", [State.PENDING, State.QUEUED, State.RUNNING, *sorted(TERMINAL)])
def test_cancel(shop: Module, state: State) -> None:
    """Customer and provider can, at any time but after the end; a stranger cannot (2118)."""
    shop.do(job(), *(report(step) for step in route(State.PENDING, state)))
    assert refused(shop, tx_pb2.MsgCancelJob(requester_address=BOB.address, job_id="JOB-1")) == ("hpc", 2118)
    cancel = tx_pb2.MsgCancelJob(requester_address=ALICE.address, job_id="JOB-1")
    if state in TERMINAL:
        assert refused(shop, cancel) == ("hpc", 2107)
        return
    shop.do(cancel)
    assert shop.record(keyspace.JOB, "JOB-1")["state"] == "cancelled"
    assert refused(shop, report("completed")) == ("hpc", 2107)


def test_job_and_counter_stay_as_they_were_when_a_message_fails(shop: Module) -> None:
    """All or nothing: a good message before a bad one leaves no trace."""
    with pytest.raises(ChainError):
        shop.do(job(), job(offering_id="OFF-9"))
    assert not shop.raw(keyspace.JOB, "JOB-1")
    shop.do(job())
    assert shop.raw(keyspace.JOB, "JOB-1")


def test_time_limit_is_by_the_chains_own_start(shop: Module) -> None:
    """Exactly at the limit a job still runs; a moment later it is timed out, and a report comes too late."""
    shop.do(job(), report("queued"))
    shop.later(10_000).do(heartbeat())
    shop.do(report("running"))
    shop.later(600)
    assert shop.record(keyspace.JOB, "JOB-1")["state"] == "running"
    shop.later(0.001)
    assert shop.record(keyspace.JOB, "JOB-1")["state"] == "timeout"
    assert refused(shop, report("timeout")) == ("hpc", 2107)


def test_job_durations_are_parameters(shop: Module) -> None:
    """Below the least 2105, above the most 2119."""
    params = shop.context().params()
    params.min_job_duration_seconds, params.max_job_duration_seconds = 120, 600
    shop.do(tx_pb2.MsgUpdateParams(authority=bank.GOVERNANCE, params=params))
    assert refused(shop, job(max_runtime_seconds=119)) == ("hpc", 2105)
    assert refused(shop, job(max_runtime_seconds=601)) == ("hpc", 2119)
    shop.do(job(max_runtime_seconds=120))
