"""Audits a private SLURM site as two hostile customers: contained, natively, and with one hole at a time.

    python -m tests.isolation.run [--only NAME]... [--short]

It prints one row per audit, and exits with 0 only if each found exactly what is open. It needs root: the
metadata address, the management network and the internet of the probes are in namespaces of this run.
"""

import contextlib
import os
import sys
from functools import partial

from provider_daemon.demo.sites import POOL
from provider_daemon.site_audit.rows import ROWS
from tests.cases import Case, Run
from tests.expect import same
from tests.isolation import machine, namespaces
from tests.isolation.demo_site import demo_site
from tests.isolation.holes import HOLES, Hole
from tests.isolation.stage import BUILT_IN, FORBIDDEN, NATIVE, Result, Stage, staged

# What one Unix user's native jobs can reach on this site; cgroups still limit cores, memory and processes.
SHARED_NATIVE = frozenset(
    {
        "other-files", "other-processes", "other-job-cancel", "other-job-rename", "other-job-update",
        "job-submission", "munge", "slurmctld", "login-files", "daemon-files", "loopback", "management",
        "metadata", "internet", "gpus", "leftover-files", "setuid", "userns",
    }
)  # fmt: skip
# A Unix user for each customer closes the other's files and SLURM jobs.
POOL_NATIVE = SHARED_NATIVE - {"other-files", "other-job-cancel", "other-job-rename", "other-job-update"}
# The demo's site has no cgroups. Where a Unix user serves one customer, the batch script of a native job ends
# its processes and removes its files.
DEMO = POOL_NATIVE - {"leftover-files"} | {"memory", "cores"}
DEMO_SHARED = SHARED_NATIVE | {"memory", "cores", "leftover-processes"}


async def contained(stage: Stage) -> str:
    """Every row is closed."""
    stage.configure(BUILT_IN)
    result = await stage.audit()
    _show(result)
    same("what is not closed", _not_closed(result), {})
    same("the exit status", result.exit_code, 0)
    return f"{len(result.rows)} of {len(ROWS)} rows are closed"


async def native(expected: frozenset[str], stage: Stage, *, shared: bool = False) -> str:
    """Without a launcher and without rules for the network: what is open is found open."""
    stage.forbid()
    try:
        stage.configure(NATIVE, shared=shared)
        return await _audited(expected, stage)
    finally:
        stage.forbid(*FORBIDDEN)


async def demo(expected: frozenset[str], pool: int, stage: Stage) -> str:
    """The demo runs jobs natively: as a Unix user of each customer if root runs it."""
    async with demo_site(stage, pool) as shown:
        return await _audited(expected, shown)


async def _audited(expected: frozenset[str], stage: Stage) -> str:
    result = await stage.audit()
    _show(result)
    same("the open rows", set(result.named("open")), expected)
    same("the rows that were not tried", result.named("not tried"), [])
    same("the exit status", result.exit_code, 3)
    return f"{len(result.named('open'))} of {len(ROWS)} rows are open, and the audit says so"


async def opened(hole: Hole, stage: Stage) -> str:
    """Exactly the hole's row is open."""
    stage.configure(hole.image(stage), hole.prologue)
    stage.forbid(*(each for each in FORBIDDEN if each != hole.reachable))
    if hole.cgroups:
        stage.constrain(**hole.cgroups)
    try:
        with machine.kernel(hole.kernel), stage.operators() if hole.operators else contextlib.nullcontext():
            result = await stage.audit()
    finally:
        stage.forbid(*FORBIDDEN)
        if hole.cgroups:
            stage.constrain()
    same("what is not closed", list(_not_closed(result)), [hole.row])
    same("its verdict", result.rows[hole.row][0], "open")
    return result.rows[hole.row][1]


def _not_closed(result: Result) -> dict[str, tuple[str, str]]:
    return {name: row for name, row in result.rows.items() if row[0] != "closed"}


def _show(result: Result) -> None:
    for name, (verdict, seen) in result.rows.items():
        print(f"    {name:<20}{verdict:<11}{seen[:100]}", flush=True)


async def interrupted(stage: Stage) -> str:
    """Ctrl-C in the middle: nothing is left of the audit's jobs and directories."""
    stage.configure(BUILT_IN)
    seconds = await stage.interrupt()
    return f"ended {seconds:.0f} s after SIGINT, without jobs, directories and files"


CASES = (
    Case("contained", "two Unix users, launcher bubblewrap", contained, short=True),
    Case("shared, native", "one Unix user, no launcher", partial(native, SHARED_NATIVE, shared=True)),
    Case("pool, native", "two Unix users, no launcher", partial(native, POOL_NATIVE)),
    Case("demo", "the site of `provd demo` that root runs", partial(demo, DEMO, POOL)),
    Case("demo, shared", "the site of `provd demo` that others run", partial(demo, DEMO_SHARED, 0)),
    Case("interrupted", "Ctrl-C while the attacking job runs", interrupted),
    *(
        Case(f"hole: {hole.row}", "one hole in a launcher that contains the rest", partial(opened, hole))
        for hole in HOLES
    ),
)
RUN = Run(
    kind="audit",
    headings=("audit", "what is audited", "what it found", "right"),
    widths=(26, 46, 96),
    right="yes",
    wrong="NO",
    count="as expected",
    seconds=300.0,
    staged=staged,
)

if __name__ == "__main__":
    if os.geteuid():
        sys.exit("it needs root: namespaces, a private /dev and several Unix users")
    namespaces.enter("tests.isolation.run", sys.argv[1:])
    sys.exit(RUN.main(__doc__, CASES, {"bwrap": "bubblewrap", "ip": "iproute2"}))
