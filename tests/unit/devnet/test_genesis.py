"""A chain as a genesis file, and back: the same state is the same bytes."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from provider_daemon.chain import keyspace
from provider_daemon.devnet import bank, derived, genesis_file, home
from provider_daemon.devnet.archive import Archive, StateSnapshot, snapshot
from provider_daemon.devnet.context import ChainRules
from provider_daemon.devnet.genesis_sections import RECORDS
from provider_daemon.devnet.kv import Layer
from provider_daemon.devnet.server import Devnet
from provider_daemon.errors import ConfigError
from provider_daemon.money.discounts import Discount, DiscountType
from provider_daemon.money.rules import Rules as Billing
from tests.fakes.chain import ALICE, PROVIDER, TestChain, job, report
from tests.unit.devnet.pure import Module
from tests.unit.devnet.random_life import Life

DISCOUNTS = (
    Discount("any", DiscountType.LOYALTY, 500, max_uses_per_customer=9),
    Discount("hundred", DiscountType.VOLUME, 1000, threshold_value=100 * 10**18),
)
RULES = {
    "report": ChainRules(),
    "delayed": ChainRules(finalize_seconds=600, settle_seconds=3000),
    "discounts": ChainRules(
        finalize_seconds=300, settle_seconds=900, billing=Billing(discounts=DISCOUNTS, node_reward_bps=0)
    ),
    "published": ChainRules(compat="published", settlement="published"),
}


def taken(module: Module) -> StateSnapshot:
    return StateSnapshot(module.height, module.time, module.state.rows())


def primary(found: StateSnapshot) -> list[Any]:
    return sorted(row for row in found.state if row[0] not in derived.STORES)


@pytest.mark.parametrize(
    ("rules", "messages"),
    [(rules, 1000 if name == "report" else 400) for name, rules in RULES.items()],
    ids=RULES,
)
def test_random_messages(rules: ChainRules, messages: int) -> None:
    """Every record, balance, sequence and parameter comes back byte by byte, and what is derived from them is
    made again the same."""
    life = Life(seed=7, rules=rules)
    module = life.until(messages)
    assert set(life.accepted) >= {
        "MsgRegisterCluster", "MsgUpdateCluster", "MsgDeregisterCluster", "MsgCreateOffering",
        "MsgUpdateOffering", "MsgSubmitJob",
        "MsgCancelJob", "MsgReportJobStatus", "MsgUpdateNodeMetadata", "MsgFlagDispute", "MsgResolveDispute",
        "MsgUpdateParams", "MsgSend",
    }  # fmt: skip
    text = genesis_file.write(taken(module))
    assert ("discounted" in json.loads(text)["app_state"]) is bool(rules.billing.discounts)
    hpc = json.loads(text)["app_state"]["hpc"]
    # As published nothing settles, and only a cluster whose nodes are heard all the time is scheduled on.
    absent = (
        {"hpc_rewards", "job_accountings", "scheduling_decisions", "scheduling_metrics"}
        if rules.has_quirks
        else set()
    )
    assert all(hpc[name] for name in RECORDS if name not in absent)
    back = genesis_file.read(text)
    assert genesis_file.write(back) == text
    assert sorted(back.state) == primary(taken(module))
    again = Module(rules, Layer())
    again.state = Layer()
    again.state.load(back.state)
    again.height, again.time = back.height, back.time
    derived.rebuild(again.context())
    assert again.state.rows() == module.state.rows()


async def test_a_chain_without_anybody(tmp_path: Path) -> None:
    """No accounts and no money: the sections are there, empty, and come back."""
    devnet = Devnet(path=str(tmp_path / home.FILE))
    await devnet.start()
    devnet.produce_block(2_000_000_000 * 10**9)
    text = genesis_file.write(snapshot(tmp_path / home.FILE))
    await devnet.stop()
    assert genesis_file.write(genesis_file.read(text)) == text


def test_it_goes_on_as_if_nothing_had_been() -> None:
    """Two chains, one of them out of the other's file, come to the same state by the same messages."""
    life = Life(seed=3)
    module = life.until(150)
    copy = Module(ChainRules(), Layer())
    found = genesis_file.read(genesis_file.write(taken(module)))
    copy.state = Layer()
    copy.state.load(found.state)
    copy.height, copy.time = found.height, found.time
    derived.rebuild(copy.context())
    other = Life(seed=99)
    other.module, other.random, other.accepted = copy, life.random.__class__(5), life.accepted.copy()
    life.random = life.random.__class__(5)
    assert life.until(300).state.rows() == other.until(300).state.rows()


def small() -> dict[str, Any]:
    module = Module()
    return dict(json.loads(genesis_file.write(taken(module))))


def refused(document: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        genesis_file.read(document if isinstance(document, str) else json.dumps(document))
    return caught.value.problems


def test_it_looks_as_on_a_chain() -> None:
    """Cosmos's outer fields, the SDK's balances and accounts, the module's genesis."""
    document = small()
    assert set(document) == {"app_state", "chain_id", "genesis_time", "initial_height"}
    assert document["initial_height"] == "2"
    hpc = document["app_state"]["hpc"]
    assert hpc["params"]["node_heartbeat_timeout"] == 120
    assert {name: hpc[name] for name in hpc if name.endswith("_sequence")} == {
        f"{kind}_sequence": 1 for kind in ("cluster", "offering", "job", "decision", "dispute")
    }
    assert {
        "address": ALICE.address,
        "coins": [{"amount": "1000000000000", "denom": "uve"}, {"amount": "1000000000000", "denom": "uvirt"}],
    } in (document["app_state"]["bank"]["balances"])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "null",
        '{"initial_height":"x"}',
        '{"initial_height":"0","genesis_time":"2026-01-01T00:00:00Z"}',
    ],
)
def test_no_genesis_file(text: str) -> None:
    """An export that failed sends nothing down the pipe: an empty file is refused like any other."""
    assert refused(text)[0].startswith("invalid genesis file: ")


def test_a_height_that_cannot_be() -> None:
    """The first block is number 1."""
    assert refused({**small(), "initial_height": "0"}) == [
        "invalid genesis file: initial_height must be at least 1"
    ]


def test_every_section_that_cannot_be_read_is_named() -> None:
    """All of them at once."""
    document = small()
    document["app_state"]["bank"]["supply"][0]["amount"] = "1"
    document["app_state"]["hpc"]["clusters"] = [{"cluster_id": "HPC-1", "state": "asleep"}]
    del document["app_state"]["auth"]
    assert refused(document) == [
        "genesis: section auth is missing",
        "genesis: section bank cannot be read: the balances do not add up to the supply",
        "genesis: section hpc cannot be read: HPC-1 is not below cluster_sequence 1",
    ]
    document["app_state"]["hpc"]["cluster_sequence"] = 2
    assert refused(document)[-1] == (
        "genesis: section hpc cannot be read: clusters: HPCCluster.state cannot be read: unknown "
        "word 'asleep'"
    )


def test_a_record_twice_is_refused() -> None:
    document = small()
    cluster = {"cluster_id": "HPC-1", "state": "active"}
    document["app_state"]["hpc"] |= {"clusters": [cluster, cluster], "cluster_sequence": 2}
    assert refused(document) == ["genesis: section hpc cannot be read: it contains a record twice"]


def test_derived_sections_are_refused() -> None:
    """They would contradict the records."""
    document = small()
    document["app_state"]["tenants"] = {}
    assert refused(document) == [
        "genesis: section tenants cannot be read: it is computed from other sections: remove it"
    ]


# --- on disk ---


async def lived(directory: Path) -> Path:
    """A home with a settled and a waiting job."""
    chain = await TestChain(path=str(home.chain_file(directory))).start()
    await chain.open_shop()
    await chain.send(ALICE, job(), job())
    await chain.send(PROVIDER, report("queued"), report("running"), report("failed"))
    await chain.stop()
    return directory


async def test_another_home_goes_on(tmp_path: Path) -> None:
    """A devnet that is started on an imported file makes the next block, on the same money, accounts and
    records."""
    text = home.export(await lived(tmp_path / "one"))
    height = snapshot(tmp_path / "one" / home.FILE).height
    assert (
        home.replace(tmp_path / "two", text) == f"{tmp_path / 'two'} holds chain test-1 after block {height}"
    )
    assert home.export(tmp_path / "two") == text
    second = await TestChain(path=str(home.chain_file(tmp_path / "two"))).start()
    second.clock.time += 1000
    assert second.devnet.blocks.height == height + 1
    assert (await second.send(ALICE, job())).ok
    assert second.devnet.blocks.state.get(keyspace.HPC_STORE, keyspace.key(keyspace.JOB, "JOB-3"))
    await second.stop()


async def test_export_of_a_running_devnet(tmp_path: Path) -> None:
    """The last block's state, while it is locked for everybody else; an import is refused."""
    chain = await TestChain(path=str(home.chain_file(tmp_path))).start()
    await chain.open_shop()
    text = home.export(tmp_path)
    assert json.loads(text)["initial_height"] == str(chain.devnet.blocks.height + 1)
    with pytest.raises(ConfigError, match="is locked: a devnet runs on it"):
        home.replace(tmp_path, text)
    await chain.send(ALICE, job())
    assert home.export(tmp_path) != text
    await chain.stop()


async def test_what_was_there_is_kept(tmp_path: Path) -> None:
    """With its transactions, which are no part of a genesis file."""
    await lived(tmp_path)
    text = home.export(tmp_path)
    assert "is kept as" in home.replace(tmp_path, text)
    kept = Archive(str(tmp_path / "chain.sqlite.before-import"))
    assert len(list(kept.txs())) == 3
    kept.close()
    left = Archive(str(tmp_path / home.FILE))
    assert list(left.txs()) == []
    left.close()


def test_a_home_without_a_chain(tmp_path: Path) -> None:
    """One clear line; nothing is made."""
    with pytest.raises(ConfigError, match="there is no devnet in"):
        home.export(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()
    Archive(str(tmp_path / home.FILE)).close()
    with pytest.raises(ConfigError, match="has no block yet"):
        home.export(tmp_path)
    with pytest.raises(ConfigError, match="cannot be used: "):
        Archive(str(tmp_path / "nowhere" / home.FILE))
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be used"):
        home.chain_file(tmp_path / "file")


def provd(tmp_path: Path, command: str) -> subprocess.CompletedProcess[str]:
    """A shell's pipe of `provd`s with the default home."""
    program = (
        f'provd() {{ {sys.executable} -c "from provider_daemon.cli.app import main; main()" "$@"; }}; '
        f"set -o pipefail; {command}"
    )
    return subprocess.run(
        ["bash", "-c", program],
        env={"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


async def test_as_written(tmp_path: Path) -> None:
    """`provd devnet export | provd devnet import -` leaves the identical state where it was; nothing exported
    changes nothing."""
    empty = provd(tmp_path, "provd devnet export | provd devnet import -")
    assert empty.returncode == 2
    assert "there is no devnet in" in empty.stderr
    await lived(tmp_path / ".provd-devnet")
    before = primary(snapshot(tmp_path / ".provd-devnet" / home.FILE))
    assert provd(tmp_path, "provd devnet export | provd devnet import -").returncode == 0
    assert primary(snapshot(tmp_path / ".provd-devnet" / home.FILE)) == before
    assert bank.ESCROW_ADDRESS in provd(tmp_path, "provd devnet export").stdout
