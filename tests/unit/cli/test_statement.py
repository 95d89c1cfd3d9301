"""`provd statement`, its closings, and `provd income`."""

import csv
import io
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from provider_daemon.books.months import bounds, month_of
from provider_daemon.clock import SystemClock
from provider_daemon.errors import Refused
from provider_daemon.ledger import books
from provider_daemon.ledger.books import BookedJob
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.money.account import Movement, Reading, following, opening
from tests.unit.books.test_account import paid
from tests.unit.cli.shop import ADDRESSES, Shop, shop

ALICE, MONTH = ADDRESSES["alice"], "2026-01"
START, END = bounds(MONTH)


@pytest_asyncio.fixture
async def market(tmp_path: Path) -> AsyncIterator[Shop]:
    """A chain, and a ledger whose books were opened in January 2026."""
    async with shop(tmp_path) as opened:
        first = opening(ALICE, Reading(START + 60, 1, 0, {"uve": 10**12, "uvirt": 10**12 - 100}))
        job = replace(paid(1, 100), provider=ALICE)
        last = Reading(START + 600, 1, 0, {"uve": 10**12, "uvirt": 10**12})
        notes = [first, following(first, last, Movement(), [job])]
        notes.append(following(notes[-1], replace(last, at=END + 1), Movement(), []))
        ledger = Ledger.open(tmp_path / "ledger.sqlite")
        with ledger.write():
            books.save(ledger, BookedJob(job, booked_at=START + 600))
            for note in notes:
                books.add_note(ledger, note)
        ledger.close()
        config = tmp_path / "provd.toml"
        text = config.read_text().replace('"127.0.0.1:9090"', f'"{opened.env["PROVD_NODE"]}"')
        config.write_text(text.replace('id = "virtengine-localnet-1"', 'id = "cli-1"'))
        yield opened


async def test_a_past_month(market: Shop) -> None:
    """It is read from the ledger, in four formats."""
    text = await market.run(f"statement --month {MONTH}")
    assert text.exit_code == 0, text.output
    assert "  earned                           100" in text.stdout
    found = json.loads((await market.run(f"statement --month {MONTH} -o json")).stdout)
    assert (found["agrees"], found["paid"]["jobs"], found["accounts"][1]["earned"]) == (True, 1, 100)
    rows = list(csv.DictReader(io.StringIO((await market.run(f"statement --month {MONTH} -o csv")).stdout)))
    assert [row["kind"] for row in rows] == ["opening", "opening", "payment", "closing", "closing"]
    assert (await market.run(f"statement --month {MONTH} -o pdf")).stdout_bytes.startswith(b"%PDF-")
    theirs = await market.run(f"statement --month {MONTH} --customer ve1other -o csv")
    assert len(theirs.stdout.splitlines()) == 1
    assert (await market.run("statement --month january")).exit_code == 2


async def test_the_current_month_reaches_to_the_present(market: Shop) -> None:
    """A transfer of a moment ago is in it, and so is its fee; the chain's balance is explained."""
    month = month_of(SystemClock().now())
    await market.done(f"tx bank send {ADDRESSES['bob']} 250uvirt --from alice")
    result = await market.run(f"statement --month {month} -o csv")
    assert result.exit_code == 0, result.output
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    sent = [row for row in rows if row["kind"] == "sent"]
    assert [(row["denom"], row["amount"]) for row in sent] == [("uvirt", "-250")]
    balances = json.loads((await market.run(f"query bank balances {ALICE} -o json")).stdout)["balances"]
    for coin in balances:
        amounts = {row["kind"]: int(row["amount"]) for row in rows if row["denom"] == coin["denom"]}
        closing = amounts.pop("closing")
        assert sum(amounts.values()) == closing == int(coin["amount"])


async def test_income(market: Shop) -> None:
    """A row for each month since the books were opened."""
    rows = json.loads((await market.run("income -o json")).stdout)
    assert (rows[0]["month"], rows[0]["reward"], rows[0]["jobs"]) == (MONTH, 100, 1)
    assert rows[-1]["month"] == month_of(SystemClock().now())
    assert (await market.run("income")).stdout.split()[0] == "MONTH"


async def test_a_closed_month(market: Shop) -> None:
    """It is closed once, in order; a later change is named by its check and by every later statement."""
    closed = await market.run(f"statement close --month {MONTH}")
    assert closed.exit_code == 0, closed.output
    assert closed.stdout.startswith(f"{MONTH} is closed: SHA-256 ")
    again = await market.run(f"statement close --month {MONTH}")
    assert isinstance(again.exception, Refused)
    checked = await market.run(f"statement check --month {MONTH}")
    assert (checked.exit_code, closed.stdout.split()[-1] in checked.stdout) == (0, True)
    ledger = Ledger.open(market.directory / "ledger.sqlite")
    with ledger.write():
        job = replace(paid(1, 101), provider=ALICE)
        books.save(ledger, BookedJob(job, booked_at=START + 600))
    ledger.close()
    changed = await market.run(f"statement check --month {MONTH}")
    assert changed.exit_code == 1
    assert "payment JOB-1 uvirt: provider_reward was 100 and is 101" in changed.stdout
    later = await market.run(f"statement --month {MONTH}")
    assert later.exit_code == 1
    assert f"changed after the closing of {MONTH}: payment JOB-1" in later.stderr


@pytest.mark.parametrize(
    ("month", "why"),
    [("2026-03", "months are closed in order: the next one is 2026-01"), ("2126-01", "cannot be closed yet")],
)
async def test_what_cannot_be_closed(market: Shop, month: str, why: str) -> None:
    """A month before its turn, and one that is not over in the books."""
    ledger = Ledger.open(market.directory / "ledger.sqlite")
    with ledger.write():
        at = bounds("2026-04")[0]
        books.add_note(ledger, opening(ALICE, Reading(at, 1, 0, {"uve": 1})))
    ledger.close()
    refused = await market.run(f"statement close --month {month}")
    assert why in str(refused.exception)
