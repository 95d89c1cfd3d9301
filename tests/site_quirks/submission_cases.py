"""The outcomes of sbatch at a site that accepts no submissions, or refuses one in its own words."""

import asyncio
from functools import partial

from provider_daemon.job.site_trouble import SiteTrouble
from provider_daemon.ports import SubmissionResult
from tests.cases import Case
from tests.expect import Wrong, same
from tests.site_quirks.stage import Stage

HANDBOOK = "jobs in partition standard must ask for a GPU: see the site's handbook, chapter 3"
PLUGIN = """function slurm_job_submit(job_desc, part_list, submit_uid)
  if job_desc.name == nil or string.find(job_desc.name, "JOB") then
    slurm.log_user("{words}")
    return slurm.{answer}
  end
  return slurm.SUCCESS
end
function slurm_job_modify(job_desc, job_rec, part_list, modify_uid) return slurm.SUCCESS end
return slurm.SUCCESS
"""


async def submitted(stage: Stage) -> SubmissionResult:
    (receipt,) = await stage.scheduler.submit([stage.order("true")])
    return receipt


def deferred(receipt: SubmissionResult, trouble: SiteTrouble) -> str:
    """Nothing was queued, no attempt is counted, and the site's error text is kept."""
    same(
        "what came of it",
        (receipt.slurm_id, receipt.refusal, receipt.unknown, receipt.trouble),
        ("", "", "", trouble),
    )
    return f"{trouble.value}: {receipt.deferral}"


def unsure(receipt: SubmissionResult, trouble: SiteTrouble) -> str:
    """The job is first searched for by name, and no attempt is counted."""
    same(
        "what came of it",
        (receipt.slurm_id, receipt.refusal, receipt.deferral, receipt.trouble),
        ("", "", "", trouble),
    )
    return f"{trouble.value}: {receipt.unknown}"


async def words(message: str, trouble: SiteTrouble, stage: Stage) -> str:
    stage.wrap("sbatch", "refuses.sh", message)
    return deferred(await submitted(stage), trouble)


async def lost(message: str, trouble: SiteTrouble, stage: Stage) -> str:
    stage.wrap("sbatch", "refuses.sh", message)
    return unsure(await submitted(stage), trouble)


async def max_job_count(stage: Stage) -> str:
    """sbatch waits and tries again, until our own limit ends it."""
    stage.configure("slurm.conf", "MaxJobCount=2")
    await stage.restart("slurmctld")
    return unsure(await submitted(stage), SiteTrouble.BUSY)


async def work_root(stage: Stage) -> str:
    """The work root is read-only for the site's user."""
    root = stage.site.work_root
    root.chmod(0o555)
    try:
        return deferred(await submitted(stage), SiteTrouble.WORK_ROOT)
    finally:
        root.chmod(0o1777)


async def drained(stage: Stage) -> str:
    stage.site.run("scontrol", "update", "partitionname=standard", "state=drain")
    try:
        return deferred(await submitted(stage), SiteTrouble.QUEUE)
    finally:
        stage.site.run("scontrol", "update", "partitionname=standard", "state=up")


async def no_munge(stage: Stage) -> str:
    await asyncio.to_thread(stage.site.stop, "munged")
    try:
        return unsure(await submitted(stage), SiteTrouble.AUTHENTICATION)
    finally:
        await asyncio.to_thread(stage.site.start, "munged")


async def plugin(stage: Stage, said: str, answer: str) -> SubmissionResult:
    file = stage.site.layout.root / "etc" / "job_submit.lua"
    file.write_text(PLUGIN.format(words=said, answer=answer))
    file.chmod(0o644)
    stage.configure("slurm.conf", "JobSubmitPlugins=lua")
    try:
        await stage.restart("slurmctld")
        return await submitted(stage)
    finally:
        file.unlink()


async def plugin_refuses(stage: Stage) -> str:
    receipt = await plugin(stage, HANDBOOK, "ERROR")
    if HANDBOOK not in receipt.refusal:
        raise Wrong(f"the customer does not read the site's words: {receipt}")
    return receipt.refusal


async def plugin_accepts(stage: Stage) -> str:
    receipt = await plugin(stage, "welcome, your job goes to standard", "SUCCESS")
    if not receipt.slurm_id:
        raise Wrong(f"the id is not read: {receipt}")
    return f"SLURM job {receipt.slurm_id}"


STORAGE = "I/O error writing script/environment to file"
LATER = "deferred, no attempt used"
LOOK = "looked for by name, no attempt used"
CASES = [
    Case(
        "sbatch: StateSaveLocation is full",
        LATER,
        partial(words, "I/O error writing script/environment to file", SiteTrouble.STORAGE),
        True,
    ),
    Case("sbatch: nodes are busy", LATER, partial(words, "Requested nodes are busy", SiteTrouble.BUSY)),
    Case(
        "sbatch: backup controller",
        LATER,
        partial(words, "Slurm backup controller in standby mode", SiteTrouble.CONTROLLER),
    ),
    Case(
        "sbatch: submissions disabled",
        LATER,
        partial(words, "System submissions disabled", SiteTrouble.CLOSED),
    ),
    Case(
        "sbatch: answer lost",
        LOOK,
        partial(lost, "Socket timed out on send/recv operation", SiteTrouble.CONTROLLER),
    ),
    Case("slurmctld: MaxJobCount reached", LOOK, max_job_count),
    Case("slurmctld: partition drained", LATER, drained, True),
    Case("work root read-only", LATER, work_root, True),
    Case("munged is down", LOOK, no_munge),
    Case("job_submit.lua refuses", "refused in the site's words", plugin_refuses, True),
    Case("job_submit.lua accepts with a welcome", "SLURM's id", plugin_accepts),
]
