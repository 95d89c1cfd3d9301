"""Maps SLURM states to provd's. An unlisted one is UNKNOWN, which holds a job and never ends it."""

from dataclasses import dataclass

from provider_daemon.job.snapshot import Phase
from provider_daemon.job.state import State

_W, _R, _E, _X = Phase.WAITING, Phase.RUNNING, Phase.ENDING, Phase.ENDED

# state: (short form, phase, outcome on chain)
JOB_STATES: dict[str, tuple[str, Phase, State | None]] = {
    # not started, or requeued
    "PENDING": ("PD", _W, None),
    "REQUEUED": ("RQ", _W, None),
    "REQUEUE_HOLD": ("RH", _W, None),
    "REQUEUE_FED": ("RF", _W, None),
    "RESV_DEL_HOLD": ("RD", _W, None),
    "SPECIAL_EXIT": ("SE", _W, None),  # requeued and held by a rule of the site for its exit code
    "UPDATE_DB": ("UD", _W, None),
    # nodes are allocated: the run time is billed
    "CONFIGURING": ("CF", _R, None),
    "POWER_UP_NODE": ("PU", _R, None),
    "RUNNING": ("R", _R, None),
    "RESIZING": ("RS", _R, None),
    "SUSPENDED": ("S", _R, None),  # SLURM's elapsed time excludes suspension
    "STOPPED": ("ST", _R, None),
    "SIGNALING": ("SI", _R, None),
    # ended, final record outstanding
    "COMPLETING": ("CG", _E, None),
    "STAGE_OUT": ("SO", _E, None),
    # since 25.11, without a short form: SLURM decides whether to requeue it at once
    "EXPEDITING": ("EXPEDITING", _E, None),
    # ended
    "COMPLETED": ("CD", _X, State.COMPLETED),
    "FAILED": ("F", _X, State.FAILED),
    "CANCELLED": ("CA", _X, State.CANCELLED),
    "TIMEOUT": ("TO", _X, State.TIMEOUT),
    "DEADLINE": ("DL", _X, State.TIMEOUT),  # ended by a deadline rather than by the time limit
    "NODE_FAIL": ("NF", _X, State.FAILED),
    "BOOT_FAIL": ("BF", _X, State.FAILED),
    "OUT_OF_MEMORY": ("OOM", _X, State.FAILED),
    "PREEMPTED": ("PR", _X, State.FAILED),  # preempted by the site: the customer did not cancel
    "REVOKED": ("RV", _X, State.FAILED),
    "LAUNCH_FAILED": ("LF", _X, State.FAILED),
    "RECONFIG_FAIL": ("RN", _X, State.FAILED),
}

_SHORT = {short: name for name, (short, _, _) in JOB_STATES.items()} | {"OO": "OUT_OF_MEMORY"}

# Pending reasons that waiting does not resolve (docs/slurm.md, 'Jobs that wait for ever'), explained for the
# customer. Limits on what an account or a QOS may use at one time (MaxCpuPerAccount, QOSGrpCpuLimit ...) are
# excluded: they pass when other jobs end.
HOPELESS_REASONS: dict[str, str] = {
    "PartitionNodeLimit": "asks for more nodes than the partition allows",
    "PartitionTimeLimit": "asks for more time than the partition allows",
    "PartitionConfig": "asks for more than the partition can ever give",
    "BadConstraints": "no node can ever satisfy what it asks for",
    "InvalidQOS": "the site's quality of service for it is not valid",
    "InvalidAccount": "the site's account for it is not valid",
    "DependencyNeverSatisfied": "it depends on a job that did not end well",
    "AccountNotAllowed": "the site's account may not use the partition",
    "QOSNotAllowed": "the site's quality of service may not use the partition",
    "QOSMaxCpuPerJobLimit": "asks for more cores than one job may use",
    "QOSMaxNodePerJobLimit": "asks for more nodes than one job may use",
    "QOSMaxWallDurationPerJobLimit": "asks for more time than one job may use",
    "QOSMaxMemoryPerJob": "asks for more memory than one job may use",
    "QOSMaxGRESPerJob": "asks for more GPUs than one job may use",
    "QOSMaxCpuPerNode": "asks for more cores on a node than one job may use",
    "QOSMaxMemoryPerNode": "asks for more memory on a node than one job may use",
    "QOSMaxGRESPerNode": "asks for more GPUs on a node than one job may use",
    "QOSMaxCpuMinutesPerJobLimit": "asks for more core-minutes than one job may use",
    "QOSMaxMemoryMinutesPerJob": "asks for more memory-minutes than one job may use",
    "QOSMaxGRESMinutesPerJob": "asks for more GPU-minutes than one job may use",
    "QOSMaxNodeMinutesPerJob": "asks for more node-minutes than one job may use",
    "AssocMaxCpuPerJobLimit": "asks for more cores than one job may use",
    "AssocMaxNodePerJobLimit": "asks for more nodes than one job may use",
    "AssocMaxWallDurationPerJobLimit": "asks for more time than one job may use",
    "AssocMaxMemPerJob": "asks for more memory than one job may use",
    "AssocMaxGRESPerJob": "asks for more GPUs than one job may use",
    "AssocMaxCpuPerNode": "asks for more cores on a node than one job may use",
    "AssocMaxMemPerNode": "asks for more memory on a node than one job may use",
    "AssocMaxGRESPerNode": "asks for more GPUs on a node than one job may use",
    "AssocMaxCpuMinutesPerJobLimit": "asks for more core-minutes than one job may use",
    "AssocMaxMemMinutesPerJob": "asks for more memory-minutes than one job may use",
    "AssocMaxGRESMinutesPerJob": "asks for more GPU-minutes than one job may use",
    "AssocMaxNodeMinutesPerJob": "asks for more node-minutes than one job may use",
    "MaxMemPerLimit": "asks for more memory than the partition allows",
    "QOSMinCpuNotSatisfied": "asks for fewer cores than a job must use",
    "QOSMinMemory": "asks for less memory than a job must use",
    "QOSMinGRES": "asks for fewer GPUs than a job must use",
    "QOSMinNode": "asks for fewer nodes than a job must use",
}

_USABLE = frozenset({"IDLE", "MIXED", "ALLOCATED", "COMPLETING"})
_DRAINING = frozenset({"DRAIN", "DRAINING", "DRAINED"})
_UNUSABLE_FLAGS = frozenset(
    {
        "DOWN",
        "FAIL",
        "FAILING",
        "INVAL",
        "INVALID_REG",
        "NOT_RESPONDING",
        "NO_RESPOND",
        "UNKNOWN",
        "ERROR",
        "FUTURE",
    }
) | {
    *("MAINT", "MAINTENANCE", "RESERVED", "BLOCKED", "REBOOT", "REBOOT_ISSUED", "REBOOT_REQUESTED"),
    *("POWERING_DOWN", "POWER_DOWN"),  # excludes POWERED_DOWN: SLURM wakes such a node for a job
}


@dataclass(frozen=True, slots=True)
class JobState:
    """`word` is SLURM's state, without flags and without the user who cancelled the job."""

    word: str
    phase: Phase
    outcome: State | None


def job_state(text: str) -> JobState:
    """Parses `CANCELLED by 1000`, `RUNNING+`, `COMPLETED,COMPLETING`, `PD` and similar texts."""
    word = text.split(" by ")[0].replace("+", ",").split(",")[0].strip().upper()
    name = word if word in JOB_STATES else _SHORT.get(word, "")
    if not name:
        return JobState(text, Phase.UNKNOWN, None)
    _, phase, outcome = JOB_STATES[name]
    return JobState(name, phase, outcome)


def hopeless(reason: str) -> str:
    """Returns a sentence for the customer if SLURM can never start the job, else ""."""
    why = HOPELESS_REASONS.get(reason.strip("() "))
    return f"SLURM can never start it: {why} ({reason.strip('() ')})" if why else ""


def node_usable(state: str) -> bool:
    """Whether the node accepts jobs: IDLE, MIXED or ALLOCATED, with harmless flags only.

    Harmless flags are CLOUD, PLANNED, POWERED_DOWN, POWERING_UP and others.
    """
    words = _words(state)
    flags = set(words) - {"NOT_RESPONDING" if "POWERING_UP" in words else ""}
    return "*" not in state and words[0] in _USABLE and not flags & (_UNUSABLE_FLAGS | _DRAINING)


def node_powered_down(state: str) -> bool:
    """Whether SLURM has powered the node down or is just changing that; its programs do not run then."""
    return any(word.startswith("POWER") for word in _words(state))


def node_draining(state: str) -> bool:
    return bool(set(_words(state)) & _DRAINING)


def _words(state: str) -> list[str]:
    return state.upper().rstrip("*~#!%$@^-").split("+")
