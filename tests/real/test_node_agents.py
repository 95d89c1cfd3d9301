"""Real node agents on a real site: a GPU that dies and recovers, and an agent that dies."""

import json
import os
import signal
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from provider_daemon.agent.samplers import nvidia
from provider_daemon.chain.proto.virtengine.hpc.v1.types_pb2 import NodeMetadata
from provider_daemon.demo.environment import Environment
from provider_daemon.demo.market import CLUSTER
from provider_daemon.ledger import meta
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.nodes.condition import RECOVERY_SECONDS, SILENT_SECONDS
from tests.real.conftest import staged
from tests.waiting import until

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("real-slurm")]

LIMIT_SECONDS = 40
TOOL = """#!/bin/sh
case $1 in
--help-query-gpu) printf '"%s"\\n' {fields} ;;
*) cat {answer} ;;
esac
"""


class Gpus:
    """What nvidia-smi prints on every node with an agent."""

    def __init__(self, directory: Path) -> None:
        self._answer = directory / "gpus.csv"
        tool = directory / "nvidia-smi"
        tool.write_text(TOOL.format(fields=" ".join(nvidia.FIELDS), answer=self._answer))
        tool.chmod(0o755)
        self.answer(errors=0)

    def answer(self, errors: int) -> None:
        """`errors`: uncorrectable memory errors of the second GPU."""
        lines = [
            f"{index}, 00000000:{index + 1}B:00.0, GPU-{index}, NVIDIA A100-SXM4-80GB, 81920, 0, 0, 31, {ecc}"
            for index, ecc in enumerate((0, errors))
        ]
        self._answer.write_text("\n".join(lines))


class Stage:
    def __init__(self, made: Environment) -> None:
        assert made.agents
        self.made, self.agents = made, made.agents
        self.ledger = made.directory / "ledger.sqlite"

    async def node(self, host: str) -> NodeMetadata:
        found = await self.made.market.chain.query.node(f"demo.{host}")
        return found or NodeMetadata()

    async def both(self) -> bool:
        return all([(await self.node(host)).agent_pubkey for host in ("n1", "n2")])

    async def gpus(self, host: str, wanted: int) -> None:
        """Waits until so many GPUs of the node are for sale."""

        async def sold() -> bool:
            node = await self.node(host)
            return node.active and node.resources.gpus == wanted

        await until(f"{wanted} GPUs of {host} for sale", sold, LIMIT_SECONDS)

    async def falls_back(self) -> bool:
        """Whether the chain shows the job on n2, and no longer how its agent found it."""
        node = await self.node("n2")
        return node.capacity.cpu_cores_allocated > 0 and not node.health.uptime_seconds

    def again(self, host: str) -> None:
        """Starts the node's agent again: its first heartbeat is sent at once."""
        self.agents.started[host].stop()
        self.agents.started[host].start()

    def events(self, name: str) -> list[dict[str, object]]:
        lines = [json.loads(line) for line in self.made.daemon.log.read_text().splitlines()]
        return [line for line in lines if line["event"] == name]

    def recovering(self) -> bool:
        """Moves back the time since which the GPUs work again. Returns whether there is such a time."""
        with closing(Ledger.open(self.ledger, lock=False)) as ledger, ledger.write():
            found = ledger.get(meta.failed_gpus(CLUSTER))
            if not found or not all(all(each.good_since.values()) for each in found.values()):
                return False
            moved = {
                host: replace(
                    each,
                    good_since={gpu: since - RECOVERY_SECONDS for gpu, since in each.good_since.items()},
                )
                for host, each in found.items()
            }
            ledger.set(meta.failed_gpus(CLUSTER), moved)
        return True

    def move_back_last_heartbeat(self, host: str) -> None:
        with closing(sqlite3.connect(self.made.directory / "agents.sqlite")) as database, database:
            database.execute(
                "UPDATE agents SET seen_at = seen_at - ? WHERE hostname = ?", (SILENT_SECONDS, host)
            )


async def test_a_gpu_and_an_agent_that_die(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dead GPU is not sold, and is sold again after it recovered.

    A node whose agent was killed stays active, is reported from SLURM, and the log names it. The test moves
    two stored times back, in place of 90 and 120 seconds of waiting.
    """
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    gpus = Gpus(tmp_path)
    async with staged(agents=True) as made:
        stage = Stage(made)
        made.config.write_text(
            made.config.read_text().replace("\nheartbeat_seconds = 15\n", "\nheartbeat_seconds = 5\n")
        )
        made.daemon.signal(signal.SIGHUP)
        await until("the chain has both agents", stage.both, LIMIT_SECONDS)
        assert (await stage.node("n1")).resources.gpus == 2
        assert (await stage.node("n3")).agent_pubkey == ""
        key = (await stage.node("n2")).agent_pubkey

        gpus.answer(errors=3)
        stage.again("n1")
        await stage.gpus("n1", 1)

        gpus.answer(errors=0)
        for host in ("n1", "n2"):
            stage.again(host)
        await until("its GPUs work again", stage.recovering, LIMIT_SECONDS)
        await stage.gpus("n1", 2)
        assert [event["node"] for event in stage.events("gpus_failed")].count("n1") == 1

        stage.agents.started["n2"].kill()
        stage.move_back_last_heartbeat("n2")
        await until("the agent is silent", lambda: stage.events("node_agents_silent"), LIMIT_SECONDS)
        site = stage.agents.site
        site.run("sbatch", "-A", site.account, "-w", "n2", "-o", "/dev/null", "--wrap", "sleep 60")
        await until("n2 is reported from SLURM", stage.falls_back, LIMIT_SECONDS)
        last = await stage.node("n2")
        assert (last.active, last.agent_pubkey) == (True, key)
        assert [event["nodes"] for event in stage.events("node_agents_silent")] == [["demo.n2"]]
