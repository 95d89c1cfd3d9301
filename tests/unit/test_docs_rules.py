"""The rules and numbers of docs/reference.md, recomputed."""

from dataclasses import asdict

from provider_daemon.chain import evidence
from provider_daemon.daemon import app
from provider_daemon.job import lifecycle
from provider_daemon.job.lifecycle import kill_after, wall_limit
from provider_daemon.job.snapshot import Run
from provider_daemon.job.state import TERMINAL, TRANSITIONS, State
from provider_daemon.job.usage import measure
from provider_daemon.loops import advance, chain_changes, stale_ledger
from provider_daemon.loops.outbox import OutboxSettings
from provider_daemon.money.bill import bill
from provider_daemon.money.rules import DEFAULT
from provider_daemon.slurm import commands, reconnect, script, ssh
from provider_daemon.slurm.accounting import exit_code
from provider_daemon.slurm.states import JOB_STATES
from tests.unit.chain.vectors import ADDRESS
from tests.unit.docs import blocks, numbers, page, table

WORKED = (Run(elapsed=5430, cpus=32, memory_mib=2 * 64 * 1024, nodes=2, gpus=(("a100", 2),)),)


def test_states() -> None:
    """The table of SLURM's states is the code's, in its order."""
    says = {"waiting": "queued", "running": "running", "ending": "no change yet"}
    expected = [
        [name, short, phase.value, outcome or says[phase.value]]
        for name, (short, phase, outcome) in JOB_STATES.items()
    ]
    assert [row[:4] for row in table(page("reference.md"), "SLURM")] == expected


def test_transitions() -> None:
    """What may follow what on chain."""
    said = {
        State(row[0]): {State(word) for word in row[1].split(", ")}
        for row in table(page("reference.md"), "from")
    }
    assert said == {state: following for state, following in TRANSITIONS.items() if state not in TERMINAL}


def test_exit_codes() -> None:
    for said, reported, *_ in table(page("reference.md"), "sacct's ExitCode"):
        assert exit_code(said)[0] == int(reported)


def test_time_limits() -> None:
    for row in table(page("reference.md"), "max_runtime_seconds"):
        asked, limit, killed, minutes = map(int, row)
        assert wall_limit(asked, margin_seconds=30) == limit
        assert limit + kill_after(asked, limit) == killed
        assert -(-limit // 60) == minutes


def test_worked_usage_and_bill() -> None:
    """The worked example: what SLURM allocated, the usage of it, and the bill of that."""
    usage = measure(WORKED, gpus_requested=2)
    said = numbers(page("reference.md"), "usage")
    assert said == {name: value for name, value in asdict(usage).items() if name in said}
    said = numbers(page("reference.md"), "bill, uvirt")
    assert said == {name: value for name, value in asdict(bill(usage, "nvidia-a100")).items() if name in said}


def test_worked_evidence() -> None:
    """The worked document is the one that would be signed, byte for byte."""
    facts = evidence.EvidenceFacts(
        "virtengine-localnet-1",
        "HPC-1",
        ADDRESS,
        "JOB-7",
        "4242",
        State.COMPLETED,
        0,
        measure(WORKED, 2),
        1_770_000_000,
    )
    (said,) = blocks(page("reference.md"), "json")
    assert said.strip().encode() == evidence.document(facts)


def test_constants() -> None:
    """The numbers that stand in running text."""
    assert (lifecycle.WAITING_WINDOW, lifecycle.SUBMIT_SECONDS) == (60, 30)
    assert (lifecycle.HOPELESS_PATIENCE, lifecycle.MISSING_PATIENCE, lifecycle.MAX_ATTEMPTS) == (120, 600, 5)
    assert (lifecycle.KILL_GRACE, lifecycle.KILL_AFTER, script.MAX_SCRIPT_BYTES) == (30, 10, 262_144)
    assert (commands.ORDERS_A_COMMAND, commands.WORKERS, advance.COMMANDS_AT_ONCE, ssh.CHANNELS) == (
        50,
        4,
        2,
        4,
    )
    assert (
        OutboxSettings().max_messages,
        chain_changes.SWEEP_SECONDS,
        app.FINISH_SECONDS,
        app.DRAIN_SECONDS,
    ) == (
        100,
        60,
        45,
        20,
    )
    assert (stale_ledger.SIGN_SECONDS, stale_ledger.GAP_SECONDS) == (10, 30)
    assert (DEFAULT.minimum_charge, DEFAULT.platform_fee_bps, DEFAULT.provider_reward_bps) == (
        10_000,
        250,
        9_750,
    )
    assert (DEFAULT.granularity_seconds, reconnect.RECONNECTS_A_MINUTE) == (60, 2)
