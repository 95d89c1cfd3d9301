"""The node agent's sampler counts the jobs of its own node on a real site, without asking SLURM."""

from collections.abc import Iterator
from itertools import count

import pytest

from provider_daemon.agent.sampling import Sample, Sampler, SampleSettings
from provider_daemon.lab.site.site import Site
from tests.contract.places import PATIENCE
from tests.waiting import until

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("real-slurm")]
MINUTE = 60.0


def samples(site: Site, node: str) -> Iterator[Sample]:
    """Yields samples that are a minute apart by the agent's clock, as fast as they are asked for."""
    layout = site.layout
    sampler = Sampler(
        SampleSettings(
            node_name=node,
            slurmd_spool=f"{layout.run}/spool/{node}",
            slurmd_port=layout.plan.node_ports[site.nodes.index(node)],
            munge_socket=str(layout.munge_socket),
        )
    )
    return (sampler.sample(number * MINUTE) for number in count())


async def running(jobs: tuple[str, ...], found: Iterator[Sample]) -> None:
    await until(f"jobs {jobs}", lambda: next(found).jobs.active_job_ids == jobs, PATIENCE)


async def test_a_node_counts_its_own_jobs(real_site: Site) -> None:
    """From the first step's start to the last one's end; the next node has none of them."""
    here, there = (samples(real_site, node) for node in real_site.nodes[:2])
    await running((), here)
    services = next(here).services
    assert (services.slurmd_running, services.munge_running) == (True, True)
    assert services.slurmd_version == real_site.version
    batch = ("sbatch", "--parsable", "-A", real_site.account, "-o", "/dev/null", "--wrap", "sleep 300")
    job = real_site.run(*batch, "-w", real_site.nodes[0]).stdout.strip()
    try:
        await running((job,), here)
        assert next(there).jobs.running_count == 0
    finally:
        real_site.run("scancel", job)
    await running((), here)
    assert next(here).jobs.completed_24h == 1
