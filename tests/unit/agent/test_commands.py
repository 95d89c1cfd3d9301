"""Commands of the provider: which are executed, how often, and what the provider learns."""

import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from provider_daemon.agent import execution
from provider_daemon.agent.config import AgentSettings
from provider_daemon.agent.execution import Executor
from provider_daemon.agent.state import INTERRUPTED, SENT_RESULTS
from provider_daemon.chain.sign import LocalSigner
from provider_daemon.node_protocol import command as node_command
from provider_daemon.node_protocol.command import NodeCommand
from provider_daemon.nodes.command import CommandKind, CommandResult, SignedCommand
from provider_daemon.nodes.report import Acknowledgement, HealthStatus
from tests.unit.agent.far_end import CLUSTER, HOST, NODE, NOW, SIGNER, FarCollector, collector, token
from tests.unit.agent.place import SAMPLE, Place

DRAIN = NodeCommand("CMD-5", CLUSTER, NODE, 5, CommandKind.DRAIN, NOW - 5, NOW + 300, {"reason": "fan"})
DONE, FAILED = CommandResult.DONE, CommandResult.FAILED


@pytest.fixture
def far() -> Iterator[FarCollector]:
    with collector() as running:
        yield running
        assert not running.errors


@pytest.fixture
def place(tmp_path: Path, far: FarCollector) -> Place:
    """A node that is registered."""
    found = Place(tmp_path)
    found.write_token(token(far.url))
    found.agent().turn()
    return found


def signed(command: NodeCommand = DRAIN, signer: LocalSigner = SIGNER, **changes: object) -> SignedCommand:
    return node_command.sign(replace(command, **changes), signer)  # type: ignore[arg-type]


def acknowledged(far: FarCollector) -> tuple[tuple[str, CommandResult], ...]:
    return tuple((each.command_id, each.result) for each in far.heartbeats[-1].acknowledgements)


def reported(far: FarCollector) -> HealthStatus:
    return far.heartbeats[-1].health.status


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the commands that are executed from here on."""
    ids: list[str] = []

    def execute(_: Executor, command: NodeCommand) -> tuple[CommandResult, str]:
        ids.append(command.command_id)
        return DONE, "x"

    monkeypatch.setattr(Executor, "execute", execute)
    return ids


def test_a_drain_is_reported_and_undone(place: Place, far: FarCollector) -> None:
    """The result is reported soon, and the node is reported as drained, over a restart too."""
    agent, far.commands = place.agent(), (signed(),)
    assert agent.turn() == 10
    far.commands = ()
    agent.turn()
    assert (acknowledged(far), far.heartbeats[-1].health.status) == (
        (("CMD-5", DONE),),
        HealthStatus.DRAINING,
    )
    agent, far.commands = place.agent(), (signed(command_id="CMD-6", sequence=6, kind=CommandKind.RESUME),)
    agent.turn()
    assert (acknowledged(far), reported(far)) == ((), HealthStatus.DRAINING)
    agent.turn()
    assert (acknowledged(far), reported(far)) == ((("CMD-6", DONE),), HealthStatus.HEALTHY)


def test_a_drained_node_that_is_sick_is_reported_as_sick(place: Place, far: FarCollector) -> None:
    """It is not well when the operator resumes it."""
    agent, far.commands = place.agent(), (signed(),)
    sick = replace(SAMPLE.health, status=HealthStatus.UNHEALTHY)
    place.source.current = replace(SAMPLE, health=sick)
    agent.turn()
    agent.turn()
    assert reported(far) is HealthStatus.UNHEALTHY


@pytest.mark.parametrize(
    ("command", "result"),
    [
        (signed(signer=LocalSigner(bytes([8] * 32))), CommandResult.INVALID),
        (replace(signed(), document=signed().document.replace("fan", "fun")), CommandResult.INVALID),
        (replace(signed(), signature=""), CommandResult.INVALID),
        (signed(sequence=4), CommandResult.INVALID),
        (signed(sequence=3), CommandResult.INVALID),
        (signed(node_id="alpha.c2"), CommandResult.INVALID),
        (signed(cluster_id="HPC-2"), CommandResult.INVALID),
        (signed(issued_at=NOW - 11), CommandResult.INVALID),
        (signed(deadline=NOW - 1), CommandResult.EXPIRED),
        (signed(kind=CommandKind.SHUTDOWN), CommandResult.REFUSED),
    ],
    ids=[
        "another key",
        "changed",
        "unsigned",
        "sequence of an executed one",
        "sequence before an executed one",
        "another node",
        "another cluster",
        "before the registration",
        "after its deadline",
        "not allowed",
    ],
)
def test_what_is_not_executed(
    place: Place, far: FarCollector, executed: list[str], command: SignedCommand, result: CommandResult
) -> None:
    """The provider learns why, and nothing is done, however often it comes."""
    agent, far.commands = place.agent(), (signed(command_id="CMD-4", sequence=4, kind=CommandKind.RESUME),)
    agent.turn()
    far.commands = (command, command)
    agent.turn()
    agent = place.agent()
    agent.turn()
    assert acknowledged(far)[-1] == ("CMD-5", result)
    assert executed == ["CMD-4"]
    assert reported(far) is HealthStatus.HEALTHY


def test_a_command_that_is_repeated_is_executed_once(
    place: Place, far: FarCollector, executed: list[str]
) -> None:
    """The collector repeats it until the daemon has the result. A forged one does not change the result."""
    forged = replace(signed(), document=signed().document.replace("fan", "fun"))
    agent, far.commands = place.agent(), (signed(), forged)
    for _ in range(3):
        agent.turn()
    place.agent().turn()
    assert executed == ["CMD-5"]
    assert far.heartbeats[-1].acknowledgements == (Acknowledgement("CMD-5", DONE, "x"),)


def test_a_kill_during_the_execution(
    place: Place, far: FarCollector, executed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command whose execution had begun is not repeated, and reported as failed."""

    def killed(_: Executor, command: NodeCommand) -> tuple[CommandResult, str]:
        raise SystemExit

    agent, far.commands = place.agent(), (signed(),)
    with monkeypatch.context() as patch:
        patch.setattr(Executor, "execute", killed)
        with pytest.raises(SystemExit):
            agent.turn()
    place.agent().turn()
    assert far.heartbeats[-1].acknowledgements == (Acknowledgement("CMD-5", FAILED, INTERRUPTED),)
    assert not executed


def test_a_kill_before_the_acknowledgement(place: Place, far: FarCollector) -> None:
    """The result was stored: the next start reports it, again and again until a heartbeat was accepted."""
    agent, far.commands = place.agent(), (signed(),)
    agent.turn()
    agent, far.commands = place.agent(), ()
    far.reply = (503, b"")
    agent.turn()
    far.reply = None
    agent = place.agent()
    agent.turn()
    assert acknowledged(far) == (("CMD-5", DONE),)
    agent.turn()
    assert acknowledged(far) == ()


def test_a_command_whose_start_cannot_be_stored_is_not_executed(
    place: Place, far: FarCollector, executed: list[str]
) -> None:
    """It could be executed twice."""
    agent = place.agent()
    agent.turn()
    (place.state / ".state.json.new").mkdir()
    far.commands = (signed(),)
    agent.turn()
    assert not executed


def test_many_results_are_reported_a_few_at_a_time(place: Place, far: FarCollector) -> None:
    """Oldest first: all of them together could be larger than the collector accepts."""
    agent = place.agent()
    far.commands = tuple(signed(command_id=f"CMD-{number}", deadline=1) for number in range(SENT_RESULTS + 2))
    agent.turn()
    far.commands = ()
    assert agent.turn() == 10
    assert [each for each, _ in acknowledged(far)] == [f"CMD-{number}" for number in range(SENT_RESULTS)]
    assert agent.turn() == 30
    assert [each for each, _ in acknowledged(far)] == [f"CMD-{SENT_RESULTS}", f"CMD-{SENT_RESULTS + 1}"]


def test_a_diagnostic_returns_what_the_agent_sees(place: Place, far: FarCollector) -> None:
    """As text, in the acknowledgement."""
    agent, far.commands = place.agent(), (signed(kind=CommandKind.RUN_DIAGNOSTIC),)
    agent.turn()
    agent.turn()
    (found,) = far.heartbeats[-1].acknowledgements
    assert found.output.startswith("agent 0.1.0, drained by the provider: no\nhealth: healthy\n")
    assert "processors: 64, 0 % busy" in found.output


Programs = Callable[[str], Path]


@pytest.fixture
def scontrol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    """Installs an scontrol that prints a reason; returns the file with the arguments of its calls."""

    def install(reason: str) -> Path:
        calls, program = tmp_path / "calls", tmp_path / "scontrol"
        shown = f"   Reason={reason}" if reason else ""
        program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >>{calls}\necho "{shown}"\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        return calls

    return install


def executor(**settings: object) -> Executor:
    return Executor(replace(AgentSettings(slurm_update=True), **settings), HOST, lambda: "")  # type: ignore[arg-type]


def test_slurm_is_told_of_a_drain(scontrol: Programs) -> None:
    """With a reason that names the agent, as one argument, whatever the text is."""
    calls = scontrol("")
    assert executor().execute(replace(DRAIN, parameters={"reason": "fan; reboot\n$(id)"}))[0] is DONE
    assert calls.read_text().splitlines() == [
        "show node c1",
        "update NodeName=c1 State=DRAIN Reason=provd-agent: fan; reboot\\n$(id)",
    ]


@pytest.mark.parametrize(
    ("kind", "result"), [(CommandKind.DRAIN, DONE), (CommandKind.RESUME, FAILED)], ids=["drain", "resume"]
)
@pytest.mark.parametrize("reason", ["maintenance [root@2026-11-30T16:00:00]", "provd: alpha: GPU 0 failed"])
def test_a_drain_of_somebody_else_stays(
    scontrol: Programs, reason: str, kind: CommandKind, result: CommandResult
) -> None:
    """Its reason is kept, and it is not ended; the daemon ends its own."""
    calls = scontrol(reason)
    assert executor().execute(replace(DRAIN, kind=kind))[0] is result
    assert calls.read_text().splitlines() == ["show node c1"]


def test_a_drain_without_a_reason_has_one_in_slurm(scontrol: Programs) -> None:
    """SLURM's users see who drained the node."""
    calls = scontrol("")
    executor().execute(replace(DRAIN, parameters={"reason": ""}))
    assert calls.read_text().splitlines()[-1].endswith("Reason=provd-agent: drained by the provider")


def test_a_drain_of_the_agent_is_ended(scontrol: Programs) -> None:
    """It is recognised by its reason."""
    calls = scontrol("provd-agent: fan [slurm@2026-11-30T16:00:00]")
    assert executor().execute(replace(DRAIN, kind=CommandKind.RESUME))[0] is DONE
    assert calls.read_text().splitlines()[-1] == "update NodeName=c1 State=RESUME"


@pytest.mark.parametrize(
    ("command", "output"),
    [
        (("sh", "-c", "echo no; exit 3"), "sh: exit status 3: no"),
        (("/nonexistent",), "/nonexistent: No such file or directory"),
        (("sleep", "60"), "sleep: no result after 0.1 s"),
    ],
)
def test_a_program_that_fails(monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], output: str) -> None:
    """The result is failed, with what is known."""
    monkeypatch.setattr(execution, "SECONDS", 0.1 if command[0] == "sleep" else 10)
    found = executor(shutdown_command=command).execute(replace(DRAIN, kind=CommandKind.SHUTDOWN))
    assert found == (FAILED, output)


def test_the_output_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """The collector refuses a heartbeat with more, and control characters are escaped."""
    update = ("sh", "-c", "printf '\\033[2J'; head -c 9000 /dev/zero | tr '\\0' x")
    result, output = executor(update_command=update).execute(replace(DRAIN, kind=CommandKind.UPDATE_AGENT))
    assert (result, len(output)) == (DONE, 4000)
    assert output.startswith("\\x1b[2Jxxx")
