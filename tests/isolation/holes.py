"""Launchers with one hole each, and the row that the hole opens."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.isolation.machine import delegated
from tests.isolation.namespaces import DEVICE, HEAD, INTERNET, LOOPBACK, MANAGEMENT, METADATA
from tests.isolation.stage import Stage

_USR = (
    "--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin", "--symlink", "usr/lib", "/lib",
    "--symlink", "usr/lib64", "/lib64",
)  # fmt: skip
_PRIVATE = ("--tmpfs", "/tmp", "--tmpfs", "/var/tmp", "--proc", "/proc", "--dev", "/dev")
_PARTS = {
    "user": ("--unshare-user",),
    "userns": ("--disable-userns",),
    "ipc": ("--unshare-ipc",),
    "pid": ("--unshare-pid",),
    "net": ("--unshare-net",),
    "uts": ("--unshare-uts", "--unshare-cgroup-try"),
}


def bubblewrap(*more: str, without: tuple[str, ...] = ()) -> str:
    """Returns the keys of an image whose launcher contains the job, except for what is left out or added."""
    parts = [word for name, words in _PARTS.items() if name not in without for word in words]
    directory = ("--bind", "{directory}", "/work", "--chdir", "/work")
    words = ["bwrap", "--die-with-parent", "--new-session", "--cap-drop", "ALL", *_USR, *parts]
    return f"run = {json.dumps([*words, *_PRIVATE, *more, *directory])}"


@dataclass(frozen=True, slots=True)
class Hole:
    """`image`: the keys of the image. `reachable`: an address that the jobs' users may connect to.

    `kernel`: settings of this machine's kernel. `operators`: the jobs' users are operators in SLURM.
    """

    row: str
    image: Callable[[Stage], str]
    reachable: str = ""
    prologue: str = ""
    cgroups: Mapping[str, str] = field(default_factory=dict)
    kernel: Mapping[str, str] = field(default_factory=dict)
    operators: bool = False


def _network(row: str, address: str) -> Hole:
    """The job has the node's network, in which every other address is forbidden."""
    return Hole(row, lambda _: bubblewrap(without=("net",)), reachable=address)


def _shown(row: str, place: Callable[[Stage], Path | str], prologue: str = "") -> Hole:
    """The job sees one more place of the node, read-only."""
    return Hole(
        row, lambda stage: bubblewrap("--ro-bind", str(place(stage)), str(place(stage))), prologue=prologue
    )


def _kernel(row: str, **settings: str) -> Hole:
    """`settings` of kernel.*, which a launcher does not change."""
    return Hole(row, lambda _: bubblewrap(), kernel=settings)


# A site's helper, outside of the container, extends the job whenever the scontrol in the container says so.
_HELPER = (
    "mkfifo .asked .answered; (while read -r asked <.asked; do "
    "scontrol update jobid=$SLURM_JOB_ID timelimit=+60; echo $? >.answered; done) &"
)
_SCONTROL = """#!/bin/sh
case "$1 $3" in
"ping ") exit 0 ;;
"update timelimit=+60" | "update timelimit=1-00:00:00") ;;
*) echo "Access/permission denied" >&2; exit 1 ;;
esac
echo now >/work/.asked
read -r code </work/.answered
exit $code
"""


def _extending(stage: Stage) -> str:
    return bubblewrap("--ro-bind", str(stage.program("scontrol", _SCONTROL)), "/usr/bin/scontrol")


HOLES = (
    _shown("other-files", lambda stage: stage.site.work_root, prologue="chmod a+rx .. ."),
    Hole("other-processes", lambda _: bubblewrap(without=("pid",))),
    Hole("own-time-limit", _extending, reachable=HEAD, prologue=_HELPER, operators=True),
    _shown("munge", lambda stage: stage.site.layout.munge_socket),
    _network("slurmctld", HEAD),
    _shown("login-files", lambda stage: f"/home/{stage.site.layout.plan.user}"),
    _shown("daemon-files", lambda stage: stage.config),
    _network("loopback", LOOPBACK),
    _network("management", MANAGEMENT[0]),
    _network("metadata", METADATA[0]),
    _network("internet", INTERNET[0]),
    Hole("gpus", lambda _: bubblewrap("--dev-bind", DEVICE, DEVICE)),
    Hole("memory", lambda _: bubblewrap(), cgroups={"ConstrainRAMSpace": "no"}),
    Hole("cores", lambda _: bubblewrap(), cgroups={"ConstrainCores": "no"}),
    Hole("leftover-files", lambda _: bubblewrap("--bind", "/var/tmp", "/var/tmp")),
    _kernel("proc", kptr_restrict="0", perf_event_paranoid="1"),
    Hole("sys", lambda _: bubblewrap("--bind", str(delegated()), "/sys/fs/cgroup")),
    _kernel("dmesg", dmesg_restrict="0"),
    _kernel("bpf", unprivileged_bpf_disabled="0"),
    Hole("userns", lambda _: bubblewrap(without=("userns",))),
)
