"""Messages of operators in the outbox, between reports and heartbeats."""

from google.protobuf.message import Message

from provider_daemon.chain import messages
from provider_daemon.chain import tx as transactions
from provider_daemon.chain.proto.virtengine.hpc.v1.tx_pb2 import MsgUpdateCluster
from provider_daemon.ledger import operator_messages
from provider_daemon.ledger.operator_messages import MessageFate
from provider_daemon.loops.drafts import OutboxSettings
from tests.fakes.chain import ALICE, PROVIDER, job
from tests.unit.loops.conftest import DUE_SECONDS, House


def store(house: House, message: Message) -> int:
    body = messages.pack(message).SerializeToString()
    with house.ledger.write():
        return operator_messages.add(
            house.ledger, PROVIDER.address, message.DESCRIPTOR.name, body, house.chain.clock.now()
        )


def update(cluster_id: str = "HPC-1", name: str = "") -> MsgUpdateCluster:
    return MsgUpdateCluster(provider_address=PROVIDER.address, cluster_id=cluster_id, name=name)


def fate(house: House, message_id: int) -> MessageFate:
    found = operator_messages.fate(house.ledger, message_id)
    assert found is not None
    return found


async def test_it_is_sent_beside_reports_and_heartbeats(house: House) -> None:
    """In one transaction, whose message at `position` it is; it stays as a record when heartbeats go."""
    await house.chain.send(ALICE, job())
    await house.intake.tick()
    await house.advance.tick()
    await house.heartbeat.tick()
    message_id = store(house, update(name="renamed"))
    assert fate(house, message_id).status == "waiting"
    await house.report()
    found = fate(house, message_id)
    assert (found.status, found.height > 0, found.fee > 0) == ("confirmed", True, True)
    body = transactions.decode(found.tx_bytes).body
    assert messages.unpack(body.messages[found.position]) == update(name="renamed")
    assert await house.state("JOB-1") == "queued"
    with house.ledger.write():
        house.ledger.prune_messages(house.chain.clock.now() + 1e9)
        house.ledger.prune_txs(house.chain.clock.now() + 1e9)
    assert fate(house, message_id).status == "confirmed"


async def test_a_refused_one_holds_nothing_up(house: House) -> None:
    """It is dropped with the chain's reason; the report is sent in the same tick."""
    await house.chain.send(ALICE, job())
    await house.intake.tick()
    await house.advance.tick()
    message_id = store(house, update("HPC-9"))
    await house.report()
    found = fate(house, message_id)
    assert (found.status, found.tx_hash) == ("dropped", "")
    assert "HPC-9" in found.note or "not found" in found.note
    assert await house.state("JOB-1") == "queued"


async def test_only_what_no_transaction_holds_is_withdrawn(house: House) -> None:
    """What was sent may be included, so it cannot be called off."""
    first, second = store(house, update(name="one")), store(house, update(name="two"))
    with house.ledger.write():
        assert operator_messages.withdraw(house.ledger, first, "withdrawn by root")
    await house.outbox.tick()
    with house.ledger.write():
        assert not operator_messages.withdraw(house.ledger, second, "too late")
    house.chain.block()
    await house.outbox.tick()
    assert [fate(house, each).status for each in (first, second)] == ["dropped", "confirmed"]


async def test_little_budget_is_left_for_it(house: House) -> None:
    """Heartbeats wait when most of the fee budget is spent; what an operator sends does not."""
    house.outbox.reconfigure(OutboxSettings(max_fee_per_hour=11_500))
    for _ in range(2):
        house.chain.clock.time += DUE_SECONDS
        await house.heartbeat.tick()
        await house.report()
    house.chain.clock.time += DUE_SECONDS
    await house.heartbeat.tick()
    message_id = store(house, update(name="renamed"))
    await house.report()
    assert fate(house, message_id).status == "confirmed"
    assert {message.kind for message in house.ledger.waiting_messages(PROVIDER.address)} == {"node"}
