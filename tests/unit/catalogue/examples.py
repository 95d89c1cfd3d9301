"""A catalogue with an entry of everything."""

from provider_daemon.catalogue.document import (
    Availability,
    Catalogue,
    ImageTerms,
    LimitTerms,
    MaintenanceTerms,
    OfferingTerms,
    QueueTerms,
    QueueWait,
    TemplateTerms,
    fields,
)

CATALOGUE = Catalogue(
    chain_id="chain-1",
    cluster_id="HPC-1",
    provider="ve1provider",
    gateway="https://gateway.example.org",
    contact="hpc@example.org",
    terms="https://example.org/terms",
    software=("GROMACS 2024.2",),
    gpu_types=("a100", "nvidia-a100"),
    limits=LimitTerms(max_nodes=4, max_cpus_per_node=64),
    images=(ImageTerms("alpine:*"), ImageTerms("docker.io/library/*", "bubblewrap", network=False)),
    templates=(TemplateTerms("mpi", "MPI program", "1.2.0"),),
    offerings=(
        OfferingTerms(
            "OFF-1",
            "uvirt",
            minimum_charge="10000",
            workloads=("mpi",),
            queues=(QueueTerms("standard", 4, 86400, {"cpu_core_hour": "12000.5"}),),
        ),
    ),
    maintenance=(MaintenanceTerms(1_800_000_000, 1_800_014_400, 0, "new switches"),),
)
AVAILABILITY = Availability(
    cluster_id="HPC-1",
    as_of=1_790_000_000,
    nodes_usable=4,
    nodes_free=2,
    cpus_free=40,
    memory_gb_free=128,
    gpus_free={"a100": 6},
    waits=(QueueWait("standard", 12, 30, 600),),
)
PUBLISHED = {
    "catalogue": fields(CATALOGUE),
    "signature": "c2ln",
    "availability": fields(AVAILABILITY),
    "availability_signature": "c2ln",
    "public_key": "a2V5",
}
