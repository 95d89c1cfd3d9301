"""`provd keys rotate-plan`: real addresses, clusters and jobs, and commands that exist."""

import re
from pathlib import Path
from typing import Any

from typer.main import get_command

from provider_daemon.cli.app import app
from provider_daemon.config.model import default_toml
from provider_daemon.errors import ConfigError
from tests.unit.cli.shop import ADDRESSES, CHAIN_ID, example, shop


def exists(line: str) -> bool:
    """Whether the words of the line up to its first argument name a command."""
    command: Any = get_command(app)
    for word in line.split()[1:]:
        if not getattr(command, "commands", None):
            return True
        command = command.commands.get(word)
        if command is None:
            return False
    return not getattr(command, "commands", None)


async def test_plan(tmp_path: Path) -> None:
    """What must happen, with what is there: the old address and its sequence, the offering, the open job."""
    async with shop(tmp_path) as market:
        for name in ("register-cluster", "update-cluster", "create-offering", "submit-job"):
            await market.done(example("tx", name))
        config = tmp_path / "provd.toml"
        text = (
            default_toml()
            .replace("virtengine-localnet-1", CHAIN_ID)
            .replace("endpoints = [", f'endpoints = ["{market.env["PROVD_NODE"]}", ')
        )
        config.write_text(text)
        result = await market.run(f"keys rotate-plan -c {config} --new {ADDRESSES['bob']}")
        assert result.exit_code == 0, result.exception
        nowhere = await market.run(f"keys rotate-plan -c {config} --new bob")
        missing = await market.run(f"keys rotate-plan -c {config} --key other")
    lines = result.stdout.splitlines()
    assert lines[0].startswith(f"From {ADDRESSES['alice']} (sequence 3, ")
    assert lines[0].endswith(f"to {ADDRESSES['bob']}.")
    assert [line[:2] for line in lines if line[0].isdigit()] == [f"{number}." for number in range(1, 8)]
    assert "   HPC-1: JOB-1" in lines
    assert f"   provd tx hpc update-offering OFF-1 --inactive --from {ADDRESSES['alice']}" in lines
    commands = [match for line in lines for match in re.findall(r"provd (?:\S+ ?)+", line)]
    assert len(commands) >= 8
    assert all(exists(command) for command in commands)
    assert isinstance(missing.exception, ConfigError)
    assert str(nowhere.exception) == "invalid address: 'bob' (must be ve1...)"
