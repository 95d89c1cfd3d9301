"""A batch that a site of two nodes can run."""

from provider_daemon.slurm.script import Batch

BATCH = Batch(
    name="ve-0123-JOB-1",
    partition="standard",
    account="provd",
    qos="",
    nodes=2,
    cpus_per_node=4,
    memory_gb_per_node=8,
    gpus_per_node=2,
    gpu_type="a100",
    wall_seconds=61,
    directory="/scratch/provd/ve-0123-JOB-1",
    working_directory="",
    environment=(),
    argv=("true",),
    prologue=("module purge",),
)
