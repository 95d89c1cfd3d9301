"""Attacks by the names of SLURM jobs.

A job changes its own name, or submits SLURM jobs under the names of others.
"""

from functools import partial

from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2
from provider_daemon.chain.records import chain_job
from provider_daemon.demo.market import CHAIN_ID
from provider_daemon.job.naming import public_name
from provider_daemon.job.state import State
from tests.expect import Wrong, same
from tests.hostile_customer.stage import Record, Stage, attack
from tests.waiting import until

# Submits one SLURM job under each name of ours that it can know: those in a file, which stands for the
# chain's public data, and squeue's.
THIEF = (
    "seen=' '; until [ -e {end} ]; do for name in $(cat {names} 2>/dev/null) $(squeue -h -o %j); do "
    "case $name in ve-*) ;; *) continue ;; esac; "
    'case "$seen" in *" $name "*) continue ;; esac; '
    'sbatch --parsable -A "$SLURM_JOB_ACCOUNT" -p standard -n 1 -J "$name" -o /dev/null --wrap '
    '"sleep 20; exit 3" '
    '&& seen="$seen$name "; '
    "done; sleep 0.2; done"
)


async def renamed(stage: Stage) -> str:
    """A job that changes its name in SLURM still ends when its customer cancels it."""
    rename = "scontrol update jobid=$SLURM_JOB_ID name=somebody-else; echo renamed; exec sleep 120"
    (job_id,) = await stage.submit(attack("/bin/sh", "-c", rename, seconds=300))
    name = await stage.name(job_id)

    def done() -> bool:
        return any("renamed" in file.read_text() for file in stage.work_root.glob(f"{name}.*/output.txt"))

    await until("it renamed itself", done, limit=60, pause=0.5)
    customer = stage.market.customers[0]
    await customer.send(tx_pb2.MsgCancelJob(requester_address=customer.address, job_id=job_id, reason="test"))

    def gone() -> bool:
        return "somebody-else" not in stage.queue()

    seconds = await until("its SLURM job ends", gone, limit=60, pause=0.5)
    return f"cancelled by its id, {seconds:.0f} s after the customer's cancel"


async def stolen(stage: Stage) -> str:
    """The names are used by a thief while the victim waits for a slot, and again while it runs."""
    end, names, gate = (stage.work_root / name for name in ("theft-ends", "theft-names", "theft-gate"))
    thief, holder = await stage.submit(
        attack("/bin/sh", "-c", THIEF.format(end=end, names=names), seconds=180),
        attack("/bin/sh", "-c", f"until [ -e {gate} ]; do sleep 0.2; done"),
    )
    for job_id in (thief, holder):
        await stage.running(job_id)
    try:
        (victim,) = await stage.submit(attack("/bin/sh", "-c", "sleep 8; echo mine"), customer=1)
        await stage.logged("job_adopted", victim)
        public = await _public_name(stage, victim)
        names.write_text(public)
        await until("the public name is taken", lambda: public in stage.queue(), limit=60, pause=0.5)
        gate.touch()
        await stage.running(victim)
        secret = await stage.name(victim)
        await until("the name in squeue is taken", partial(_twice, stage, secret), limit=60, pause=0.5)
        ended = await stage.ended(victim)
    finally:
        end.touch()
        gate.touch()
    same("the victim", (ended.state, ended.output), (State.COMPLETED, "mine\n"))
    stolen = (await stage.ended(thief)).output.split()
    stage.site.slurm.run("scancel", *stolen)
    return await _billed_by_its_own(stage, victim, {secret, public}, stolen)


async def _billed_by_its_own(stage: Stage, victim: str, names: set[str], stolen: list[str]) -> str:
    """Checks that the victim is billed by its own SLURM job, whose id is not in the thief's output.

    `stolen` contains the ids of the thief's SLURM jobs.
    """
    records = await stage.records()
    taken = {record.name for record in records if record.slurm_id in stolen}
    same("the victim's names that were taken", taken & names, names)
    own = _only([record for record in records if record.name in names and record.slurm_id not in stolen])
    same("the SLURM job in its reports", await stage.reported_ids(victim), {own.slurm_id})
    same("the seconds billed", await stage.billed_seconds(victim), own.elapsed)
    return (
        f"the victim ran as SLURM job {own.slurm_id} and was billed its {own.elapsed} s; {len(stolen)} "
        "SLURM jobs under taken names"
    )


def _only(records: list[Record]) -> Record:
    if len(records) != 1:
        raise Wrong(f"not one SLURM job of its own: {records}")
    return records[0]


def _twice(stage: Stage, name: str) -> bool:
    return stage.queue().count(name) > 1


async def _public_name(stage: Stage, job_id: str) -> str:
    record = await stage.market.chain.query.job(job_id)
    assert record is not None
    return public_name(chain_job(record, CHAIN_ID).spec)
