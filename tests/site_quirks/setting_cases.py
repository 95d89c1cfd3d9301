"""Settings of slurmctld and slurmdbd, and texts of administrators in their records."""

from tests.cases import Case
from tests.expect import Wrong
from tests.site_quirks.query_cases import SEEN
from tests.site_quirks.stage import Stage

DAY = 86_400


async def query_range(stage: Stage) -> str:
    """slurmdbd answers for one day at a time; the jobs are searched for over three."""
    stage.configure("slurmdbd.conf", "MaxQueryTimeRange=1-00:00:00")
    await stage.restart("slurmdbd")
    stage.since -= 3 * DAY
    return await stage.truth()


async def narrow_query_range(stage: Stage) -> str:
    """The range is shorter than any job's age, so that no search by name is possible.

    Jobs with a known id are still followed.
    """
    stage.configure("slurmdbd.conf", "MaxQueryTimeRange=00:10:00")
    await stage.restart("slurmdbd")
    stage.since -= 30 * DAY
    snapshot = await stage.look()
    if not all(seen.final for seen in snapshot.of(stage.ended)) or not snapshot.of(stage.ended):
        raise Wrong(f"the job that ended is not seen by its id: {snapshot.of(stage.ended)}")
    if snapshot.complete_for(stage.absent):
        raise Wrong("a job counts as absent that was not looked for")
    return "known jobs are followed by id, nothing counts as absent"


async def node_comment(stage: Stage) -> str:
    """Line breaks in a node's comment and extra have no effect, even if a line imitates a node's record."""
    forged = (
        "spare\nNodeName=n9 CPUAlloc=0 CPUTot=99 Gres=(null) RealMemory=9 AllocMem=0 State=IDLE "
        "Partitions=standard AllocTRES="
    )
    stage.site.run("scontrol", "update", "nodename=n2", f"comment={forged}", "extra=a\nb State=DOWN")
    stage.site.run("scontrol", "update", "nodename=n3", "comment=part\nof a rack")
    try:
        return await stage.truth()
    finally:
        for node in ("n2", "n3"):
            stage.site.run("scontrol", "update", f"nodename={node}", "comment=", "extra=")


CASES = [
    Case("slurmdbd: MaxQueryTimeRange of a day", SEEN, query_range, short=True),
    Case("slurmdbd: MaxQueryTimeRange of 10 minutes", "known jobs by id, nothing absent", narrow_query_range),
    Case("scontrol: line breaks in a node's comment", SEEN, node_comment, short=True),
]
