"""What was billed against what was measured."""

from dataclasses import replace

from provider_daemon.job.pricing import Pricing
from provider_daemon.job.usage import Usage
from provider_daemon.money.explain import Line, explain
from provider_daemon.money.pricing import price_rules
from provider_daemon.money.rates import Component
from provider_daemon.money.rules import DEFAULT

USED = Usage(1800, 7200, 3600, 1800, 5, 2**30, 2**29, 0, 1)
LARGE = 10**9


def test_each_component_beside_the_others() -> None:
    """In the wire's own units; the amounts are those of the accounting's usage."""
    found = explain(
        USED,
        Usage(1800, 7201),
        Usage(1800, 14_400, node_hours=1, nodes_used=1),
        gpu_type="a100",
        escrowed=LARGE,
        charged=90_000,
    )
    assert found.lines == (
        Line(Component.CPU, "core-seconds", 7200, 7201, 14_400, 40_000),
        Line(Component.MEMORY, "GB-seconds", 3600, 0, 0, 0),
        Line(Component.GPU, "GPU-seconds", 1800, 0, 0, 0),
        Line(Component.STORAGE, "GB-hours", 5, 0, 0, 0),
        Line(Component.NETWORK, "bytes", 2**30 + 2**29, 0, 0, 0),
        Line(Component.NODE, "node-hours", 0, 0, 1, 50_000),
    )
    assert (found.by_request, found.agrees, found.cost.total) == (False, True, 90_000)


def test_another_sum_on_chain_does_not_agree() -> None:
    """Other rules are in force there, or it is wrong."""
    assert not explain(None, USED, USED, gpu_type="", escrowed=LARGE, charged=1).agrees


def test_time_in_steps_and_the_prices_of_the_offering() -> None:
    """61 s are two minutes; the rules carry the prices, and the step."""
    rules = price_rules(DEFAULT, Pricing(cpu_core_hour="36000"))
    used = Usage(61, 61)
    found = explain(None, used, used, gpu_type="", escrowed=LARGE, charged=None, rules=rules)
    assert (found.wall_seconds, found.billed_seconds, found.step_seconds) == (61, 120, 60)
    assert found.lines[0].amount == 1_199  # 0.0333... hours
    coarse = replace(rules, granularity_seconds=3600)
    asked = Usage(1800, 1800, nodes_used=1)
    by_hours = explain(None, None, asked, gpu_type="", escrowed=LARGE, charged=None, rules=coarse)
    assert (by_hours.lines[-1].amount, by_hours.billed_seconds) == (50_000, 3600)
    assert explain(None, None, None, gpu_type="", escrowed=1, charged=None).billed_seconds == 0


def test_without_a_report_the_request_is_billed() -> None:
    """Then node-hours are decimal: half of one is 25,000."""
    asked = Usage(1800, 7200, nodes_used=1)
    found = explain(USED, None, asked, gpu_type="", escrowed=LARGE, charged=45_000)
    assert (found.by_request, found.lines[-1].amount, found.agrees) == (True, 25_000, True)
    assert (found.lines[0].measured, found.lines[0].reported, found.lines[0].billed) == (7200, None, 7200)


def test_a_forecast_where_nothing_is_settled() -> None:
    """On what was reported, else on what was measured, else nothing; never over the escrow."""
    both = explain(USED, Usage(60, 60), None, gpu_type="a100", escrowed=LARGE, charged=None)
    assert (both.cost.cpu, both.charged, both.agrees, both.by_request) == (166, None, True, False)
    measured = explain(USED, None, None, gpu_type="a100", escrowed=50_000, charged=None)
    assert (measured.cost.gpu, measured.cost.node, measured.cost.total) == (75_000, 0, 50_000)
    assert measured.lines[0].billed is None
    assert explain(None, None, None, gpu_type="", escrowed=LARGE, charged=None).cost.total == 0
