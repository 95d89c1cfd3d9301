"""The rules and numbers of docs/billing.md, recomputed."""

import json
import re
from dataclasses import fields, replace
from typing import Any

import yaml

from provider_daemon.cli.bill_show import estimate_document, estimate_lines, explanation_lines
from provider_daemon.job.usage import Usage
from provider_daemon.money.accounting import TRANSITIONS, AccountingRecord, Status, calculation_hash
from provider_daemon.money.bill import bill
from provider_daemon.money.caps import DAY, PERIODS, CapType
from provider_daemon.money.discounts import Discount, DiscountType
from provider_daemon.money.documents import Use, read_rules, read_use
from provider_daemon.money.explain import explain
from provider_daemon.money.fixed import text, whole
from provider_daemon.money.purchase import Past, Purchase
from provider_daemon.money.quantities import Asked, node_hours_seen, use_of
from provider_daemon.money.rates import Component, Rates
from provider_daemon.money.rules import DEFAULT, QueueCredit, Rules
from tests.unit.docs import blocks, page, table

PAGE = page("billing.md")
USE, RULES, BOUGHT = (yaml.safe_load(block) for block in blocks(PAGE, "yaml"))
HOUR = 3600


def rows(heading: str) -> list[list[str]]:
    return table(PAGE, heading)


def worked() -> Use:
    return read_use(USE)


def rules() -> Rules:
    return read_rules(RULES)


def test_the_worked_bill() -> None:
    """The table is what the command prints for the file above it."""
    shown = blocks(PAGE, "console")[0].splitlines()
    assert shown == list(estimate_lines(estimate_document(worked(), DEFAULT)))


def test_rates() -> None:
    """Of each component, in the bill's order; the A100's in the text."""
    assert [(row[0], int(row[2])) for row in rows("component")] == [
        (part, whole(Rates().of(part, ""))) for part in Component
    ]
    assert f"An A100 is {whole(Rates().gpu('a100'))} an hour" in PAGE
    assert {whole(Rates().gpu(name)) for name in ("nvidia-a100", "A100-SXM4-80GB")} == {150_000}


def test_steps() -> None:
    for wall, billed, uvirt in (map(int, row) for row in rows("wall clock, s")):
        cost = bill(Usage(wall, 36 * wall)).cpu
        assert (cost, cost * HOUR) == (uvirt, 36 * billed * 10_000)


def test_node_hours() -> None:
    for row in rows("one node, s"):
        used = use_of(Asked(1), int(row[0]))
        seen = node_hours_seen(used, 60)
        reported, worked_out = bill(used), bill(used, node_hours=seen)
        assert row[1:] == [str(used.node_hours), str(reported.node), text(seen), str(worked_out.node)]


def test_shares() -> None:
    for total, fee, reward, left in (map(int, row) for row in rows("total")):
        cost = bill(Usage(nodes_used=1), rules=replace(DEFAULT, minimum_charge=total))
        assert (cost.total, cost.platform_fee, cost.provider_reward, cost.remainder) == (
            total,
            fee,
            reward,
            left,
        )
    assert f"The **minimum charge** is {DEFAULT.minimum_charge}." in PAGE
    assert f"**fee** is {DEFAULT.platform_fee_bps} basis points" in PAGE
    assert f"**reward** {DEFAULT.provider_reward_bps}," in PAGE


def test_the_rules_file_has_every_kind() -> None:
    """And says every field that a discount can have, but for `active`."""
    found = rules()
    assert {rule.type for rule in found.discounts} == set(DiscountType)
    said = {name for rule in RULES["discounts"] for name in rule}
    assert said == {field.name for field in fields(Discount)} - {"active"}
    assert {row[0] for row in rows("type")} == set(DiscountType)


def test_volume_discounts() -> None:
    """By the history, and none of the other kinds."""
    for hours, rule_id, uvirt in rows("history, core-hours"):
        past = (Past(cluster_id="other", usage=Usage(cpu_core_seconds=int(hours) * HOUR)),)
        cost = bill(Usage(HOUR, 100 * HOUR), rules=rules(), purchase=Purchase(past=past))
        assert cost.cpu == 1_000_000
        assert [(taken.rule_id, taken.amount) for taken in cost.discounts] == (
            [(rule_id, int(uvirt))] if int(uvirt) else []
        )


def test_caps() -> None:
    """The second table headed `type`."""
    said = {row[0]: row[1] for row in table(PAGE.split("### Caps")[1], "type")}
    periods = {kind.value: f"the {PERIODS[kind]} s before" for kind in PERIODS}
    assert said == {"per_job": "this job alone", **periods, "total": "everything ever"}
    assert list(said) == list(CapType)
    assert PERIODS[CapType.DAILY] == DAY


def test_queue_credit() -> None:
    for waited, points in (map(int, row) for row in rows("waited, s")):
        assert rules().queue_credit.basis_points(waited) == points
    assert (QueueCredit().threshold_seconds, QueueCredit().most_basis_points) == (3_600, 5_000)


def test_who_buys() -> None:
    """The sentence under the file, from its numbers."""
    use = read_use(BOUGHT)
    cost = bill(use.usage, rules=rules(), purchase=use.purchase)
    taken = ", ".join(f"{found.rule_id} {found.amount}" for found in cost.discounts)
    said = (
        f"subtotal {cost.subtotal}, discounts {taken}, queue-time credit {cost.queue_credit}, total "
        f"{cost.total}."
    )
    assert said in PAGE


def test_the_accounting_record() -> None:
    """Its states, and the hash of the document that is printed."""
    said = {Status(row[0]): {Status(word) for word in row[1].split(", ") if word} for row in rows("state")}
    assert said == {state: set(following) for state, following in TRANSITIONS.items()}
    (document,) = blocks(PAGE, "json")
    value: dict[str, Any] = json.loads(document)
    record = AccountingRecord("JOB-7", "HPC-1", worked().usage, value["period_start"], value["period_end"])
    (said_hash,) = re.findall(r"which is `(\w+)`", PAGE)
    assert json.dumps(value, separators=(",", ":")) == document.strip()
    assert calculation_hash(record) == said_hash


def test_the_explanation() -> None:
    """As `provd bill explain` prints it."""
    used = Usage(HOUR, 7_200, 14_400, node_hours=1, nodes_used=1)
    found = explain(used, used, used, gpu_type="", escrowed=1_000_000, charged=90_000)
    assert blocks(PAGE, "console")[1].splitlines() == list(explanation_lines("JOB-1", found))
