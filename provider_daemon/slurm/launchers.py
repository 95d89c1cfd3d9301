"""The built-in launchers: from the facts of a job to the words that start its program in a container. Pure.

Each launcher is a fixed bash program (launcher_scripts.py), which runs on every node of the job, with the
facts as its arguments. It adds what is known only there, such as the allocated GPUs, and becomes the
container runtime. After these words come the job's variables as NAME=VALUE, `--`, and the program.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from provider_daemon.errors import Refused
from provider_daemon.job.containment import Containment, Launcher
from provider_daemon.slurm.launcher_scripts import APPTAINER, BUBBLEWRAP, CHARLIECLOUD, PYXIS

WORK = "/work"  # where a contained job sees its directory
ROOT, SQUASHED = "rootfs", "image.sqsh"  # of an image in the cache: its root directory, or a file for pyxis
KIB_PER_GB = 2**20

PROGRAMS = {
    Launcher.APPTAINER: "apptainer",
    Launcher.CHARLIECLOUD: "ch-run",
    Launcher.BUBBLEWRAP: "bwrap",
    Launcher.PYXIS: "srun",
}
"""launcher -> the program that it needs on every node"""

_SCRIPTS = {
    Launcher.APPTAINER: APPTAINER,
    Launcher.CHARLIECLOUD: CHARLIECLOUD,
    Launcher.BUBBLEWRAP: BUBBLEWRAP,
    Launcher.PYXIS: PYXIS,
}


def needed(launcher: str, run: Sequence[str]) -> str:
    """Returns the program that starts images on a node; "" if their programs run natively."""
    return PROGRAMS[Launcher(launcher)] if launcher else next(iter(run), "")


@dataclass(frozen=True, slots=True)
class LaunchFacts:
    """`directory`: the job's own, the only one of the site's that it can write.

    `image`: the image's directory in the cache, "" for a native program. `working_directory`: below the
    job's, as `script.relative` returns it. `inputs`: the directory has `inputs`, which the job can only read.
    `wrapper`: what starts the tasks of the job; () for a single one.
    """

    directory: str
    image: str = ""
    working_directory: str = "./"
    inputs: bool = False
    wrapper: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Launch:
    """The words in front of the program: what starts the tasks, and the launcher of each."""

    wrapper: tuple[str, ...]
    launcher: tuple[str, ...]


def launch(containment: Containment, facts: LaunchFacts) -> Launch:
    """Raises Refused if the launcher cannot start the job's tasks, or the image is not there."""
    if containment.needs_image and not facts.image:
        raise Refused("the image is not in the site's cache")
    root = SQUASHED if containment.launcher is Launcher.PYXIS else ROOT
    words = (
        "/bin/bash",
        "-c",
        _SCRIPTS[containment.launcher],
        f"provd-{containment.launcher}",
        facts.directory,
        f"{facts.image}/{root}" if facts.image else "",
        str(PurePosixPath(WORK, facts.working_directory)),
        "network" if containment.network else "",
        str(containment.max_processes),
        str(containment.max_file_gb * KIB_PER_GB or "unlimited"),
        "inputs" if facts.inputs else "",
    )
    if containment.launcher is not Launcher.PYXIS:
        return Launch(facts.wrapper, words)
    return Launch((), (*words, *_tasks(facts.wrapper)))


def _tasks(wrapper: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the options of the one srun that starts tasks and containers, behind their number."""
    if wrapper and wrapper[0] != "srun":
        raise Refused(
            f"this site runs images with srun and pyxis, which {wrapper[0]} cannot start: use a template "
            "that starts its tasks with srun"
        )
    return (str(len(wrapper[1:])), *wrapper[1:]) if wrapper else ("1", "--ntasks=1")
