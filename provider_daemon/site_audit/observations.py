"""What provd itself sees of the attempts: in SLURM, and in the files of the jobs. Pure.

It does not depend on what a job prints, and it decides against it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from provider_daemon.site_audit.answers import Answer, Answers, Outcome
from provider_daemon.site_audit.verdicts import Observation
from provider_daemon.slurm.shown_job import ShownJob

OUT_OF_MEMORY = "OUT_OF_MEMORY"


@dataclass(frozen=True, slots=True)
class Effects:
    """The state after the attack. None: it could not be seen.

    `before` and `after`: the other's job as SLURM had it. `own_limit`: (seconds at first, at last) of the
    attacker's job. `submitted`: SLURM ids of jobs that it submitted. `beats`: how often the process that was
    left behind had written when its job had ended, and some seconds later.
    """

    before: ShownJob | None = None
    after: ShownJob | None = None
    own_limit: tuple[int, int] | None = None
    submitted: tuple[str, ...] | None = None
    attacker: ShownJob | None = None
    beats: tuple[int | None, int | None] = (None, None)


def observations(effects: Effects, answers: Answers) -> Mapping[str, Observation]:
    """Returns row -> what provd saw."""
    return {
        **_of_the_other(effects.before, effects.after),
        "own-time-limit": _limit(effects.own_limit),
        "job-submission": _submitted(effects.submitted),
        "leftover-processes": _alive(*effects.beats),
        "cores": _cores(effects.attacker, answers),
    }


def with_out_of_memory(answers: Answers, attacker: ShownJob | None) -> Answers:
    """SLURM ends a job for its memory before it can answer."""
    if attacker is None or attacker.state != OUT_OF_MEMORY or "memory.beyond" in answers.found:
        return answers
    answer = Answer(Outcome.REFUSED, "SLURM ended the job: OUT_OF_MEMORY")
    return replace(answers, found={**answers.found, "memory.beyond": answer})


def _of_the_other(before: ShownJob | None, after: ShownJob | None) -> dict[str, Observation]:
    if before is None or after is None:
        unseen = Observation(None, "provd could not see the other's job in SLURM afterwards")
        return dict.fromkeys(("other-job-cancel", "other-job-rename", "other-job-update"), unseen)
    shorter = after.limit != before.limit
    return {
        "other-job-cancel": Observation(after.ended, f"the other's job is {after.state}"),
        "other-job-rename": Observation(after.name != before.name, f"the other's job is named {after.name}"),
        "other-job-update": Observation(shorter, f"the other's time limit is {after.limit} s"),
    }


def _limit(own: tuple[int, int] | None) -> Observation:
    if own is None:
        return Observation(None, "provd could not see the job in SLURM afterwards")
    return Observation(own[1] > own[0], f"the job's time limit is {own[1]} s, and was {own[0]} s")


def _submitted(slurm_ids: tuple[str, ...] | None) -> Observation:
    if slurm_ids is None:
        return Observation(None, "provd could not search SLURM for the submitted job")
    return Observation(bool(slurm_ids), f"it submitted SLURM job {', '.join(slurm_ids) or 'none'}")


def _alive(first: int | None, last: int | None) -> Observation:
    if first is None or last is None:
        return Observation(None, "the process that should stay never wrote into the job's directory")
    return Observation(last > first, "a process of the job still runs" if last > first else "it has ended")


def _cores(attacker: ShownJob | None, answers: Answers) -> Observation:
    answer = answers.found.get("cpu.affinity")
    if attacker is None or answer is None or not answer.count:
        return Observation(None, "the number of cores is not known")
    text = f"{answer.count} cores can be used, {attacker.cpus} are allocated"
    return Observation(answer.count > attacker.cpus, text)
