"""`provd tx hpc`: the twelve transactions against a devnet, and what is refused before anything is signed."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from typer.main import get_command

from provider_daemon.audit_log.operator import user
from provider_daemon.cli.app import app
from provider_daemon.config.model import default_toml
from provider_daemon.errors import ConfigError, Refused
from provider_daemon.ledger.ledger import Ledger
from tests.unit.audit_log.recorded import records
from tests.unit.cli.shop import ADDRESSES, CHAIN_ID, PASSPHRASE, Shop, example, shop

COMMANDS: dict[str, Any] = get_command(app).commands["tx"].commands["hpc"].commands  # type: ignore[attr-defined]


@pytest_asyncio.fixture
async def market(tmp_path: Path) -> AsyncIterator[Shop]:
    async with shop(tmp_path) as opened:
        yield opened


def test_there_are_twelve() -> None:
    assert len(COMMANDS) == 12


async def test_every_example_works(market: Shop) -> None:
    """In an order that makes sense; each prints what it made and its transaction."""
    order = [
        "register-cluster",
        "update-cluster",
        "create-offering",
        "update-node-metadata",
        "submit-job",
        "report-job-status",
        "flag-dispute",
        "resolve-dispute",
        "update-params",
        "cancel-job",
        "update-offering",
        "deregister-cluster",
    ]
    assert sorted(order) == sorted(COMMANDS)
    said = {name: (await market.done(example("tx", name))).stdout for name in order}
    assert all("tx: " in text and "height: " in text for text in said.values())
    made = {name: text.splitlines()[0] for name, text in said.items()}
    assert made["register-cluster"] == "cluster_id: HPC-1"
    assert made["create-offering"] == "offering_id: OFF-1"
    assert made["submit-job"] == "job_id: JOB-1"
    assert said["submit-job"].splitlines()[1].startswith("escrow_id: ")
    assert made["flag-dispute"] == "dispute_id: hpc-dispute-2"


async def test_the_published_chain_names_a_dispute_otherwise(tmp_path: Path) -> None:
    """Its answer says DSP-1; the id that can be resolved is looked up, from the raw store."""
    async with shop(tmp_path, "none", compat="published", settlement="published") as market:
        for name in ("register-cluster", "update-cluster", "create-offering", "submit-job"):
            await market.done(example("tx", name))
        said = (await market.done(example("tx", "flag-dispute"))).stdout
        assert said.startswith("dispute_id: hpc-dispute-2\nanswered_dispute_id: DSP-1\n")
        await market.done(example("tx", "resolve-dispute"))


async def test_the_report_of_a_hand_is_signed_as_the_daemons(market: Shop) -> None:
    """`provd evidence verify` takes it."""
    for name in ("register-cluster", "update-cluster", "create-offering", "submit-job", "report-job-status"):
        await market.done(example("tx", name))
    node = f"--node {market.env['PROVD_NODE']} --chain-id {market.env['PROVD_CHAIN_ID']}"
    result = await market.run(f"evidence verify JOB-1 {node}")
    assert (result.exit_code, "queued     verified" in result.stdout) == (0, True)


SEEDS = 'tx hpc register-cluster --name "Test Cluster" --region "us-west-2" --total-nodes 10 --from alice'


async def test_asks_before_it_signs(market: Shop) -> None:
    """Without -y: no is no, and nothing is sent; yes shows the message first."""
    refused = await market.run(SEEDS, "n\n")
    assert (refused.exit_code, "txhash" in refused.output) == (1, False)
    taken = await market.run(SEEDS, "y\n")
    assert taken.exit_code == 0, taken.output
    assert '"total_nodes": 10' in taken.stderr
    assert "cluster_id: HPC-1\n" in taken.stdout


async def test_passphrase_is_asked_for(market: Shop) -> None:
    """The line as printed in the module's report, with nothing but the environment set."""
    market.env["PROVD_PASSPHRASE_FILE"] = ""
    result = await market.run(SEEDS, f"{PASSPHRASE}\ny\n")
    assert result.exit_code == 0, result.output
    assert PASSPHRASE not in result.output


async def test_json(market: Shop) -> None:
    """TxResponse as a Cosmos gateway prints it, and the ids."""
    result = await market.done(f"{SEEDS} -o json --note hello --fees 9000uve")
    document = json.loads(result.stdout)
    assert (document["code"], document["ids"], document["codespace"]) == (0, {"cluster_id": "HPC-1"}, "")
    assert int(document["height"]) > 0
    assert len(document["txhash"]) == 64


async def test_dry_run_and_generate_only(market: Shop) -> None:
    """Neither changes the chain; the unsigned transaction is what a Cosmos client signs, with a timeout
    height."""
    priced = await market.run(f"{SEEDS} --dry-run -o json")
    assert int(json.loads(priced.stdout)["gas_limit"]) > 80_000
    made = await market.run(f"{SEEDS} --generate-only".replace("alice", ADDRESSES["alice"]) + " --gas 200000")
    document = json.loads(made.stdout)
    (message,) = document["body"]["messages"]
    assert message["@type"] == "/virtengine.hpc.v1.MsgRegisterCluster"
    assert message["provider_address"] == ADDRESSES["alice"]
    assert int(document["body"]["timeout_height"]) > 20
    assert document["auth_info"]["fee"] == {
        "amount": [{"denom": "uve", "amount": "5000"}],
        "gas_limit": "200000",
        "payer": "",
        "granter": "",
    }
    assert (await market.done(SEEDS)).stdout.startswith("cluster_id: HPC-1\n")


async def test_no_wait(market: Shop) -> None:
    """The hash alone, for who follows it otherwise."""
    result = await market.done(f"{SEEDS} --no-wait")
    assert result.stdout.startswith("tx: ")
    assert len(result.stdout.splitlines()) == 1


async def test_a_file_and_options_over_it(market: Shop) -> None:
    """YAML with an enum's short word, a coin as text and numbers; what is typed wins."""
    for name in ("register-cluster", "update-cluster", "create-offering"):
        await market.done(example("tx", name))
    path = market.directory / "job.yaml"
    path.write_text(
        "offering_id: OFF-1\nqueue_name: cpu\nmax_runtime_seconds: 600\nmax_price: 5uvirt\n"
        "resources: {nodes: 1, cpu_cores_per_node: 2}\n"
        "workload_spec: {container_image: 'alpine:3', arguments: [a, b], environment: {A: 1}}\n"
    )
    result = await market.run(f"tx hpc submit-job --file {path} --nodes 3 --generate-only --from bob")
    (message,) = json.loads(result.stdout)["body"]["messages"]
    assert message["resources"]["nodes"] == 3
    assert message["resources"]["cpu_cores_per_node"] == 2
    assert message["max_price"] == [{"denom": "uvirt", "amount": "5"}]
    assert message["workload_spec"]["environment"] == {"A": "1"}


async def test_a_job_of_a_template(market: Shop) -> None:
    """The template's resources where nothing is said, parameters as arguments, and options over both."""
    for name in ("register-cluster", "update-cluster", "create-offering"):
        await market.done(example("tx", name))
    job = "tx hpc submit-job --offering OFF-1 --queue cpu --generate-only --from bob"
    line = f"{job} --template mpi-standard --set nodes=4 --set program=./solver"
    (message,) = json.loads((await market.run(f"{line} --cpus 9")).stdout)["body"]["messages"]
    assert message["resources"] == {
        **message["resources"],
        "nodes": 4,
        "cpu_cores_per_node": 9,
        "memory_gb_per_node": 4,
    }
    assert message["max_runtime_seconds"] == "3600"
    workload = message["workload_spec"]
    assert (workload["preconfigured_workload_id"], workload["is_preconfigured"]) == ("mpi-standard", True)
    assert workload["arguments"] == ["program=./solver"]
    refused = await market.run(line.replace("program=./solver", "program='$(id)'"))
    assert "template mpi-standard: parameter program: '$(id)' does not match" in str(refused.exception)
    assert (await market.run(f"{line} --image x")).exit_code == 2
    assert (await market.run(f"{job} --set nodes=4")).exit_code == 2


@pytest.mark.parametrize(
    ("line", "problems"),
    [
        (
            "register-cluster --total-nodes 0",
            ["--name: missing", "--region: missing", "--total-nodes: must be at least 1"],
        ),
        (
            "submit-job --offering OFF-1 --queue cpu --nodes 1 --image a --max-runtime 59",
            ["--max-runtime: must be at least 60"],
        ),
        (
            "submit-job --offering OFF-1 --queue cpu --nodes=-1 --image a --max-runtime 60",
            ["--nodes: must not be negative: -1"],
        ),
        (
            "update-cluster HPC-1 --state busy",
            ["--state: invalid value: 'busy'; must be one of pending, active, draining, offline"],
        ),
        (
            "create-offering --cluster HPC-1 --name a --queue b --max-runtime 60 --cpu-price x",
            ["--cpu-price: invalid amount: 'x'"],
        ),
        (
            "resolve-dispute DSP-1 --status resolved",
            ["DISPUTE: DSP-1 is the id in FlagDispute's response"],
        ),
        ("report-job-status JOB-1 --state pending", ["--state: must be queued, running"]),
        (
            "register-cluster --name a --region b --total-nodes 1 --fees 5",
            ["--fees: invalid coin: '5' must be an integer amount"],
        ),
        (
            "register-cluster --name a --region b --total-nodes 1 --fees 5uve --gas-prices 1uve",
            ["--fees and --gas-prices"],
        ),
        (
            "register-cluster --name a --region b --total-nodes 1 --gas much",
            ["--gas: invalid gas limit: 'much' must be auto or an integer"],
        ),
        (
            "register-cluster --name a --region b --total-nodes 1 --timeout-height 1",
            ["--timeout-height 1 has passed"],
        ),
    ],
)
async def test_mistakes_are_named_by_option(market: Shop, line: str, problems: list[str]) -> None:
    """All at once, before anything is signed; exit code 2."""
    result = await market.run(f"tx hpc {line} --from alice -y")
    assert isinstance(result.exception, ConfigError), result.output
    assert result.exception.exit_code == 2
    for wanted in problems:
        assert any(problem.startswith(wanted) for problem in result.exception.problems), (
            result.exception.problems
        )


async def test_what_the_chain_refuses(market: Shop) -> None:
    """The simulation says so in the chain's words, and nothing is signed."""
    result = await market.run("tx hpc cancel-job JOB-9 --from bob -y")
    assert isinstance(result.exception, Refused)
    assert "message index: 0" in str(result.exception)
    assert "JOB-9" in str(result.exception)


async def test_included_and_failed(market: Shop) -> None:
    """With gas given there is no simulation: the block says no, exit code 1, and the fee is gone."""
    result = await market.run("tx hpc cancel-job JOB-9 --from bob -y --gas 200000")
    assert result.exit_code == 1
    assert "the transaction failed: hpc 2106" in result.stderr
    assert "height: " in result.stdout


async def test_unknown_key(market: Shop) -> None:
    result = await market.run(f"{SEEDS.replace('alice', 'carol')} -y")
    assert isinstance(result.exception, ConfigError)
    assert "(keys: alice, bob, governor)" in result.exception.problems[0]


async def test_by_address(market: Shop) -> None:
    """The keyring's own pointer leads from the address to the key."""
    assert (await market.done(SEEDS.replace("alice", ADDRESSES["alice"]))).stdout.startswith(
        "cluster_id: HPC-1"
    )


async def test_update_offering_leaves_the_rest_alone(market: Shop) -> None:
    """The chain would take `active` for false where it is not said."""
    for name in ("register-cluster", "update-cluster", "create-offering"):
        await market.done(example("tx", name))
    await market.done("tx hpc update-offering OFF-1 --max-runtime 100 --from alice")
    result = await market.run("tx hpc update-offering OFF-1 --name x --generate-only --from alice")
    (message,) = json.loads(result.stdout)["body"]["messages"]
    assert (message["active"], message["supports_custom_workloads"]) == (True, True)


async def test_wrong_chain(market: Shop) -> None:
    result = await market.run(f"{SEEDS} -y --chain-id other-1")
    assert result.exit_code == 1
    assert "is on chain 'cli-1', not 'other-1'" in str(result.exception)


async def test_no_grpc_endpoint(market: Shop) -> None:
    result = await market.run(f"{SEEDS} -y --node tcp://localhost")
    assert isinstance(result.exception, ConfigError)


async def with_daemon(market: Shop) -> Ledger:
    """A configuration whose cluster is alice's, and its ledger held as a running daemon holds it."""
    for name in ("register-cluster", "update-cluster", "create-offering"):
        await market.done(example("tx", name))
    text = (
        default_toml()
        .replace("/var/lib/provd", str(market.directory))
        .replace("virtengine-localnet-1", CHAIN_ID)
    )
    (market.directory / "provd.toml").write_text(text)
    return Ledger.open(market.directory / "ledger.sqlite")


async def test_not_with_the_key_of_a_running_daemon(market: Shop) -> None:
    """Its owner's key is refused before anything is signed, unless forced; others are not, and none is once
    the daemon is down."""
    ledger = await with_daemon(market)
    line = "tx hpc update-cluster HPC-1 --name renamed --from alice"
    refused = await market.run(f"{line} -y")
    assert isinstance(refused.exception, Refused)
    assert "the daemon on this machine" in str(refused.exception)
    await market.done(example("tx", "submit-job"))
    forced = await market.done(f"{line} --force")
    assert "the daemon on this machine" in forced.stderr
    ledger.close()
    assert "daemon" not in (await market.done(line)).stderr


async def test_the_audit_log_of_a_daemon_here(market: Shop) -> None:
    """Records each transaction that is sent, and none that is only priced."""
    await market.done(f"{example('tx', 'register-cluster')} --dry-run")
    await market.done(example("tx", "register-cluster"))
    assert records(market.directory / "audit") == [(user(), "transaction_sent", "", ADDRESSES["alice"])]


async def test_when_it_cannot_be_told(market: Shop) -> None:
    """A configuration that was named and cannot be read is said, and stops nobody."""
    (market.directory / "provd.toml").write_text("no toml")
    assert "cannot check whether a daemon on this machine" in (await market.done(SEEDS)).stderr
    (market.directory / "provd.toml").unlink()
    assert (
        "provd.toml does not exist: cannot check whether a daemon on this machine"
        in (await market.done(SEEDS)).stderr
    )


async def test_the_gateway_in_the_description(market: Shop) -> None:
    """Written beside other text, kept when that changes, shown by the query, and removed."""
    await market.done(SEEDS + ' --description "In Basel"')
    await market.done("tx hpc update-cluster HPC-1 --gateway https://gw.example.org:8443 --from alice")
    node = f"--node {market.env['PROVD_NODE']} --chain-id {market.env['PROVD_CHAIN_ID']}"
    shown = await market.run(f"query hpc cluster HPC-1 {node}")
    assert "In Basel gateway=https://gw.example.org:8443" in shown.stdout
    await market.done('tx hpc update-cluster HPC-1 --description "In Bern" --from alice')
    found = json.loads((await market.run(f"query hpc cluster HPC-1 {node} --output json")).stdout)
    assert found["gateway"] == "https://gw.example.org:8443"
    assert found["cluster"]["description"] == "In Bern gateway=https://gw.example.org:8443"
    await market.done("tx hpc update-cluster HPC-1 --gateway '' --from alice")
    found = json.loads((await market.run(f"query hpc cluster HPC-1 {node} --output json")).stdout)
    assert ("gateway" in found, found["cluster"]["description"]) == (False, "In Bern")
    refused = await market.run("tx hpc update-cluster HPC-1 --gateway ftp://x --from alice -y")
    assert isinstance(refused.exception, ConfigError)


async def test_the_site_audit_in_the_description(market: Shop) -> None:
    """Written beside the gateway's address, kept with it, shown by the query with date and result."""
    await market.done(SEEDS + ' --description "In Basel"')
    result = "2026-11-30/24-1-1/" + "ab" * 32
    await market.done("tx hpc update-cluster HPC-1 --gateway https://gw.example.org --from alice")
    await market.done(f"tx hpc update-cluster HPC-1 --site-audit {result} --from alice")
    await market.done('tx hpc update-cluster HPC-1 --description "In Bern" --from alice')
    node = f"--node {market.env['PROVD_NODE']} --chain-id {market.env['PROVD_CHAIN_ID']}"
    found = json.loads((await market.run(f"query hpc cluster HPC-1 {node} --output json")).stdout)
    described = f"In Bern gateway=https://gw.example.org site-audit={result}"
    assert found["cluster"]["description"] == described
    assert found["site_audit"] == {
        "date": "2026-11-30",
        "closed": 24,
        "open": 1,
        "not_tried": 1,
        "sha256": "ab" * 32,
    }
    shown = (await market.run(f"query hpc cluster HPC-1 {node}")).stdout
    assert "site_audit.date" in shown
    await market.done("tx hpc update-cluster HPC-1 --site-audit '' --from alice")
    found = json.loads((await market.run(f"query hpc cluster HPC-1 {node} --output json")).stdout)
    assert ("site_audit" in found, "gateway" in found) == (False, True)
    refused = await market.run("tx hpc update-cluster HPC-1 --site-audit good --from alice -y")
    assert isinstance(refused.exception, ConfigError)


async def test_coins_are_sent(market: Shop) -> None:
    """`provd tx bank send` moves exactly that amount, and the signer also pays the fee."""
    sent = json.loads(
        (await market.done(f"tx bank send {ADDRESSES['bob']} 250uvirt,7uve --from alice -o json")).stdout
    )
    held = {
        name: {
            coin["denom"]: int(coin["amount"])
            for coin in json.loads(
                (await market.run(f"query bank balances {ADDRESSES[name]} -o json")).stdout
            )["balances"]
        }
        for name in ("alice", "bob")
    }
    assert sent["code"] == 0
    assert held["bob"] == {"uve": 10**12 + 7, "uvirt": 10**12 + 250}
    assert held["alice"]["uvirt"] == 10**12 - 250
    assert held["alice"]["uve"] < 10**12 - 7


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ("ve1nobody 5uve", "ADDRESS: invalid address"),
        (f"{ADDRESSES['bob']} 0uve", "COINS: must be greater than 0"),
        (f"{ADDRESSES['bob']} 5", "COINS: invalid coin"),
        (f"{ADDRESSES['bob']} 5uve,6uve", "COINS: each denom may be given once"),
    ],
)
async def test_what_is_not_sent(market: Shop, arguments: str, problem: str) -> None:
    """An unusable recipient or amount is a usage error before anything is signed."""
    refused = await market.run(f"tx bank send {arguments} --from alice -y")
    assert isinstance(refused.exception, ConfigError)
    assert problem in str(refused.exception)
