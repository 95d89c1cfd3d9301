"""The arithmetic of accounts, and the statement built from it."""

import csv
import io
import json
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from provider_daemon.books import render
from provider_daemon.books.statement import Books, Kind, statement
from provider_daemon.ledger.books import BookedJob
from provider_daemon.money.account import Accounted, Movement, Note, Reading, following, opening

OURS = "ve1ours"
AMOUNTS = st.integers(0, 10**30)
COINS = st.dictionaries(st.sampled_from(("uve", "uvirt")), AMOUNTS)
MOVEMENTS = st.builds(Movement, st.integers(0, 9), st.just(0), COINS, COINS, COINS)
START = 1_793_491_200.0  # 2026-11-01


def paid(number: int, reward: int, fee: int = 5, customer: str = "ve1customer") -> Accounted:
    return Accounted(
        job_id=f"JOB-{number}",
        cluster_id="HPC-1",
        offering_id="OFF-1",
        queue="gpu",
        provider=OURS,
        customer=customer,
        state="completed",
        nodes=1,
        started_at=int(START),
        ended_at=int(START) + 60,
        status="settled",
        total=reward + fee,
        platform_fee=fee,
        provider_reward=reward,
        price="9uvirt",
        escrowed=reward + fee + 7,
        settled_at=int(START) + 61,
    )


STEPS = st.lists(st.tuples(MOVEMENTS, st.lists(AMOUNTS, max_size=3), COINS), max_size=5)


def course(steps: list[tuple[Movement, list[int], dict[str, int]]]) -> tuple[list[Note], list[BookedJob]]:
    """Returns the notes and paid jobs of a month in which the balances are whatever they are."""
    notes, jobs = [opening(OURS, Reading(START, 1, 0, {"uve": 100, "uvirt": 0}))], list[BookedJob]()
    for number, (moved, rewards, balances) in enumerate(steps, start=1):
        at = START + number * 600
        fresh = [paid(10 * number + index, reward) for index, reward in enumerate(rewards)]
        jobs += [BookedJob(job, booked_at=at) for job in fresh]
        notes.append(following(notes[-1], Reading(at, number, number, balances), moved, fresh))
    return notes, jobs


@settings(max_examples=40, deadline=None)
@given(STEPS)
def test_the_entries_sum_to_the_balance(
    steps: list[tuple[Movement, list[int], dict[str, int]]],
) -> None:
    """Whatever moves, in every denomination: nothing is lost, and what is not explained has its own entry."""
    notes, jobs = course(steps)
    found = statement(Books("2026-11", {}, notes, jobs, []))
    rows = list(csv.DictReader(io.StringIO(render.as_csv(found))))
    for denom in ("uve", "uvirt"):
        closing = [int(row["amount"]) for row in rows if (row["kind"], row["denom"]) == ("closing", denom)]
        others = [
            int(row["amount"])
            for row in rows
            if row["kind"] not in ("closing", "unpaid") and row["denom"] == denom
        ]
        assert [sum(others)] == closing == [notes[-1].lines[denom].balance]
    assert not any(total.difference for total in found.totals)
    assert found.agrees == all(note.explained for note in notes)


@settings(max_examples=40, deadline=None)
@given(STEPS, st.integers(1, 5))
def test_two_months_continue_each_other(
    steps: list[tuple[Movement, list[int], dict[str, int]]], cut: int
) -> None:
    """The closing balance of one is the opening balance of the next."""
    notes, jobs = course(steps)
    end = START + cut * 600
    one = [note for note in notes if note.at < end]
    first = statement(Books("2026-11", {}, one, [job for job in jobs if (job.booked_at or 0) < end], []))
    later = [note for note in notes if note.at >= end]
    second = statement(
        Books("2026-12", {OURS: one[-1]}, later, [job for job in jobs if (job.booked_at or 0) >= end], [])
    )
    closing = {total.denom: total.closing for total in first.totals}
    assert {total.denom: total.opening for total in second.totals} == closing


def test_a_customers_statement_has_only_its_jobs() -> None:
    """No balances of the provider, no fees, and no job of others."""
    notes = [opening(OURS, Reading(START, 1, 0, {"uve": 100}))]
    jobs = [BookedJob(paid(1, 100), START), BookedJob(paid(2, 100, customer="ve1other"), START)]
    found = statement(Books("2026-11", {}, notes, jobs, [BookedJob(paid(3, 1), None, 5.0)]), "ve1other")
    assert [(entry.kind, entry.job and entry.job.job_id) for entry in found.entries] == [
        (Kind.PAYMENT, "JOB-2")
    ]
    assert (found.totals, found.paid.jobs, found.paid.refund) == ((), 1, 7)


def test_a_job_without_escrow_pays_nothing() -> None:
    """Its accounting is recorded and nothing is paid."""
    job = replace(paid(1, 100), escrowed=0)
    assert (job.earned(OURS), job.refund) == (0, 0)


def test_text_of_others_is_no_formula() -> None:
    """A spreadsheet must not run what a customer wrote."""
    job = replace(paid(1, 100), queue="=cmd()")
    found = statement(Books("2026-11", {}, [], [BookedJob(job, START)], []))
    assert ",'=cmd()," in render.as_csv(found)
    assert json.loads(json.dumps(render.document(found)))["entries"][0]["queue"] == "=cmd()"
