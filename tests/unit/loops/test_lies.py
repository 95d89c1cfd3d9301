"""The outbox against one endpoint's false answers: heights, sequences, prices and simulated gas, and what
they leave behind."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pytest
import structlog

from provider_daemon.chain import codec, keyspace
from provider_daemon.chain import tx as transactions
from provider_daemon.chain.proto.virtengine.hpc.v1.tx_pb2 import MsgUpdateCluster
from provider_daemon.devnet import bank
from provider_daemon.errors import Refused, Transient
from provider_daemon.ledger.rows import OpenTx
from provider_daemon.loops import drafts
from provider_daemon.loops.drafts import packed
from provider_daemon.loops.outbox import STALLED_SECONDS, OutboxSettings
from provider_daemon.loops.sending_problems import GRACE_SECONDS
from provider_daemon.ports import Account, Head, TxOutcome
from tests.fakes.chain import ALICE, CHAIN_ID, PROVIDER, job
from tests.unit.loops.conftest import DUE_SECONDS, House

FAR = 1_000_000


@dataclass
class Liar:
    """Stands before the chain's client; `answers` changes what a call gives, and the rest passes."""

    client: Any
    answers: dict[str, Callable[[Any], Any]] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        honest, change = getattr(self.client, name), self.answers.get(name)
        if change is None:
            return honest

        async def lying(*arguments: Any) -> Any:
            return change(await honest(*arguments))

        return lying


@pytest.fixture
async def liar(house: House) -> Liar:
    """JOB-1 is queued on chain by a transaction of ours; JOB-2's first report waits."""
    await house.chain.send(ALICE, job())
    await house.round()
    await house.chain.send(ALICE, job())
    await house.intake.tick()
    await house.advance.tick()
    lying = Liar(house.chain.client)
    house.outbox._chain = house.outbox._drafts._chain = house.outbox._sequences._chain = lying
    return lying


def price(house: House, amount: str) -> None:
    """From now on, as the chain's own module sets it."""
    value = codec.dumps({"current_min_gas_prices": [{"denom": "uve", "amount": amount}]})
    house.chain.devnet.blocks.state.put(keyspace.GAS_PRICING_STORE, keyspace.GAS_PRICE, value)


def statuses(house: House) -> list[str]:
    """Newest first."""
    return [row.status for row in house.ledger.last_txs(10)]


def still(house: House) -> str:
    return house.outbox.stalled(house.chain.clock.now())


async def test_a_height_far_ahead_makes_no_far_timeout(house: House, liar: Liar) -> None:
    """The timeout height stays near what the last transaction in a block and the clock allow."""
    liar.answers["head"] = lambda head: Head(head.height + FAR, head.time)
    await house.outbox.tick()
    opened = house.ledger.open_tx(PROVIDER.address)
    assert opened is not None
    assert opened.timeout_height < house.chain.devnet.blocks.height + 200


async def test_a_draft_that_was_late_does_not_lift_the_limit(house: House, liar: Liar) -> None:
    """The endpoint was behind, so the timeout height had passed. The limit was not the cause: it holds when
    an endpoint invents a height afterwards."""
    for _ in range(40):
        house.chain.block()
    liar.answers["head"] = lambda head: Head(head.height - 30, head.time)
    await house.outbox.tick()
    assert "tx timeout height" in still(house)
    liar.answers["head"] = lambda head: Head(head.height + FAR, head.time)
    await house.outbox.tick()
    opened = house.ledger.open_tx(PROVIDER.address)
    assert opened is not None
    assert opened.timeout_height < house.chain.devnet.blocks.height + 1_000


async def test_a_limit_that_is_too_low_is_lifted(
    house: House, liar: Liar, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a clock that is behind, the limit itself makes the timeout height pass: the next draft has the
    endpoint's own height."""
    for _ in range(40):
        house.chain.block()
    monkeypatch.setattr(drafts, "plausible_height", lambda height, included, now: height - 30)
    await house.outbox.tick()
    assert "tx timeout height" in still(house)
    await house.report()
    assert (await house.state("JOB-2"), still(house)) == ("queued", "")


async def test_a_sequence_that_nothing_explains_is_not_used(house: House, liar: Liar) -> None:
    """Nothing is signed with it, readiness names it, and the report is on its way with the first true
    answer."""
    liar.answers["account"] = lambda account: Account(account.number, account.sequence + 7)
    await house.outbox.tick()
    house.chain.clock.time += GRACE_SECONDS
    await house.outbox.tick()
    assert statuses(house) == ["included"]
    assert still(house).startswith("sequence_unexplained: the endpoint returned account sequence ")
    liar.answers.clear()
    await house.report()
    assert (statuses(house), still(house)) == (["included", "included"], "")


async def test_an_answer_from_before_our_own_transaction_is_not_used(house: House, liar: Liar) -> None:
    """An endpoint that does not have our last block yet gets nothing signed that every other one would
    refuse."""
    liar.answers["account"] = lambda account: Account(account.number, account.sequence - 1)
    await house.outbox.tick()
    assert statuses(house) == ["included"]


def open_with(house: House, sequence: int, timeout_height: int, fee: int = 50_000) -> OpenTx:
    """The transaction that an older provd left open: all that waits, signed with what an endpoint made up."""
    messages = house.ledger.waiting_messages(PROVIDER.address)
    account: Any = bank.account(house.chain.devnet.blocks.state, PROVIDER.address)
    signed = transactions.build(
        [packed(message) for message in messages],
        signer=PROVIDER,
        chain_id=CHAIN_ID,
        account_number=account["number"],
        sequence=sequence,
        gas_limit=1_000_000,
        fee=fee,
        fee_denom="uve",
        timeout_height=timeout_height,
    )
    made = OpenTx(
        0,
        PROVIDER.address,
        signed.tx_hash,
        signed.tx_bytes,
        sequence,
        timeout_height,
        fee,
        house.chain.clock.now(),
    )
    with house.ledger.write():
        return house.ledger.add_tx(made, messages)


async def test_a_ledger_with_a_dead_transaction_recovers(house: House, liar: Liar) -> None:
    """Sequence 7 too high, timeout height a million blocks away: given up after two ticks, and its report
    lands."""
    sequence = (await house.chain.client.account(PROVIDER.address)).sequence
    open_with(house, sequence + 7, FAR)
    for _ in range(3):
        await house.report()
    assert statuses(house) == ["included", "expired", "included"]
    assert await house.state("JOB-2") == "queued"


async def test_a_far_timeout_alone_does_no_harm(house: House, liar: Liar) -> None:
    """With the right sequence the transaction is valid, however far its timeout height: it is sent and
    included."""
    open_with(house, (await house.chain.client.account(PROVIDER.address)).sequence, FAR)
    await house.report()
    assert statuses(house) == ["included", "included"]


async def test_an_open_transaction_whose_sequence_is_used(house: House, liar: Liar) -> None:
    """A second signer took its sequence: known with the next tick, long before its timeout height, and
    named."""
    open_with(house, (await house.chain.client.account(PROVIDER.address)).sequence, FAR)
    await house.chain.send(
        PROVIDER, MsgUpdateCluster(provider_address=PROVIDER.address, cluster_id="HPC-1", name="beta")
    )
    with structlog.testing.capture_logs() as said:
        await house.report()
    assert [line["event"] for line in said if line["log_level"] == "error"] == ["foreign_tx"]
    assert statuses(house) == ["included", "expired", "included"]


async def test_a_second_signer_is_named(house: House, liar: Liar) -> None:
    """Its transaction explains the sequence: ours goes through at once, and one line says who else signs."""
    other = await house.chain.send(
        PROVIDER, MsgUpdateCluster(provider_address=PROVIDER.address, cluster_id="HPC-1", name="beta")
    )
    with structlog.testing.capture_logs() as said:
        await house.report()
    assert [line["tx"] for line in said if line["event"] == "foreign_tx"] == [other.tx_hash]
    assert statuses(house) == ["included", "included"]


# --- the price of gas ---


async def test_a_transaction_that_became_too_cheap_is_replaced(house: House, liar: Liar) -> None:
    """The mempool threw it out for the price: the same messages with the same sequence and a higher fee, at
    the next tick."""
    await house.outbox.tick()
    first = house.ledger.open_tx(PROVIDER.address)
    price(house, "0.25")
    house.chain.devnet.blocks.mempool.committed(
        house.chain.devnet.blocks.height, house.chain.devnet.blocks.mempool.time, {}
    )
    await house.outbox.tick()
    second = house.ledger.open_tx(PROVIDER.address)
    assert first is not None
    assert second is not None
    assert (second.sequence, second.fee >= 10 * first.fee) == (first.sequence, True)
    await house.report()
    assert statuses(house) == ["included", "failed", "included"]
    assert still(house) == ""


async def test_the_replaced_transaction_is_included_after_all(house: House, liar: Liar) -> None:
    """Another node kept it: its sequence is used by one of ours, so its report is confirmed and not sent
    again."""
    await house.outbox.tick()
    first = house.ledger.open_tx(PROVIDER.address)
    price(house, "0.25")
    house.chain.devnet.blocks.mempool.committed(
        house.chain.devnet.blocks.height, house.chain.devnet.blocks.mempool.time, {}
    )
    liar.answers["broadcast"] = lambda answer: answer
    await house.outbox.tick()
    price(house, "0.025")
    house.chain.forget_mempool()
    assert first is not None
    assert (await house.chain.client.broadcast(first.tx_bytes)).ok
    house.chain.block()
    await house.outbox.tick()
    assert statuses(house) == ["expired", "included", "included"]
    assert [row.status for row in house.ledger.messages_of("JOB-2")] == ["confirmed"]


async def test_a_failed_transaction_does_not_hide_one_that_was_given_up(house: House, liar: Liar) -> None:
    """One with the same sequence failed in a block before it used the sequence: what was given up is found,
    and its report is confirmed."""
    await house.outbox.tick()
    first = house.ledger.open_tx(PROVIDER.address)
    assert first is not None
    messages = house.ledger.messages_of_tx(first.id)
    with house.ledger.write():
        house.ledger.close_tx(first, "expired")
        failed = house.ledger.add_tx(replace(first, tx_hash="B" * 64), messages)
        house.ledger.close_tx(failed, "failed", height=house.chain.devnet.blocks.height, code=5)
    house.chain.block()
    await house.outbox.tick()
    assert statuses(house) == ["failed", "included", "included"]
    assert [row.status for row in house.ledger.messages_of("JOB-2")] == ["confirmed"]


async def test_a_node_that_asks_for_more_gets_it(house: House, liar: Liar) -> None:
    """CheckTx names the fee that it requires; the next transaction pays that, and one trouble shows it
    meanwhile."""
    text = "insufficient fees; got: 2404uve required: 24040uve: insufficient fee"
    asked: list[int] = []

    def dear(answer: TxOutcome) -> TxOutcome:
        opened = house.ledger.open_tx(PROVIDER.address)
        assert opened is not None
        gas = transactions.decode(opened.tx_bytes).auth_info.fee.gas_limit
        asked.append(opened.fee)
        required = gas // 5
        return (
            answer
            if opened.fee >= required
            else TxOutcome("", 0, 13, "sdk", text.replace("24040", str(required)))
        )

    liar.answers["broadcast"] = dear
    await house.outbox.tick()
    house.chain.forget_mempool()
    assert still(house).startswith("fee_too_low: insufficient fees; got:")
    await house.report()
    assert asked[1] >= 7 * asked[0]
    assert (statuses(house), still(house)) == (["included", "failed", "included"], "")


async def test_a_minimum_fee_named_by_the_simulation(house: House, liar: Liar) -> None:
    """A node of the published chain refuses to simulate below its minimum: the fee is raised within the same
    tick."""
    honest = house.chain.client.simulate

    async def strict(tx_bytes: bytes) -> int:
        fee = int(transactions.decode(tx_bytes).auth_info.fee.amount[0].amount)
        if fee < 20_000:
            text = f"provided fee < minimum global fee ({fee}uve < 20000uve). Please increase the gas price."
            raise Refused(f"UNKNOWN: {text}: insufficient fee")
        return await honest(tx_bytes)

    liar.client = Patched(house.chain.client, simulate=strict)
    await house.report()
    assert statuses(house) == ["included", "included"]


class Patched:
    def __init__(self, client: Any, **changed: Any) -> None:
        self._client, self._changed = client, changed

    def __getattr__(self, name: str) -> Any:
        return self._changed.get(name) or getattr(self._client, name)


async def test_a_fee_budget_is_kept(house: House, liar: Liar) -> None:
    """What one key pays in an hour ends at the budget, over restarts; reports wait, and go an hour later."""
    paid = house.ledger.last_txs(1)[0].fee
    house.settings = OutboxSettings(max_fee_per_hour=paid + 100)
    house.restart()
    await house.outbox.tick()
    assert statuses(house) == ["included"]
    assert still(house).startswith("fee_budget_spent: the fee of one message is ")
    house.chain.clock.time += 3601
    await house.report()
    assert (statuses(house), still(house)) == (["included", "included"], "")


async def test_the_last_of_a_budget_is_for_reports(house: House, liar: Liar) -> None:
    """Heartbeats stop first."""
    paid = house.ledger.last_txs(1)[0].fee
    house.settings = OutboxSettings(max_fee_per_hour=2 * paid + paid // 2)
    house.restart()
    await house.heartbeat.tick()
    await house.report()
    await house.report()
    assert [message.kind for message in house.ledger.waiting_messages(PROVIDER.address)] == ["node"] * 2
    assert await house.state("JOB-2") == "queued"
    assert still(house).startswith("fee_budget_spent: heartbeats wait")


async def test_a_price_far_above_the_usual_is_reported(house: House, liar: Liar) -> None:
    """Below the ceiling it is paid, and a trouble says that it is not what gas has cost before."""
    for _ in range(5):
        house.chain.clock.time += DUE_SECONDS
        await house.heartbeat.tick()
        await house.report()
    liar.answers["gas_price"] = lambda _: Decimal("0.4")
    house.chain.clock.time += DUE_SECONDS
    await house.heartbeat.tick()
    with structlog.testing.capture_logs() as said:
        await house.report()
    assert [line["event"] for line in said if line["log_level"] == "error"] == ["gas_price_high"]


# --- simulated gas ---


@pytest.mark.parametrize("change", [lambda gas: gas * 1000, lambda gas: 1])
async def test_simulated_gas_out_of_all_reason(
    house: House, liar: Liar, change: Callable[[int], int]
) -> None:
    """A figure that no report can need, or far too low a one, is replaced by a plausible one, and the report
    lands."""
    liar.answers["simulate"] = change
    await house.report()
    await house.report()
    assert await house.state("JOB-2") == "queued"
    assert max(row.fee for row in house.ledger.last_txs(5)) < 20_000


async def test_the_chain_itself_raises_the_gas(house: House, liar: Liar) -> None:
    """Where a report really needs more than seems plausible, running out of gas says so, and the limit
    doubles."""
    house.outbox._drafts.gas._factor = 0.1
    for _ in range(6):
        await house.report()
    assert await house.state("JOB-2") == "queued"


# --- the wallet ---


async def test_a_wallet_that_pays_for_some(house: House, liar: Liar) -> None:
    """Enough for one report and not for four: they go one at a time; only when not even one can be paid is
    the wallet empty."""
    await house.chain.send(ALICE, job(), job(), job())
    await house.intake.tick()
    await house.advance.tick()
    state = house.chain.devnet.blocks.state
    held = await house.chain.client.balance(PROVIDER.address, "uve")
    bank.move(state, PROVIDER.address, ALICE.address, "uve", held - 2_900)
    for _ in range(4):
        await house.report()
    states = [await house.state(f"JOB-{number}") for number in range(2, 6)]
    assert states.count("queued") >= 1
    assert still(house).startswith("wallet_empty: the fee of one message is ")
    bank.move(state, ALICE.address, PROVIDER.address, "uve", held - 2_900)
    for _ in range(3):
        await house.report()
    assert {await house.state(f"JOB-{number}") for number in range(2, 6)} == {"queued"}


# --- nothing gets through ---


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (TxOutcome("", 0, 1, "ratelimit", "rate limit exceeded for account"), "rate_limited"),
        (
            TxOutcome(
                "",
                0,
                20,
                "sdk",
                "mempool is full: number of txs 5000 (max: 5000), total txs bytes 1 (max: 2)",
            ),
            "mempool_full",
        ),
    ],
)
async def test_a_mempool_that_takes_nothing(
    house: House, liar: Liar, answer: TxOutcome, problem: str
) -> None:
    """One line and not ready, for as long as it lasts; over with the first transaction that is accepted."""
    liar.client = Patched(house.chain.client, broadcast=lambda tx_bytes: given(answer))
    with structlog.testing.capture_logs() as said:
        for _ in range(5):
            house.chain.clock.time += 2
            await house.outbox.tick()
    assert [line["event"] for line in said] == [problem]
    assert still(house).startswith(problem)
    liar.client = house.chain.client
    await house.outbox.tick()
    assert still(house) == ""


async def given(answer: TxOutcome) -> TxOutcome:
    return answer


async def test_no_progress_is_not_ready(house: House, liar: Liar) -> None:
    """Every tick succeeds, no block takes the transaction: after a while the loop says so, and how many
    reports wait."""
    await house.outbox.tick()
    assert still(house) == ""
    house.chain.clock.time += STALLED_SECONDS + 1
    await house.outbox.tick()
    assert still(house) == "no transaction of the key was included for 61 s; 1 reports wait"
    await house.report()
    assert still(house) == ""


async def test_an_endpoint_without_an_index_explains_nothing(house: House, liar: Liar) -> None:
    """A search that fails is not a search that found nothing: a sequence that is higher waits, and is used
    when it stays so."""

    async def no_index(*_: object) -> None:
        raise Transient("transaction indexing is disabled")

    await house.chain.send(
        PROVIDER, MsgUpdateCluster(provider_address=PROVIDER.address, cluster_id="HPC-1", name="beta")
    )
    liar.client = Patched(house.chain.client, find_by_sequence=no_index)
    await house.outbox.tick()
    assert statuses(house) == ["included"]
    for _ in range(13):
        house.chain.clock.time += 10
        await house.outbox.tick()
    await house.report()
    assert statuses(house)[0] == "included"
    assert await house.state("JOB-2") == "queued"
