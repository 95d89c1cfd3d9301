"""What intake refuses, and the sentence that the customer reads."""

from dataclasses import replace

import pytest

from provider_daemon.job.admission import (
    Image,
    Inadmissible,
    Limits,
    PreconfiguredWorkload,
    QueueOption,
    SitePolicy,
    Terms,
    admit,
)
from provider_daemon.job.spec import Resources, Workload
from tests.unit.job.jobs import SPEC

TERMS = Terms(
    queues=(QueueOption("cpu", max_nodes=4, max_runtime=3600),),
    preconfigured=(PreconfiguredWorkload("mpi-hello", "alpine:3", ("mpirun", "hello")),),
)
SITE = SitePolicy(
    images=(Image("alpine:*", ("runner", "{image}")),), limits=Limits(max_gpus_per_node=2), nodes=3
)


def test_admitted() -> None:
    """A fitting job gets its image's launcher and the argument vector, untouched."""
    program = admit(SPEC, TERMS, SITE)
    assert (program.image, program.launcher, program.argv) == (
        "alpine:3",
        ("runner", "{image}"),
        ("hostname", "-s"),
    )


def test_preconfigured() -> None:
    """A preconfigured workload brings image and command; the customer's arguments follow."""
    workload = Workload(is_preconfigured=True, preconfigured_id="mpi-hello", arguments=("-v",))
    assert admit(replace(SPEC, workload=workload), TERMS, SITE).argv == ("mpirun", "hello", "-v")


@pytest.mark.parametrize(
    "image",
    [
        "/images/../scratch/mine.sif",
        "/images/..",
        "--bind=/:/mnt.sif",
        "-B/:/mnt/x.sif",
        "/images/a/../../x.sif",
        "../x.sif",
    ],
)
def test_no_image_leads_around_its_pattern(image: str) -> None:
    """A `*` fits slashes and dots too: no path leads out of the place that it stands for, and no image is an
    option of the launcher."""
    site = replace(
        SITE,
        images=(
            Image("/images/*", ("run", "{image}")),
            Image("*.sif", ("run", "{image}")),
            Image("*", ("run", "{image}")),
        ),
    )
    assert admit(replace(SPEC, workload=Workload(image="/images/a..b/x.sif", command="x")), TERMS, site)
    with pytest.raises(Inadmissible, match="not allowed on this site"):
        admit(replace(SPEC, workload=Workload(image=image, command="x")), TERMS, site)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"queue": "gpu"}, "unknown queue 'gpu': this offering has cpu"),
        ({"resources": Resources(nodes=5)}, "5 nodes requested, queue 'cpu' allows 4"),
        ({"resources": Resources(nodes=4)}, "4 nodes requested, the cluster has 3"),
        ({"resources": Resources(nodes=1, gpus_per_node=3)}, "3 GPUs per node requested, this site allows 2"),
        ({"max_runtime_seconds": 7200}, "7200 s of run time requested, queue 'cpu' allows 3600 s"),
        ({"workload": Workload(image="evil", command="x")}, "image 'evil' is not allowed on this site"),
        ({"workload": Workload(image="alpine:3")}, "no command: set"),
        (
            {"workload": Workload(is_preconfigured=True, preconfigured_id="x")},
            "unknown preconfigured workload 'x'",
        ),
        ({"resources": Resources(nodes=0)}, "at least one node"),
    ],
)
def test_refused(change: dict[str, object], sentence: str) -> None:
    """Everything that the chain accepts and the site cannot run is refused with its reason."""
    with pytest.raises(Inadmissible, match=sentence.replace("(", r"\(")):
        admit(replace(SPEC, **change), TERMS, SITE)  # type: ignore[arg-type]
