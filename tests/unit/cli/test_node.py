"""`provd node`: what operators see of compute nodes, and what they print and type for agents."""

import json
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from provider_daemon.cli import node_commands
from provider_daemon.cli.app import app
from provider_daemon.errors import LedgerError, Refused
from provider_daemon.ledger import nodes
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.node_protocol import token
from provider_daemon.node_store.rows import HeardFrom, KnownAgent, Registered
from provider_daemon.node_store.writer import NodeStoreWriter
from provider_daemon.nodes.command import CommandResult
from provider_daemon.nodes.report import (
    Capacity,
    Gpu,
    GpuState,
    Health,
    HealthStatus,
    Heartbeat,
    Registration,
    Services,
)
from tests.unit.control.nodes import heartbeat, node, report, write_config

HEALTH = Health(HealthStatus.HEALTHY)


def run(directory: Path, *words: str, exit_code: int = 0) -> Result:
    result = CliRunner().invoke(app, ["node", *words, "-c", str(directory / "provd.toml")])
    assert result.exit_code == exit_code, (words, result.output, result.exception)
    return result


def shown(directory: Path, *words: str) -> Any:
    return json.loads(run(directory, *words, "-o", "json").stdout)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A cluster with the nodes n1, with two GPUs, and n2, which is down; no daemon runs."""
    write_config(tmp_path)
    with closing(Ledger.open(tmp_path / "ledger.sqlite")) as ledger:
        first = heartbeat("alpha.n1", node("n1", gpus=2))
        second = heartbeat("alpha.n2~2", node("n2", usable=False))
        report(ledger, time.time() - 60, first, second, heartbeat("beta.n3", node("n3"), "HPC-2"))
    return tmp_path


def register(site: Path, host: str, seen_at: float, *gpus: Gpu) -> None:
    """An agent that registered and sent one heartbeat."""
    node_id = f"alpha.{host}"
    agent = KnownAgent(node_id, "HPC-1", f"key of {host}", "", seen_at, seen_at, 30)
    made = Registration(node_id, "HPC-1", "ve1p", agent.public_key, host, "f1", "1.2.0", Capacity(), HEALTH)
    services = Services(slurmd_running=True, munge_running=True)
    beat = Heartbeat(
        node_id, "HPC-1", 1, "2026-01-30T14:05:00Z", "1.2.0", Capacity(), HEALTH, services=services, gpus=gpus
    )
    with closing(NodeStoreWriter.open(site / "agents.sqlite")) as writer:
        writer.apply([Registered(agent, made, f"nonce of {host}", seen_at), HeardFrom(agent, beat)])


def rows(site: Path) -> list[list[str]]:
    return [line.split() for line in run(site, "list").stdout.splitlines()]


def test_tokens_are_printed_one_a_line(site: Path) -> None:
    """The host, and the token: what pdsh and sbatch roll out."""
    lines = [line.split(" ") for line in run(site, "token", "--for-all").stdout.splitlines()]
    assert [host for host, _ in lines] == ["n1", "n2"]
    assert [token.read(text).node_id for _, text in lines] == ["alpha.n1", "alpha.n2"]
    (found,) = shown(site, "token", "n2", "--valid-hours", "1")
    assert found["expires_at"] == pytest.approx(time.time() + 3600, abs=60)


def test_hosts_or_all_of_them(site: Path) -> None:
    """One of both; and without a heartbeat in the ledger nobody knows the hosts."""
    run(site, "token", exit_code=2)
    run(site, "token", "n1", "--for-all", exit_code=2)
    with closing(Ledger.open(site / "ledger.sqlite")) as ledger, ledger.write():
        ledger.prune_messages(time.time())
    unknown = run(site, "token", "--for-all", exit_code=1)
    assert isinstance(unknown.exception, Refused)
    assert "wait until the daemon has sent heartbeats" in str(unknown.exception)


def test_more_hosts_than_a_request_may_name(site: Path) -> None:
    """They are asked for in parts, in their order, each once."""
    hosts = [f"n{number}" for number in range(450)]
    assert [len(some) for some in node_commands.in_parts([*hosts, "n0"])] == [200, 200, 50]
    with closing(Ledger.open(site / "ledger.sqlite")) as ledger, ledger.write():
        ledger.prune_messages(time.time())
    lines = run(site, "token", *hosts[:201]).stdout.splitlines()
    assert [line.split()[0] for line in lines] == hosts[:201]


def test_list_shows_slurm_chain_and_agent(site: Path) -> None:
    """A line a node: with and without an agent, of this cluster alone."""
    heading, first, second = rows(site)
    assert heading == ["NODE", "SLURM", "CHAIN", "AGENT", "SEEN", "VERSION", "GPUS", "NOTE"]
    assert first == ["n1", "IDLE", "active", "-", "-", "-", "2/2"]
    assert second == ["n2", "DOWN", "offline", "-", "-", "-", "-"]
    run(site, "token", "n1", "n2")
    register(site, "n1", time.time() - 5, Gpu(0, GpuState.OK), Gpu(1, GpuState.FAILED, reason="XID 79"))
    _, first, second = rows(site)
    assert first[3:] == ["unhealthy", first[4], "s", "1.2.0", "2/2,", "1", "failed"]
    assert second[3] == "never"
    assert {each["host"]: each["node_id"] for each in shown(site, "list", "--cluster", "alpha")} == {
        "n1": "alpha.n1",
        "n2": "alpha.n2~2",
    }


def test_states_of_agents(site: Path) -> None:
    """Active, silent, revoked; unknown, and not absent, where the collector's database cannot be read."""
    run(site, "token", "n1", "n2")
    unread = run(site, "list")
    assert "agents are not shown" in unread.stderr
    assert {line[3] for line in rows(site)[1:]} == {"unknown"}
    register(site, "n1", time.time() - 5)
    register(site, "n2", time.time() - 500)
    assert [line[3] for line in rows(site)[1:]] == ["active", "silent"]
    assert run(site, "revoke", "n2", "--reason", "stolen").stdout == "n2: revoked\n"
    assert run(site, "revoke", "n1", "n2").stdout == "n1: revoked\nn2: was revoked already\n"
    assert [line[3] for line in rows(site)[1:]] == ["revoked", "revoked"]
    run(site, "token", "n1")
    assert rows(site)[1][3] == "never"  # its key from before the revocation stays refused


def test_drain_and_resume(site: Path) -> None:
    """A drained node is listed with the reason, whose text cannot start a line."""
    run(site, "token", "n1")
    register(site, "n1", time.time())
    done = run(site, "drain", "n1", "n2", "--reason", "new\nfan").stdout.splitlines()
    assert done[0].startswith("n1: drained, not sold; its agent gets command ")
    assert done[1] == "n2: drained, not sold"
    assert run(site, "drain", "n2", "--reason", "new\nfan").stdout == "n2: already drained, not sold\n"
    listed = run(site, "list").stdout.splitlines()
    assert listed[1].endswith("operator: new\\nfan; commands not answered: 1")
    assert listed[2].endswith("operator: new\\nfan")
    assert run(site, "resume", "n2").stdout == "n2: resumed\n"
    assert run(site, "resume", "n2").stdout == "n2: was not drained by an operator\n"
    assert run(site, "drain", "n9", "--reason", "x", exit_code=1).stdout == ""


def answer(monkeypatch: pytest.MonkeyPatch, site: Path, result: CommandResult, output: str) -> None:
    """Lets the daemon store an agent's answer in the first pause of the command that waits for it."""

    def pause(_seconds: float) -> None:
        with closing(Ledger.open(site / "ledger.sqlite")) as ledger, ledger.write():
            (waiting,) = nodes.open_commands(ledger)
            nodes.finish_command(ledger, waiting.command_id, result, output, time.time())

    monkeypatch.setattr(time, "sleep", pause)


def test_diagnose_prints_what_the_agent_found(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its output, which cannot move the cursor; the exit status is the result."""
    run(site, "diagnose", "n1", exit_code=1)
    run(site, "token", "n1")
    answer(monkeypatch, site, CommandResult.DONE, "gpu 0: ok\n\x1b[2Jdisk: ok")
    done = run(site, "diagnose", "n1")
    assert done.stdout == "gpu 0: ok\n\\x1b[2Jdisk: ok\n"
    assert "run_diagnostic done" in done.stderr
    answer(monkeypatch, site, CommandResult.REFUSED, "not in commands of agent.toml")
    refused = run(site, "shutdown", "n1", "--reason", "power", exit_code=1)
    assert "shutdown refused" in refused.stderr


def test_a_command_that_nobody_answers(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait ends some time after its deadline, and fails."""
    run(site, "token", "n1")
    real = time.time
    passed = [0.0]
    monkeypatch.setattr(time, "sleep", lambda _seconds: passed.append(passed[-1] + 200))
    monkeypatch.setattr(time, "time", lambda: real() + passed[-1])
    late = run(site, "update-agent", "n1", exit_code=1)
    assert "update_agent not answered" in late.stderr
    assert passed[-1] > 3600


def test_show_has_everything_of_one_node(site: Path) -> None:
    """With its agent's last report and the commands to it; an unknown host is refused."""
    run(site, "token", "n1")
    register(site, "n1", time.time(), Gpu(0, GpuState.OK, uuid="GPU-1"))
    run(site, "drain", "n1", "--reason", "fan")
    lines = run(site, "show", "n1").stdout.splitlines()
    assert "GPU-1" in [line.split()[-1] for line in lines if line.startswith("report.heartbeat.gpus")]
    found = shown(site, "show", "n1")
    assert (found["chain_state"], found["agent"], found["report"]["hostname"]) == ("active", "active", "n1")
    assert [each["kind"] for each in found["commands"]] == ["drain"]
    assert shown(site, "show", "n2")["report"] is None
    assert "n7 is not known" in str(run(site, "show", "n7", exit_code=1).exception)


def test_without_a_collector(site: Path) -> None:
    """No token can be issued, and all nodes are listed as before."""
    file = site / "provd.toml"
    file.write_text(file.read_text().partition("[collector]")[0])
    assert "[collector]" in str(run(site, "token", "n1", exit_code=1).exception)
    assert [line[3] for line in rows(site)[1:]] == ["-", "-"]
    assert run(site, "drain", "n1", "--reason", "fan").stdout == "n1: drained, not sold\n"


def test_without_a_ledger(site: Path) -> None:
    """In one line."""
    (site / "ledger.sqlite").unlink()
    assert isinstance(run(site, "list", exit_code=1).exception, LedgerError)


def test_an_unknown_cluster(site: Path) -> None:
    """Named with those that are served."""
    assert "the clusters are HPC-1 (alpha)" in str(run(site, "list", "--cluster", "x", exit_code=1).exception)
