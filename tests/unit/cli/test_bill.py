"""`provd bill`: estimates from files, and explanations from a chain in this process."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from typer.testing import CliRunner, Result

from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2
from provider_daemon.chain.proto.virtengine.hpc.v1.tx_pb2 import MsgUpdateOffering
from provider_daemon.cli.app import app
from provider_daemon.config.model import default_toml
from provider_daemon.devnet.context import ChainRules
from provider_daemon.errors import ConfigError, Refused
from provider_daemon.job.state import State
from provider_daemon.job.usage import Usage
from provider_daemon.ledger.ledger import Ledger
from tests.fakes.chain import ALICE, CHAIN_ID, PROVIDER, TestChain, cancel, job, report
from tests.unit.job.jobs import JOB

USAGE = {
    "wall_clock_seconds": "3600",
    "cpu_core_seconds": "14400",
    "memory_gb_seconds": "28800",
    "gpu_seconds": "3600",
    "storage_gb_hours": "10",
    "network_bytes_in": str(2**30),
    "network_bytes_out": str(2**30),
    "node_hours": "1",
    "nodes_used": 1,
    "gpu_type": "a100",
}


def estimate(*arguments: object, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, ["bill", "estimate", *map(str, arguments)], input=stdin)


@pytest.mark.parametrize("form", ["json", "yaml", "toml"])
def test_estimate_of_usage(tmp_path: Path, form: str) -> None:
    """Each component, the total, fee and reward, from a file in any of three forms."""
    path = tmp_path / f"usage.{form}"
    toml = "\n".join(f"{name} = {json.dumps(value)}" for name, value in USAGE.items())
    yaml = "\n".join(f"{name}: {value}" for name, value in USAGE.items())
    path.write_text({"json": json.dumps(USAGE), "yaml": yaml, "toml": toml}[form])
    result = estimate("--usage", path, "-o", "json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert [found[part] for part in ("cpu", "memory", "gpu", "storage", "network", "node")] == [
        40_000,
        40_000,
        150_000,
        1_000,
        2_000,
        50_000,
    ]
    assert [found[name] for name in ("subtotal", "total", "platform_fee", "provider_reward")] == [
        283_000,
        283_000,
        7_075,
        275_925,
    ]
    assert (found["platform_fee_percent"], found["provider_reward_percent"], found["rates"]["gpu"]) == (
        "2.5",
        "97.5",
        "150000",
    )
    assert (found["discounts"], found["caps"], found["quantities"]["network"]) == ([], [], "2")


def test_estimate_as_a_table() -> None:
    """The same for people; standard input is `-`."""
    lines = [line.split() for line in estimate("--usage", "-", stdin=json.dumps(USAGE)).stdout.splitlines()]
    assert ["gpu", "1", "GPU-hours", "150000", "150000"] in lines
    assert ["total", "283000"] in lines
    assert ["platform", "fee", "2.5%", "7075"] in lines
    assert ["provider", "reward", "97.5%", "275925"] in lines


def test_estimate_by_other_rules(tmp_path: Path) -> None:
    """Discounts, queue-time credit, caps and minimum are shown where there are any, and a node operators'
    share."""
    rules: dict[str, Any] = {
        "discounts": [{"rule_id": "five", "type": "bundle", "basis_points": 500}],
        "queue_credit": {"basis_points_a_minute": 10},
        "caps": [{"cap_id": "each", "type": "per_job", "amount": 5_000}],
        "provider_reward_bps": 8_000,
        "node_reward_bps": 1_500,
    }
    (tmp_path / "rules.json").write_text(json.dumps(rules))
    usage = json.dumps({**USAGE, "purchase": {"queued_seconds": 3_660}})
    lines = estimate("--usage", "-", "--rules", tmp_path / "rules.json", stdin=usage).stdout.splitlines()
    assert [line.split() for line in lines[8:]] == [
        ["discount", "five", "bundle", "-14150"],
        ["queue-time", "credit", "-283"],
        ["cap", "each", "per_job", "-263567"],
        ["minimum", "charge", "5000"],
        ["total", "10000"],
        ["platform", "fee", "2.5%", "250"],
        ["provider", "reward", "80%", "8000"],
        ["node", "reward", "15%", "1500"],
        ["remainder", "250"],
    ]


def test_estimate_of_a_job() -> None:
    """All that it asks for, until its limit."""
    asked = {"nodes": 2, "cpu_cores_per_node": 4, "memory_gb_per_node": 8}
    submission = json.dumps({"offering_id": "OFF-1", "resources": asked, "max_runtime_seconds": "1800"})
    found = json.loads(estimate("--spec", "-", "-o", "json", stdin=submission).stdout)
    assert [found[part] for part in ("cpu", "memory", "node", "total")] == [40_000, 40_000, 50_000, 130_000]


@pytest.mark.parametrize(
    ("arguments", "stdin", "problem"),
    [
        ([], "", "exactly one of --usage and --spec is required"),
        (["--usage", "-", "--spec", "-"], "", "exactly one of --usage and --spec is required"),
        (["--usage", "/nowhere.json"], "", "/nowhere.json cannot be read"),
        (["--usage", "-"], "a: [", "-: while parsing"),
        (["--usage", "-"], "cpu: 1", "usage: cpu: there is no such field"),
        (["--spec", "-"], "{}", "job: resources: Field required"),
        (["--usage", "-", "--rules", "-"], "fee: 1", "rules: fee: there is no such field"),
    ],
)
def test_estimate_names_the_mistake(arguments: list[str], stdin: str, problem: str) -> None:
    """Of the command line, of the file as a file, of what stands in it."""
    result = estimate(*arguments, stdin=stdin)
    assert isinstance(result.exception, ConfigError)
    assert result.exception.problems[0].startswith(problem)


def test_broken_json_and_toml(tmp_path: Path) -> None:
    """The place where it broke, in one line."""
    for name in ("usage.json", "usage.toml"):
        path = tmp_path / name
        path.write_text("= [")
        result = estimate("--usage", path)
        assert isinstance(result.exception, ConfigError)
        assert result.exception.problems[0].startswith(f"{path}: ")
        assert "\n" not in result.exception.problems[0]


# --- explain ---

USED = Usage(3600, 7200, 14_400, node_hours=1, nodes_used=1)


@pytest_asyncio.fixture
async def shop() -> AsyncIterator[TestChain]:
    """JOB-1 runs: two cores, 4 GB, one node, ten minutes at most."""
    chain = await TestChain().start()
    await chain.open_shop()
    assert (await chain.send(ALICE, job())).ok
    assert (await chain.send(PROVIDER, report("queued"), report("running"))).ok
    yield chain
    await chain.stop()


async def explain(chain: TestChain, *arguments: object, chain_id: str = CHAIN_ID) -> Result:
    node = ["--node", f"127.0.0.1:{chain.devnet.port}", "--chain-id", chain_id]
    return await asyncio.to_thread(
        CliRunner().invoke, app, ["bill", "explain", "JOB-1", *node, *map(str, arguments)]
    )


async def complete(chain: TestChain) -> None:
    used = types_pb2.HPCUsageMetrics(
        wall_clock_seconds=3600, cpu_core_seconds=7200, memory_gb_seconds=14_400, node_hours=1, nodes_used=1
    )
    assert (await chain.send(PROVIDER, report("completed", usage_metrics=used))).ok


async def test_explain_a_settled_job(shop: TestChain, tmp_path: Path) -> None:
    """What SLURM measured stands in the ledger, what was reported in the transaction, what was billed in the
    accounting."""
    await complete(shop)
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    with ledger.write():
        spec = replace(JOB.spec, job_id="JOB-1", chain_id=CHAIN_ID)
        ledger.save_job(
            replace(
                JOB,
                spec=spec,
                state=State.COMPLETED,
                slurm_id="77",
                usage=replace(USED, cpu_core_seconds=7201),
            )
        )
    ledger.close()
    config = tmp_path / "provd.toml"
    settings = default_toml().replace("/var/lib/provd/ledger.sqlite", str(tmp_path / "ledger.sqlite"))
    config.write_text(settings.replace("virtengine-localnet-1", CHAIN_ID))
    result = await explain(shop, "--config", config, "-o", "json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["components"][0] == {
        "component": "cpu", "unit": "core-seconds", "measured": 7201, "reported": 7200, "billed": 7200,
        "amount": 20_000,
    }  # fmt: skip
    assert (found["total"], found["charged"], found["agrees"], found["billed_on"]) == (
        90_000,
        90_000,
        True,
        "the reported usage",
    )
    assert (found["platform_fee"], found["provider_reward"]) == (2_250, 87_750)


async def test_explain_without_a_ledger(shop: TestChain) -> None:
    """The chain alone is asked; nobody said what SLURM measured."""
    await complete(shop)
    lines = [line.split() for line in (await explain(shop)).stdout.splitlines()]
    assert lines[0] == ["JOB-1:", "the", "bill", "is", "based", "on", "the", "reported", "usage"]
    assert ["memory", "GB-seconds", "-", "14400", "14400", "20000"] in lines
    assert ["total", "90000"] in lines


async def test_explain_a_cancelled_job(shop: TestChain) -> None:
    """No report ended it: billed on what it asked for, to the cancel, with decimal node-hours."""
    shop.block(299)
    assert (await shop.send(ALICE, cancel())).ok
    result = await explain(shop, "-o", "json")
    found = json.loads(result.stdout)
    assert (found["components"][0]["reported"], found["components"][0]["billed"]) == (None, 600)
    assert found["components"][-1]["amount"] == 50_000 * 300 // 3600
    assert (result.exit_code, found["agrees"], found["total"]) == (0, True, 10_000)
    assert found["billed_on"].startswith("the requested resources until it was cancelled")


async def test_explain_a_forecast() -> None:
    """A chain that settles nothing: what it would come to."""
    chain = await TestChain(rules=ChainRules(chain_id=CHAIN_ID, settlement="published")).start()
    await chain.open_shop()
    assert (await chain.send(ALICE, job())).ok
    assert (await chain.send(PROVIDER, report("queued"), report("running"))).ok
    await complete(chain)
    result = await explain(chain)
    await chain.stop()
    assert result.exit_code == 0
    assert result.stdout.startswith(
        "JOB-1: the bill is an estimate, because the chain has not settled the job\n"
    )
    assert ["total", "90000"] in [line.split() for line in result.stdout.splitlines()]


async def test_explain_other_rules_on_chain() -> None:
    """The sums differ: exit 1, and both are named."""
    from provider_daemon.money.rules import Rules as Billing

    chain = await TestChain(
        rules=ChainRules(chain_id=CHAIN_ID, billing=Billing(minimum_charge=95_000))
    ).start()
    await chain.open_shop()
    assert (await chain.send(ALICE, job())).ok
    assert (await chain.send(PROVIDER, report("queued"), report("running"))).ok
    await complete(chain)
    result = await explain(chain)
    await chain.stop()
    assert result.exit_code == 1
    assert "the chain charged 95000 uvirt, but the offering's prices give 90000 uvirt" in " ".join(
        result.stdout.split()
    )


PRICES = types_pb2.HPCPricing(cpu_core_hour_price="30000", currency="uvirt")


def repriced(pricing: types_pb2.HPCPricing) -> MsgUpdateOffering:
    queues = [
        types_pb2.QueueOption(partition_name="standard"),
        types_pb2.QueueOption(partition_name="fast", price_multiplier="1.5"),
    ]
    return MsgUpdateOffering(
        provider_address=PROVIDER.address,
        offering_id="OFF-1",
        active=True,
        queue_options=queues,
        pricing=pricing,
    )


async def test_estimate_by_the_prices_of_an_offering(shop: TestChain) -> None:
    """As the chain has them; the queue is needed where its multiplier matters."""
    assert (await shop.send(PROVIDER, repriced(PRICES))).ok
    chain = ["--node", f"127.0.0.1:{shop.devnet.port}", "--chain-id", CHAIN_ID, "--usage", "-"]

    async def priced(*more: str) -> Result:
        arguments = ["bill", "estimate", *chain, *more]
        return await asyncio.to_thread(CliRunner().invoke, app, arguments, input=json.dumps(USAGE))

    found = json.loads((await priced("--offering", "OFF-1", "--queue", "fast", "-o", "json")).stdout)
    assert (found["cpu"], found["rates"]["cpu"], found["node"]) == (180_000, "45000", 75_000)
    lines = (await priced("--offering", "OFF-1", "--queue", "standard")).stdout.splitlines()
    assert ["cpu", "4", "core-hours", "30000", "120000"] in [line.split() for line in lines]
    for arguments, why in (
        (["--offering", "OFF-1"], "the prices of OFF-1 differ by queue: use --queue with standard, fast"),
        (["--offering", "OFF-1", "--queue", "slow"], "OFF-1 has no queue slow: it has standard, fast"),
        (["--offering", "OFF-9"], "OFF-9 does not exist on chain"),
        (["--queue", "fast"], "--queue requires --offering"),
    ):
        assert str((await priced(*arguments)).exception) == why


async def test_explain_by_the_prices_at_submission(shop: TestChain) -> None:
    """A later price changes neither the bill nor its explanation."""
    assert (await shop.send(PROVIDER, repriced(PRICES))).ok
    assert (await shop.send(ALICE, job(queue_name="fast"))).ok
    assert (await shop.send(PROVIDER, report("queued", "JOB-2"), report("running", "JOB-2"))).ok
    assert (await shop.send(PROVIDER, repriced(types_pb2.HPCPricing()))).ok
    used = types_pb2.HPCUsageMetrics(wall_clock_seconds=3540, cpu_core_seconds=7080, nodes_used=1)
    assert (await shop.send(PROVIDER, report("completed", "JOB-2", usage_metrics=used))).ok
    node = ["--node", f"127.0.0.1:{shop.devnet.port}", "--chain-id", CHAIN_ID]
    result = await asyncio.to_thread(CliRunner().invoke, app, ["bill", "explain", "JOB-2", *node])
    lines = result.stdout.splitlines()
    assert (result.exit_code, max(map(len, lines)) <= 80) == (0, True)
    assert lines[2].split() == ["cpu", "core-seconds", "-", "7080", "7080", "88499"]
    assert "time is billed in steps of 60 s: 3540 s as 3540 s" in result.stdout


async def test_explain_an_unknown_job(shop: TestChain) -> None:
    node = ["--node", f"127.0.0.1:{shop.devnet.port}", "--chain-id", CHAIN_ID]
    result = await asyncio.to_thread(CliRunner().invoke, app, ["bill", "explain", "JOB-9", *node])
    assert isinstance(result.exception, Refused)
    assert str(result.exception) == "JOB-9 does not exist on chain"
