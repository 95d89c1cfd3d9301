"""A chain job that names a workload template."""

from dataclasses import replace
from functools import partial

from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2, types_pb2
from provider_daemon.loops.advance import Advance
from provider_daemon.loops.intake import Intake
from provider_daemon.template.library import shipped
from provider_daemon.template.program import program_of
from tests.fakes.chain import ALICE, PROVIDER, job
from tests.unit.loops.conftest import TENANCY, House


def order(*arguments: str) -> tx_pb2.MsgSubmitJob:
    return job(
        workload_spec=types_pb2.JobWorkloadSpec(
            is_preconfigured=True, preconfigured_workload_id="mpi-standard", arguments=arguments
        ),
        resources=types_pb2.JobResources(nodes=2, cpu_cores_per_node=2, memory_gb_per_node=4),
    )


async def test_a_template_runs_what_the_offering_lists(house: House) -> None:
    """By the site's template rather than by the offering's own command; bad parameters fail with a reason,
    and nothing runs."""
    site = replace(TENANCY.site, templates={"mpi-standard": partial(program_of, shipped()["mpi-standard"])})
    served = replace(TENANCY, site=site)
    house.intake = Intake(
        house.ledger, house.chain.client, {"HPC-1": served}, house.chain.clock, lambda: None
    )
    house.advance = Advance(house.ledger, house.scheduler, served, house.chain.clock, lambda: None)
    listed = types_pb2.PreconfiguredWorkload(
        workload_id="mpi-standard", name="MPI", default_command="of-the-offering"
    )
    update = tx_pb2.MsgUpdateOffering(
        provider_address=PROVIDER.address, offering_id="OFF-1", active=True, preconfigured_workloads=[listed]
    )
    assert (await house.chain.send(PROVIDER, update)).ok
    assert (await house.chain.send(ALICE, order("program=./solver"), order("program=$(id)"))).ok
    await house.intake.tick()
    await house.advance.tick()
    (sent,) = house.scheduler.orders
    assert sent.script.endswith("'env' 'OMP_NUM_THREADS=1' 'srun' '--ntasks' '4' './solver'\n")
    assert "#SBATCH --ntasks-per-node=2" in sent.script
    await house.report()
    assert await house.state("JOB-1") == "queued"
    assert await house.state("JOB-2") == "failed"
