"""A devnet in this process that makes its own blocks, and people whose keys are in a keyring as the commands
find it."""

import asyncio
import hashlib
import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from typer.main import get_command
from typer.testing import CliRunner, Result

from provider_daemon.chain import keys
from provider_daemon.cli.app import app
from provider_daemon.client.keystore import Keystore
from provider_daemon.config.model import default_toml
from provider_daemon.devnet.context import ChainRules
from provider_daemon.devnet.server import Devnet
from tests.fakes.chain import person

CHAIN_ID = "cli-1"
PASSPHRASE = "a passphrase"
PEOPLE = ("alice", "bob", "governor")
PROVD: Any = get_command(app)
ADDRESSES = {name: person(name).address for name in PEOPLE}


def example(group: str, name: str) -> str:
    """The command line that the help of `provd <group> hpc <name>` shows, without `provd`."""
    command = PROVD
    for word in (group, "hpc", name):
        command = command.commands[word]
    return str(command.epilog).partition("Example:\n")[2].strip().removeprefix("provd ")


def secret(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


@dataclass
class Shop:
    """`run` is a shell line without `provd`, with the environment that a person would set once."""

    directory: Path
    devnet: Devnet
    env: dict[str, str] = field(default_factory=dict)

    async def run(self, line: str, stdin: str = "") -> Result:
        return await asyncio.to_thread(self.invoke, line, stdin)

    def invoke(self, line: str, stdin: str = "") -> Result:
        words = shlex.split(line.replace("\\\n", " "))
        return CliRunner().invoke(app, words, input=stdin, env=self.env)

    async def done(self, line: str) -> Result:
        result = await self.run(line + " -y")
        assert result.exit_code == 0, (line, result.output, result.exception)
        return result


@asynccontextmanager
async def shop(
    directory: Path, queries: str = "all", block_seconds: float = 0.02, **rules: Any
) -> AsyncIterator[Shop]:
    """alice, bob and governor are funded; governor governs."""
    funds = {address: {"uve": 10**12, "uvirt": 10**12} for address in ADDRESSES.values()}
    devnet = Devnet(
        rules=ChainRules(chain_id=CHAIN_ID, authority=ADDRESSES["governor"], **rules),
        queries=queries,
        block_seconds=block_seconds,
        funds=funds,
    )
    await devnet.start()
    keys.write_private(str(directory / "passphrase"), PASSPHRASE)
    for name in PEOPLE:
        Keystore(directory / "keys").add(name, secret(name), PASSPHRASE)
    # of a daemon that does not run
    (directory / "provd.toml").write_text(default_toml().replace("/var/lib/provd", str(directory)))
    env = {
        "PROVD_NODE": f"127.0.0.1:{devnet.port}",
        "PROVD_CHAIN_ID": CHAIN_ID,
        "PROVD_KEYRING_DIR": str(directory / "keys"),
        "PROVD_PASSPHRASE_FILE": str(directory / "passphrase"),
        "PROVD_CONFIG": str(directory / "provd.toml"),
    }
    try:
        yield Shop(directory, devnet, env)
    finally:
        await devnet.stop()
