"""The gas model against the figures that were measured on the chain."""

from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2
from provider_daemon.ports import TxOutcome
from tests.fakes.chain import ALICE, PROVIDER, TestChain, job, report

USED = types_pb2.HPCUsageMetrics(wall_clock_seconds=600, cpu_core_seconds=1200, memory_gb_seconds=2400, nodes_used=1)
SIGNATURE = "x" * 88


async def reported(chain: TestChain, *numbers: int) -> TxOutcome:
    reports = (report("queued", f"JOB-{number}", slurm_job_id="4711", usage_metrics=USED, signature=SIGNATURE) for number in numbers)
    return await chain.send(PROVIDER, *reports, gas_limit=10_000_000, fee=250_000)


async def submit(chain: TestChain, count: int, command: str = "true") -> None:
    spec = types_pb2.JobWorkloadSpec(container_image="docker.io/library/alpine:3", command=command)
    for _ in range(count):
        assert (await chain.send(ALICE, job(workload_spec=spec))).ok


async def test_one_report(chain: TestChain) -> None:
    """75,000 to 84,000."""
    await chain.open_shop()
    await submit(chain, 1)
    assert 75_000 <= (await reported(chain, 1)).gas_used <= 84_000


async def test_shared_transactions_are_cheaper(chain: TestChain) -> None:
    """Ten in one transaction are about 37,000 each."""
    await chain.open_shop()
    await submit(chain, 10)
    assert 33_000 <= (await reported(chain, *range(1, 11))).gas_used / 10 <= 41_000


async def test_a_long_command_makes_reports_dear(chain: TestChain) -> None:
    """About 36 gas for every byte of the stored job: 10 kB are 436,000."""
    await chain.open_shop()
    await submit(chain, 1, command="x" * 10_000)
    assert 420_000 <= (await reported(chain, 1)).gas_used <= 450_000


async def test_submissions_grow_with_the_jobs_ever_stored(chain: TestChain) -> None:
    """About 200,000, and 2,000 more for each."""
    await chain.open_shop()
    first, second = [(await chain.send(ALICE, job())).gas_used for _ in range(2)]
    assert 190_000 <= first <= 210_000
    assert 1_900 <= second - first <= 2_100
