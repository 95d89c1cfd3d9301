"""The tables of states: every word of SLURM, in every spelling."""

import pytest

from provider_daemon.job.snapshot import Phase
from provider_daemon.job.state import TERMINAL, State
from provider_daemon.slurm.states import (
    HOPELESS_REASONS,
    JOB_STATES,
    hopeless,
    job_state,
    node_draining,
    node_powered_down,
    node_usable,
)

# docs/slurm.md, 'States', and one that 25.11 brought.
KNOWN = (
    "PENDING CONFIGURING RUNNING COMPLETING SUSPENDED STOPPED SIGNALING STAGE_OUT REQUEUED REQUEUE_HOLD "
    "REQUEUE_FED RESIZING SPECIAL_EXIT RESV_DEL_HOLD COMPLETED CANCELLED FAILED TIMEOUT DEADLINE "
    "NODE_FAIL BOOT_FAIL OUT_OF_MEMORY PREEMPTED REVOKED LAUNCH_FAILED RECONFIG_FAIL UPDATE_DB "
    "POWER_UP_NODE EXPEDITING"
)


def test_every_known_state_is_mapped() -> None:
    """No state that SLURM documents is unknown to us, nor is one mapped that it does not have."""
    assert set(JOB_STATES) == set(KNOWN.split())


@pytest.mark.parametrize("word", sorted(JOB_STATES))
def test_outcome_belongs_to_ended_states_only(word: str) -> None:
    """A state that is over has a terminal word of the chain; one that is not has none."""
    state = job_state(word)
    assert (state.outcome in TERMINAL) if state.phase is Phase.ENDED else state.outcome is None


@pytest.mark.parametrize("word", sorted(JOB_STATES))
def test_short_form_means_the_long_one(word: str) -> None:
    """squeue's %t and sacct's long words are the same states."""
    assert job_state(JOB_STATES[word][0]) == job_state(word)


@pytest.mark.parametrize(
    ("text", "word", "phase"),
    [
        ("CANCELLED by 1000", "CANCELLED", Phase.ENDED),
        ("CANCELLED+", "CANCELLED", Phase.ENDED),
        ("COMPLETED+", "COMPLETED", Phase.ENDED),
        ("RUNNING+", "RUNNING", Phase.RUNNING),
        ("COMPLETED,COMPLETING", "COMPLETED", Phase.ENDED),
        ("running", "RUNNING", Phase.RUNNING),
        ("OO", "OUT_OF_MEMORY", Phase.ENDED),
        ("OOM", "OUT_OF_MEMORY", Phase.ENDED),
        ("CG", "COMPLETING", Phase.ENDING),
    ],
)
def test_flags_and_spellings(text: str, word: str, phase: Phase) -> None:
    """Flags and the canceller's uid are no part of the state."""
    assert (job_state(text).word, job_state(text).phase) == (word, phase)


@pytest.mark.parametrize("text", ["", "HIBERNATING", "??", "COMPLETE", "by 1000", "X+RUNNING"])
def test_unknown_state_holds_the_job(text: str) -> None:
    """What SLURM may say one day is unknown, never an end; its own word is kept for the operator."""
    state = job_state(text)
    assert (state.phase, state.outcome, state.word) == (Phase.UNKNOWN, None, text)


def test_site_takes_a_job_back() -> None:
    """What the site did to a job is its failure, not its customer's cancel."""
    assert {job_state(word).outcome for word in ("PREEMPTED", "NODE_FAIL", "BOOT_FAIL", "REVOKED")} == {
        State.FAILED
    }


@pytest.mark.parametrize("reason", sorted(HOPELESS_REASONS))
def test_hopeless_reason_names_itself(reason: str) -> None:
    """The sentence ends in SLURM's own word, so an operator finds it again."""
    assert hopeless(f"({reason})").endswith(f"({reason})")


@pytest.mark.parametrize(
    "reason",
    ["QOSMaxMemoryPerJob", "QOSMaxGRESPerJob", "QOSMinCpuNotSatisfied", "AssocMaxCpuMinutesPerJobLimit"],
)
def test_over_the_limits_of_one_job(reason: str) -> None:
    """A site whose limits sbatch does not enforce lets such jobs wait for ever."""
    assert "SLURM can never start it: asks for" in hopeless(reason)


@pytest.mark.parametrize(
    "reason",
    [
        "None",
        "Priority",
        "Resources",
        "JobHeldUser",
        "BeginTime",
        "ReqNodeNotAvail, UnavailableNodes:n4",
        "QOSMaxCpuPerUserLimit",
        "QOSGrpGRES",
        "PartitionDown",
        "",
    ],
)
def test_waiting_is_not_hopeless(reason: str) -> None:
    """A reason that passes by itself ends no job."""
    assert hopeless(reason) == ""


@pytest.mark.parametrize(
    ("state", "usable", "draining"),
    [
        ("IDLE", True, False),
        ("MIXED", True, False),
        ("ALLOCATED", True, False),
        ("MIXED+PLANNED", True, False),
        ("IDLE+CLOUD", True, False),
        ("ALLOCATED+COMPLETING", True, False),
        ("IDLE*", False, False),
        ("IDLE+DRAIN", False, True),
        ("MIXED+DRAIN", False, True),
        ("DOWN", False, False),
        ("DOWN*+DRAIN", False, True),
        ("DOWN+NOT_RESPONDING", False, False),
        ("IDLE+NOT_RESPONDING", False, False),
        ("IDLE+MAINT", False, False),
        ("IDLE+POWERED_DOWN", True, False),
        ("IDLE+CLOUD+POWERED_DOWN", True, False),
        ("MIXED+NOT_RESPONDING+POWERING_UP", True, False),
        ("IDLE+POWERING_DOWN", False, False),
        ("DOWN+POWERED_DOWN", False, False),
        ("IDLE+DRAIN+POWERED_DOWN", False, True),
        ("INVAL", False, False),
        ("FUTURE", False, False),
        ("UNKNOWN", False, False),
        ("SOMETHING_NEW", False, False),
    ],
)
def test_node_states(state: str, usable: bool, draining: bool) -> None:
    """Only a node that certainly takes jobs counts as available; one that sleeps does, SLURM wakes it for
    them."""
    assert (node_usable(state), node_draining(state)) == (usable, draining)


@pytest.mark.parametrize(
    ("state", "off"),
    [
        ("IDLE", False),
        ("IDLE+CLOUD+POWERED_DOWN", True),
        ("IDLE+CLOUD+POWER", True),
        ("DOWN+POWERING_UP", True),
    ],
)
def test_powered_down_nodes(state: str, off: bool) -> None:
    """Also while that changes, and in the words of older versions."""
    assert node_powered_down(state) is off
