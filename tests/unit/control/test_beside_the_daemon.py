"""Commands of operators beside the running daemon, and without one."""

import asyncio
import json
import time

import pytest

from provider_daemon.chain.proto.virtengine.hpc.v1.tx_pb2 import MsgUpdateCluster
from provider_daemon.client import outbox
from provider_daemon.client.control import at
from provider_daemon.client.transaction import NotIncluded
from provider_daemon.errors import ConfigError, Refused
from provider_daemon.ledger import meta
from tests.unit.cli.shop import ADDRESSES, Shop
from tests.unit.control.conftest import Beside, running
from tests.unit.daemons import hang


async def test_a_transaction_of_the_daemons_key_goes_through_its_outbox(beside: Beside) -> None:
    """Beside the daemon, without --force: the daemon sends it, its fate is printed, and it is no transaction
    of somebody else."""
    done = await beside.shop.done("tx hpc update-offering OFF-1 --inactive --from alice -o json")
    again = await beside.shop.done("tx hpc update-offering OFF-1 --active --from alice")
    printed = json.loads(done.stdout)
    assert (printed["code"], printed["ids"]) == (0, {"offering_id": "OFF-1"})
    assert {"offering_id: OFF-1", f"tx: {beside.daemon.ledger.last_txs(1)[0].tx_hash}"} <= set(
        again.stdout.splitlines()
    )
    assert beside.daemon.ledger.last_txs(9)[-1].tx_hash == printed["txhash"]
    assert not [line for line in beside.logs if line["event"] in ("foreign_tx", "tick_crashed")]
    assert [each[:2] for each in beside.recorded()] == [("message_sent", ADDRESSES["alice"])] * 2, (
        beside.recorded()
    )
    assert beside.recorded()[0][2] == "MsgUpdateOffering as message 1"


async def test_the_daemon_is_found_without_its_configuration(beside: Beside) -> None:
    """By the sockets that this user or root listens on; and its key by its name in the configuration. The ids
    are those of this message, whatever else its transaction holds."""
    del beside.shop.env["PROVD_CONFIG"]
    line = "tx hpc create-offering --cluster HPC-1 --name other --queue cpu --max-runtime 3600"
    done = await beside.shop.done(f"{line} --from other -o json")
    assert json.loads(done.stdout)["ids"] == {"offering_id": "OFF-2"}
    assert "the daemon on this machine uses this key" in done.stderr
    assert len(beside.recorded()) == 1


async def test_what_is_refused_before_it_is_stored(beside: Beside) -> None:
    """What the chain would refuse, and terms that only a transaction of its own can have."""
    line = "tx hpc update-offering {} --inactive --from alice {}"
    refused = await beside.shop.run(line.format("OFF-9", "-y"))
    assert isinstance(refused.exception, Refused)
    refused = await beside.shop.run(line.format("OFF-1", "--gas 90000 -y"))
    assert isinstance(refused.exception, ConfigError)
    assert "--gas: the daemon on this machine sends this message" in str(refused.exception)
    priced = await beside.shop.run(line.format("OFF-1", "--dry-run"))
    assert "nothing was signed or sent" in priced.stdout
    unsigned = await beside.shop.run("tx hpc report-job-status JOB-1 --state queued --from other -y")
    assert "a report must be signed" in str(unsigned.exception)
    assert not beside.recorded()


async def test_fates_of_a_stored_message(beside: Beside, monkeypatch: pytest.MonkeyPatch) -> None:
    """The chain's refusal is raised with its reason. One that cannot be sent in time is withdrawn."""
    control = await asyncio.to_thread(at, beside.shop.directory / "control.sock")
    assert control is not None
    message = MsgUpdateCluster(provider_address=ADDRESSES["alice"], cluster_id="HPC-9", name="x")
    chain = beside.daemon._grpc
    refused = await outbox.store(control, message, "a test")
    with pytest.raises(Refused, match="the chain refused the message"):
        await outbox.sent(control, refused, chain, message, time.monotonic)
    for loop in beside.daemon.loop_set.outboxes:
        loop.tick = hang
    await asyncio.sleep(0.3)  # until the tick that may run has ended
    monkeypatch.setattr(outbox, "PATIENCE_SECONDS", 0.0)
    message.cluster_id = "HPC-1"
    waits = await outbox.store(control, message, "")
    with pytest.raises(NotIncluded, match="it was withdrawn and had no effect"):
        await outbox.sent(control, waits, chain, message, time.monotonic)
    assert [each[0] for each in beside.recorded()] == ["message_sent", "message_sent", "message_withdrawn"]


async def test_pause_and_resume_beside_the_daemon(beside: Beside) -> None:
    """The chain shows the cluster as draining although SLURM is down, and as active again afterwards."""
    done = await beside.shop.run('pause HPC-1 --reason "power maintenance"')
    assert "HPC-1 (alpha) paused: the daemon makes it draining on chain; 0 open jobs continue" in done.stdout
    await beside.until_cluster_is("draining")
    again = await beside.shop.run("pause --reason again")
    assert "is paused since" in again.stdout
    assert "power maintenance" in again.stdout
    done = await beside.shop.run("resume alpha --reason done")
    assert "HPC-1 (alpha) resumed: the daemon makes it active on chain" in done.stdout
    unknown = await beside.shop.run("pause HPC-7 --reason x")
    assert str(unknown.exception) == "no cluster 'HPC-7' in the configuration; the clusters are HPC-1 (alpha)"
    assert isinstance((await beside.shop.run('pause --reason ""')).exception, ConfigError)
    assert [each[::2] for each in beside.recorded()] == [
        ("cluster_paused", "power maintenance"),
        ("cluster_resumed", "done"),
    ]


async def test_without_a_daemon_the_ledger_changes(market: Shop) -> None:
    """The next start acts on it."""
    async with running(market.directory / "provd.toml"):
        pass
    assert (await market.run("pause --reason night")).exit_code == 0
    async with running(market.directory / "provd.toml") as daemon:
        pause = daemon.ledger.get(meta.pause("HPC-1"))
        assert pause is not None
        assert pause.reason == "night"
        await Beside(market, daemon).until_cluster_is("draining")
