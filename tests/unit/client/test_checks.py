"""What is not worth signing."""

from typing import Any

import pytest

from provider_daemon.chain.messages import SIGNER_FIELDS
from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2, types_pb2
from provider_daemon.client import checks
from provider_daemon.devnet.failures import ChainError
from provider_daemon.devnet.validate import validate
from tests.fakes.chain import ALICE, job

HPC = [kind for kind in SIGNER_FIELDS if kind.DESCRIPTOR.file is tx_pb2.DESCRIPTOR]


@pytest.mark.parametrize("kind", HPC, ids=lambda kind: kind.DESCRIPTOR.name)
def test_what_the_chain_refuses_is_refused_here(kind: type[Any]) -> None:
    """An empty message: whenever the chain's basic validation says no, so do we, before a signature."""
    empty = kind(**{SIGNER_FIELDS[kind]: ALICE.address})
    try:
        validate(empty)
    except ChainError:
        assert checks.problems(empty)


def made(kind: Any, **values: Any) -> Any:
    return kind(**values)


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        (job(), []),
        (job(max_runtime_seconds=59), ["max_runtime_seconds: must be at least 60"]),
        (
            job(workload_spec=types_pb2.JobWorkloadSpec(is_preconfigured=True)),
            ["workload_spec.preconfigured_workload_id: required"],
        ),
        (
            made(tx_pb2.MsgUpdateCluster, cluster_id="HPC-1", total_nodes=2, available_nodes=3),
            ["available_nodes: 3 exceeds"],
        ),
        (
            made(tx_pb2.MsgUpdateOffering, offering_id="OFF-1", max_runtime_seconds=59),
            ["max_runtime_seconds: must be at least 60, or omitted"],
        ),
        (
            made(tx_pb2.MsgUpdateOffering, offering_id="OFF-1", required_identity_threshold=101),
            ["required_identity_threshold: must be at most 100"],
        ),
        (
            made(tx_pb2.MsgUpdateOffering, offering_id="OFF-1", queue_options=[{"price_multiplier": "-1"}]),
            ["queue_options[0].partition_name", "queue_options[0].price"],
        ),
        (
            made(tx_pb2.MsgUpdateOffering, offering_id="OFF-1", pricing={"gpu_hour_price": "NaN"}),
            ["pricing.gpu_hour_price: invalid amount: 'NaN'"],
        ),
        (
            made(tx_pb2.MsgUpdateOffering, offering_id="OFF-1", preconfigured_workloads=[{}]),
            ["preconfigured_workloads[0].workload_id: missing"],
        ),
        (made(tx_pb2.MsgReportJobStatus, job_id="JOB-1", state="JOB_STATE_FAILED", exit_code=-1), []),
        (
            made(
                tx_pb2.MsgReportJobStatus,
                job_id="JOB-1",
                state="JOB_STATE_FAILED",
                usage_metrics={"gpu_seconds": -1},
            ),
            ["usage_metrics.gpu_seconds: must not be negative: -1"],
        ),
        (
            made(tx_pb2.MsgUpdateParams, params={"min_job_duration_seconds": 5}),
            [
                f"params.{name}"
                for name in (
                    "platform_fee_rate",
                    "provider_reward_rate",
                    "node_reward_rate",
                    "latency_weight_factor",
                    "capacity_weight_factor",
                    "min_job_duration_seconds",
                )
            ],
        ),
    ],
)
def test_problems(message: Any, wanted: list[str]) -> None:
    """Each line begins with the field."""
    found = checks.problems(message)
    assert len(found) == len(wanted), found
    for line, begin in zip(found, wanted, strict=True):
        assert line.startswith(begin)
