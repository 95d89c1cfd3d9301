"""Documents about usage, jobs and rules."""

import pytest

from provider_daemon.errors import ConfigError
from provider_daemon.job.usage import Usage
from provider_daemon.money.bill import bill
from provider_daemon.money.discounts import Discount, DiscountType
from provider_daemon.money.documents import Use, read_job, read_rules, read_use
from provider_daemon.money.fixed import ONE, ratio
from provider_daemon.money.rules import DEFAULT, Rules


def test_usage_as_a_gateway_prints_it() -> None:
    """64-bit integers as strings; node-hours may be decimal here and are whole on the wire."""
    document = {
        "wall_clock_seconds": "3600",
        "cpu_core_seconds": 7200,
        "node_hours": "1.5",
        "nodes_used": 2,
        "gpu_type": "a100",
    }
    use = read_use(document)
    assert use == Use(
        wall_clock_seconds=3600, cpu_core_seconds=7200, node_hours=3 * ONE // 2, nodes_used=2, gpu_type="a100"
    )
    assert use.usage == Usage(3600, 7200, node_hours=1, nodes_used=2)


def test_every_field_of_usage() -> None:
    names = (
        "wall_clock_seconds cpu_core_seconds memory_gb_seconds gpu_seconds storage_gb_hours "
        "network_bytes_in network_bytes_out"
    )
    document = {name: number for number, name in enumerate([*names.split(), "node_hours", "nodes_used"], 1)}
    assert read_use(document).usage == Usage(*range(1, 10))


def test_a_purchase_beside_the_usage() -> None:
    """Where, when, with which codes, and what was bought before."""
    past = [
        {
            "ended_at": 5,
            "cluster_id": "HPC-1",
            "usage": {"cpu_core_seconds": "360000"},
            "total": 7,
            "discounts": ["x"],
        }
    ]
    bought = read_use(
        {"purchase": {"customer": "ve1", "queued_seconds": "60", "codes": ["A"], "past": past}}
    ).purchase
    assert (bought.customer, bought.queued_seconds, bought.codes) == ("ve1", 60, frozenset({"A"}))
    assert (bought.past[0].usage.cpu_core_seconds, bought.past[0].total, bought.past[0].discounts) == (
        360_000,
        7,
        ("x",),
    )


@pytest.mark.parametrize(
    ("document", "mistakes"),
    [
        ([], ["usage: must be an object"]),
        (
            {"cpu_seconds": 1, "gpu_seconds": -1},
            ["usage: gpu_seconds: Input should be", "usage: cpu_seconds: there is no such field"],
        ),
        ({"node_hours": "x"}, ["usage: node_hours: Value error, 'x' is no decimal number"]),
        ({"purchase": {"past": [{"sum": 1}]}}, ["usage: purchase.past.0.sum: there is no such field"]),
        (
            {"purchase": {"past": [{"usage": {"cpus": 1, "cores": 2}}, {"usage": 5}]}},
            [
                "usage: purchase.past.0.usage: Value error, unknown field of HPCUsageMetrics: cores, cpus",
                "usage: purchase.past.1.usage: Input should be",
            ],
        ),
    ],
)
def test_every_mistake_is_named_with_its_place(document: object, mistakes: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        read_use(document)
    assert len(caught.value.problems) == len(mistakes)
    for problem, mistake in zip(caught.value.problems, mistakes, strict=True):
        assert problem.startswith(mistake)


def test_declared_inputs_count_once() -> None:
    """One without a size counts nothing; its other fields are ignored."""
    inputs = [{"uri": "https://h/a", "size_bytes": "7"}, {"uri": "https://h/b"}]
    document = {"resources": {"nodes": 1}, "max_runtime_seconds": 60, "data_references": inputs}
    assert read_job(document, 60).usage.network_bytes_in == 7


def test_a_job_is_billed_to_its_limit() -> None:
    """Everything asked for until max_runtime_seconds, node-hours with their decimals, storage for each
    started hour, and the declared inputs; the rest of a submission is passed over."""
    asked = {
        "nodes": 2,
        "cpu_cores_per_node": 4,
        "memory_gb_per_node": 8,
        "gpus_per_node": 1,
        "gpu_type": "a100",
        "storage_gb": 5,
    }
    use = read_job({"offering_id": "OFF-1", "resources": asked, "max_runtime_seconds": 601}, 60)
    assert use.usage == Usage(601, 8 * 601, 16 * 601, 2 * 601, storage_gb_hours=5, nodes_used=2)
    assert (use.node_hours, use.gpu_type) == (ratio(2 * 660, 3600), "a100")
    bought = {"customer": "ve1"}
    assert (
        read_job({"resources": asked, "max_runtime_seconds": 1, "purchase": bought}, 60).purchase.customer
        == "ve1"
    )


@pytest.mark.parametrize(
    ("document", "mistake"),
    [
        ({"resources": {"nodes": 0}, "max_runtime_seconds": 60}, "job: resources.nodes: "),
        ({"resources": {"nodes": 1}, "max_runtime_seconds": 0}, "job: max_runtime_seconds: "),
        ({"resources": {"nodes": 1, "cpus": 1}, "max_runtime_seconds": 60}, "job: resources.cpus: "),
        ({"max_runtime_seconds": 60}, "job: resources: "),
        ("job", "job: must be an object"),
    ],
)
def test_a_job_that_cannot_be_priced(document: object, mistake: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_job(document, 60)
    assert caught.value.problems[0].startswith(mistake)


def test_rules() -> None:
    """What is left out has its default; the smallest that can be, too."""
    assert read_rules({}) == read_rules({"node_reward_bps": 0}) == DEFAULT
    document = {
        "granularity_seconds": 1,
        "discounts": [{"rule_id": "v", "type": "volume", "basis_points": 10_000, "threshold_value": 2}],
    }
    assert read_rules(document) == Rules(
        granularity_seconds=1,
        discounts=(Discount("v", DiscountType.VOLUME, 10_000, threshold_value=2 * ONE),),
    )
    assert read_rules({"rates": {"gpu_hour_by_type": {"h100": "5"}}}).rates.gpu("h100") == 5 * ONE
    assert (
        bill(
            Usage(60, 60),
            rules=read_rules(
                {"caps": [{"cap_id": "c", "type": "per_job", "amount": 5}], "minimum_charge": 0}
            ),
        ).total
        == 5
    )


@pytest.mark.parametrize(
    ("document", "mistake"),
    [
        (
            {"platform_fee_bps": 251},
            "rules: Value error, platform fee, provider reward and node reward are more than 10000",
        ),
        ({"node_reward_bps": -1}, "rules: node_reward_bps: "),
        (
            {"node_reward_bps": 1},
            "rules: Value error, platform fee, provider reward and node reward are more than 10000",
        ),
        ({"granularity_seconds": 0}, "rules: granularity_seconds: "),
        ({"discounts": [{"rule_id": "v", "type": "gift", "basis_points": 1}]}, "rules: discounts.0.type: "),
        (
            {"discounts": [{"rule_id": "v", "type": "promo", "basis_points": 10_001}]},
            "rules: discounts.0.basis_points: ",
        ),
        ({"caps": [{"cap_id": "c", "type": "yearly", "amount": 1}]}, "rules: caps.0.type: "),
        ({"rates": {"cpu": 1}}, "rules: rates.cpu: "),
        ({"fee": 1}, "rules: fee: "),
        (None, "rules: must be an object"),
    ],
)
def test_rules_that_cannot_be(document: object, mistake: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_rules(document)
    assert caught.value.problems[0].startswith(mistake)
