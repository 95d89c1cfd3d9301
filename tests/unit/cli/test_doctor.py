"""`provd doctor`: what an operator and his monitoring read."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click import unstyle
from typer.testing import CliRunner, Result

from provider_daemon.cli.app import app
from provider_daemon.cli.doctor import Line, on_terminal
from provider_daemon.config.model import Config, default_toml
from provider_daemon.doctor.facts import Scene
from provider_daemon.doctor.finding import CheckOutcome, Unknown
from provider_daemon.doctor.registry import CHECKS
from tests.unit.doctor.broken import no_controller
from tests.unit.doctor.healthy import SCENE, host, setting, slurm


def run(monkeypatch: pytest.MonkeyPatch, directory: Path, scene: Scene, *arguments: str) -> Result:
    async def look(config: Config, config_file: Path) -> Scene:
        return scene

    monkeypatch.setattr("provider_daemon.doctor.gather.gather", look)
    config = directory / "provd.toml"
    config.write_text(default_toml())
    return CliRunner().invoke(app, ["doctor", "-c", str(config), *arguments])


def test_all_is_well(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Exit 0: a heading a section, a line a check, and how many there were."""
    result = run(monkeypatch, tmp_path, SCENE)
    lines = result.output.splitlines()
    assert result.exit_code == 0
    assert [line for line in lines if not line.startswith("  ")][:-1] == [
        "This host",
        "The ledger",
        "The chain",
        "The key's account (main)",
        "SSH (alpha)",
        "SLURM (alpha)",
        "Unix users of customers (alpha)",
        "The cluster on chain (alpha)",
        "Gateway, data mover and collector",
    ]
    assert "  ok      slurm-min-job-age         MinJobAge is 300 s" in lines
    assert lines[-1].startswith(f"{len(CHECKS)} checks: {len(CHECKS)} ok; ")


def test_a_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Exit 1; what to do stands below the line, in its column."""
    result = run(monkeypatch, tmp_path, setting("MinJobAge", "2 sec"))
    lines = result.output.splitlines()
    place = lines.index("  FAIL    slurm-min-job-age         MinJobAge is 2 s")
    assert lines[place + 1] == f"{'':36}set MinJobAge=300 (its default) in slurm.conf"
    assert result.exit_code == 1


def test_failures_stand_at_the_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A failed check is repeated under its heading, after all others, with what to do."""
    lines = run(monkeypatch, tmp_path, setting("MinJobAge", "2 sec")).output.splitlines()
    assert lines[-6:-1] == [
        "",
        f"Failed: 1 of {len(CHECKS)} checks",
        "SLURM (alpha)",
        "  FAIL    slurm-min-job-age         MinJobAge is 2 s",
        f"{'':36}set MinJobAge=300 (its default) in slurm.conf",
    ]


def test_on_a_terminal() -> None:
    """Lines are wrapped at words into the column of their text, and coloured by their outcome."""
    line = Line(f"  {'WARN':<8}{'slurm-containment':<26}" + "word " * 20, 36, CheckOutcome.WARN)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "80")
        shown = list(on_terminal([line, Line("The ledger")]))
    plain = [unstyle(each) for each in shown]
    assert max(map(len, plain)) <= 80
    assert [each[:36].strip() for each in plain] == ["WARN    slurm-containment", "", "", "The ledger"]
    assert " ".join(each[36:] for each in plain[:3]).split() == ["word"] * 20
    assert [each != bare for each, bare in zip(shown, plain, strict=True)] == [True, True, True, False]


def test_a_warning_is_no_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    result = run(monkeypatch, tmp_path, setting("ProctrackType", "proctrack/linuxproc"))
    assert (result.exit_code, "  WARN    slurm-containment" in result.output) == (0, True)


def test_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The named checks alone; one that was skipped brings the check that tells why."""
    result = run(monkeypatch, tmp_path, SCENE, "--only", "slurm-nodes", "--only", "chain-id")
    assert [line.split()[1] for line in result.output.splitlines() if line.startswith("  ")] == [
        "chain-id",
        "slurm-nodes",
    ]
    result = run(monkeypatch, tmp_path, no_controller(), "--only", "slurm-nodes")
    assert [line.split()[:2] for line in result.output.splitlines() if line.startswith(("  s", "  F"))] == [
        ["FAIL", "slurm-controller"],
        ["skipped", "slurm-nodes"],
        ["FAIL", "slurm-controller"],
    ]
    assert result.exit_code == 1


def test_nothing_was_looked_at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Exit 2 where all that was asked for was skipped, and for a name that is no check's."""
    scene = host(unit=Unknown("this host does not run systemd"))
    assert run(monkeypatch, tmp_path, scene, "--only", "host-watchdog").exit_code == 2
    result = run(monkeypatch, tmp_path, SCENE, "--only", "slurm")
    assert result.exit_code == 2
    assert "'slurm'" in result.output


def test_json(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One document with every check, whatever was found."""
    result = run(monkeypatch, tmp_path, no_controller(), "-o", "json")
    document = json.loads(result.output)
    rows = {row["name"]: row for row in document["checks"]}
    assert result.exit_code == 1
    assert list(rows) == [check.name for check in CHECKS]
    assert rows["slurm-controller"] == {
        "name": "slurm-controller",
        "section": "slurm",
        "subject": "alpha",
        "outcome": "fail",
        "seen": "Unable to contact slurm controller",
        "todo": "check that slurmctld runs: `scontrol ping`",
        "because": "",
    }
    assert rows["slurm-nodes"]["because"] == "slurm-controller"
    assert document["seconds"] >= 0


def test_a_strangers_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What SLURM or a node says cannot move the cursor or start a line."""
    scene = slurm(trials={"standard": (False, "no\n  ok      slurm-nodes \x1b[2J"), "fast": (True, "")})
    result = run(monkeypatch, tmp_path, replace(scene), "--only", "slurm-submission")
    assert all(line.isprintable() for line in result.output.splitlines())
    assert sum(line.startswith("  ok") for line in result.output.splitlines()) == 0
