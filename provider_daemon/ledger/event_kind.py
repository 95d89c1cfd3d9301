"""The kinds of entries in a job's timeline."""

from enum import StrEnum


class EventKind(StrEnum):
    """The operator's guide explains the values. All are stored, except CREATED and TX_SIGNED."""

    CREATED = "created"
    ADOPTED = "adopted"
    IGNORED = "ignored"
    LIMITED = "limited"
    USER = "user"
    INTENT = "intent"
    SBATCH_UNKNOWN = "sbatch_unknown"
    SBATCH_DEFERRED = "sbatch_deferred"
    SLURM_JOB = "slurm_job"
    DUPLICATE = "duplicate"
    UNCLAIMED = "unclaimed"
    USAGE = "usage"
    RESULTS = "results"
    STATE = "state"
    CHAIN_STATE = "chain_state"
    REPORT_STORED = "report_stored"
    TX_SIGNED = "tx_signed"
    REPORT_CONFIRMED = "report_confirmed"
    REPORT_DROPPED = "report_dropped"
    EVIDENCE_KEPT = "evidence_kept"
    ON_HOLD = "on_hold"
    HOLD_ENDED = "hold_ended"
    DISOWNED = "disowned"
    PARKED = "parked"
    REPAIRED = "repaired"
    CLOSED = "closed"
