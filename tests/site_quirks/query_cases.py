"""Wrappers in front of the querying programs: each program behind each wrapper."""

from collections.abc import Awaitable, Callable
from functools import partial

from provider_daemon.errors import Transient, Unreadable
from provider_daemon.slurm.inspect import Inspection
from tests.cases import Case
from tests.expect import Wrong, same
from tests.site_quirks.stage import Stage

# A wrapper's output or action that must change nothing.
HARMLESS = ("before", "glued", "between", "after", "stderr", "latin1", "slow")
FAILURES = ("fails_with_exit_0", "silent")
ASKED = ("squeue", "sacct", "sdiag", "scontrol")
SHORT = (("squeue", "before"), ("sacct", "before"), ("squeue", "fails_with_exit_0"), ("scontrol", "between"))

SEEN = "every job under its own id, one proven absent, every node"
NEVER_EMPTY = "no answer: nothing is absent, nothing is over"


async def harmless(program: str, wrapper: str, stage: Stage) -> str:
    stage.wrap(program, f"{wrapper}.sh")
    return await stage.truth()


async def failing(program: str, wrapper: str, stage: Stage) -> str:
    """A query that failed raises, or makes the snapshot incomplete."""
    stage.wrap(program, f"{wrapper}.sh")
    try:
        if program == "scontrol":
            raise Wrong(f"{len(await stage.scheduler.nodes())} nodes seen")
        snapshot = await stage.look()
    except (Transient, Unreadable) as error:
        return str(error)[:90]
    if snapshot.complete_for(stage.absent):
        raise Wrong("a job counts as absent")
    if any(seen.final for seen in snapshot.of(stage.running)):
        raise Wrong("a running job counts as ended")
    return "the snapshot is incomplete"


async def inspected(wrapper: str, stage: Stage) -> str:
    """The doctor's queries: slurmctld's settings, partitions, nodes, and slurmdbd's accounts."""
    for program in ("scontrol", "sacctmgr", "sdiag", "sbatch"):
        stage.wrap(program, f"{wrapper}.sh")
    site = Inspection(stage.scheduler._logins.main)  # noqa: SLF001 - over the connection that is there
    settings, (nodes, _) = await site.settings(), await site.nodes()
    same("SLURM_VERSION", settings.get("SLURM_VERSION"), stage.site.version)
    same("version", await site.version(), stage.site.version)
    same("partitions", [each.name for each in await site.partitions()], list(stage.site.partitions))
    same("nodes", [node.host for node in nodes], list(stage.site.nodes))
    user, allowed = await site.associations()
    same("user", user, stage.site.layout.plan.user)
    same("accounts", {each.account for each in allowed}, {stage.site.account})
    same(
        "the account is there",
        (await site.account(stage.site.account), await site.account("NOTICE:")),
        (True, False),
    )
    same("QOS", await site.qos(), frozenset({"normal"}))
    await site.backlog()
    return f"settings, {len(nodes)} nodes, partitions, accounts and QOS as they are"


async def submitted(wrapper: str, stage: Stage) -> str:
    """sbatch's id among other output is SLURM's id, or the outcome is unknown.

    The search by name resolves an unknown outcome.
    """
    stage.wrap("sbatch", f"{wrapper}.sh")
    order = stage.order("true")
    (receipt,) = await stage.scheduler.submit([order])
    theirs = stage.site.run("squeue", "-h", "-t", "all", "-n", order.name, "-o", "%A").stdout.split()
    if receipt.refusal or (receipt.slurm_id and [receipt.slurm_id] != theirs):
        raise Wrong(f"SLURM job {theirs}, and the receipt says {receipt}")
    return (
        f"SLURM job {receipt.slurm_id}"
        if receipt.slurm_id
        else f"in doubt, looked for by name ({receipt.unknown[:40]})"
    )


def _case(
    program: str, wrapper: str, expected: str, play: Callable[[str, str, Stage], Awaitable[str]]
) -> Case[Stage]:
    return Case(
        f"{program}: {wrapper}", expected, partial(play, program, wrapper), short=(program, wrapper) in SHORT
    )


CASES = [
    *(_case(program, wrapper, SEEN, harmless) for program in ASKED for wrapper in HARMLESS),
    *(_case(program, wrapper, NEVER_EMPTY, failing) for program in ASKED for wrapper in FAILURES),
    *(
        Case(f"sbatch: {wrapper}", "SLURM's own id, or a doubt", partial(submitted, wrapper))
        for wrapper in HARMLESS[:-1]
    ),
    *(
        Case(f"doctor: {wrapper}", "what the site is", partial(inspected, wrapper))
        for wrapper in HARMLESS[:-1]
    ),
]
