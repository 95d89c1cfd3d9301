"""No word of a customer is an option of a launcher: in commands, arguments, images and template
parameters."""

from dataclasses import replace

import pytest

from provider_daemon.config.launchers import launcher_problem
from provider_daemon.errors import Refused
from provider_daemon.job.admission import (
    Image,
    Inadmissible,
    PreconfiguredWorkload,
    QueueOption,
    SitePolicy,
    Terms,
    admit,
)
from provider_daemon.job.spec import Workload
from provider_daemon.job.words import unsafe_word
from provider_daemon.slurm.script import render
from tests.unit.job.jobs import SPEC
from tests.unit.slurm.batches import BATCH

TERMS = Terms(queues=(QueueOption(SPEC.queue),))
OPTIONS = ("--bind", "-", "--", "--output=/scratch/neighbour/output.txt", "-c", "--container-mounts=/:/host")
LAUNCHERS = {
    "bwrap": ("bwrap", "--unshare-all", "--ro-bind", "/usr", "/usr"),
    "srun": ("srun", "--ntasks=1"),
    "pyxis": ("srun", "--container-image={image}"),
    "apptainer": ("apptainer", "exec", "docker://{image}"),
    "charliecloud": ("ch-run", "{image}", "--"),
    "shell": ("sh", "-c", 'exec "$@"', "sh"),
    "native": (),
}


@pytest.mark.parametrize("word", OPTIONS)
@pytest.mark.parametrize("launcher", LAUNCHERS.values(), ids=LAUNCHERS)
def test_a_command_is_never_an_option(word: str, launcher: tuple[str, ...]) -> None:
    """Refused at intake with a sentence for the customer, and by the script for jobs of an older ledger."""
    workload = Workload(image="alpine:3", command=word, arguments=("/etc/passwd",))
    refused = "without '='|cannot begin with '-'"
    with pytest.raises(Inadmissible, match=refused):
        admit(replace(SPEC, workload=workload), TERMS, SitePolicy(images=(Image("alpine:*", launcher),)))
    with pytest.raises(Refused, match=refused):
        render(replace(BATCH, argv=(word, "x"), launcher=launcher))


def test_a_colon_begins_no_second_program() -> None:
    """`srun a : --output=x b` and `mpirun a : -n 2 b` read options behind it; natively it is an argument like
    any other."""
    argv = ("expr", "abc", ":", "--output=/scratch/neighbour/output.txt")
    assert "':'" in unsafe_word(argv, launched=True)
    assert unsafe_word(argv, launched=False) == ""
    for change in ({"launcher": ("srun",)}, {"wrapper": ("mpirun", "-n", "2")}):
        with pytest.raises(Refused, match="':'"):
            render(replace(BATCH, argv=argv, **change))
    assert "':'" in render(replace(BATCH, argv=argv))


def test_an_offerings_own_command_may_be_a_launcher() -> None:
    """`mpirun hello` with a customer's arguments behind it: no second program either."""
    terms = replace(TERMS, preconfigured=(PreconfiguredWorkload("hello", "alpine:3", ("mpirun", "hello")),))
    workload = Workload(
        is_preconfigured=True, preconfigured_id="hello", arguments=(":", "--output", "x", "sh")
    )
    with pytest.raises(Inadmissible, match="':'"):
        admit(replace(SPEC, workload=workload), terms, SitePolicy(images=(Image("alpine:*"),)))


def test_arguments_behind_the_program_are_data() -> None:
    """Whatever they look like."""
    argv = ("tool", "-c", "--", "--bind", "/", "a:b", "::")
    assert unsafe_word(argv, launched=True) == ""
    assert "'tool' '-c' '--' '--bind' '/' 'a:b' '::'" in render(
        replace(BATCH, argv=argv, launcher=("bwrap",))
    )


@pytest.mark.parametrize("image", ["--writable", "-", ":", "a\nb", "x/../../y"])
def test_an_image_is_never_an_option(image: str) -> None:
    """Nor a separator, nor a way out of the place that a pattern names."""
    site = SitePolicy(images=(Image("*", ("ch-run", "{image}", "--")),))
    with pytest.raises(Inadmissible, match="not allowed on this site"):
        admit(replace(SPEC, workload=Workload(image=image, command="true")), TERMS, site)


@pytest.mark.parametrize(
    ("run", "problem"),
    [
        (("sh", "-c"), "shell script"),
        (("bwrap", "--unshare-all", "bash", "-lc"), "shell script"),
        (("sh", "-c", "apptainer exec {image} true"), "inside a shell script"),
        (("env", "-S"), "shell script"),
        (("ssh", "node"), "to a shell"),
        (("srun", "--multi-prog"), "--multi-prog"),
        (("ch-run", "{image}"), "as the last word"),
        (("srun", "/usr/bin/ch-run", "--bind", "{directory}:/mnt/0", "{image}"), "as the last word"),
        *((launcher, "") for launcher in LAUNCHERS.values()),
        (("apptainer", "exec", "-c", "-e", "docker://{image}"), ""),
    ],
)
def test_launchers_that_read_words_again(run: tuple[str, ...], problem: str) -> None:
    """provd.toml with one of these is refused: there a customer's words would be commands."""
    found = launcher_problem(run)
    assert (problem in found) if problem else not found
