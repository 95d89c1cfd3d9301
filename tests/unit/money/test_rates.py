"""What each resource costs."""

import pytest

from provider_daemon.money.fixed import ONE
from provider_daemon.money.rates import Component, Rates


def test_rates_of_the_components() -> None:
    """Each its own; a GPU by its type."""
    assert [Rates().of(part, "a100") for part in Component] == [
        amount * ONE for amount in (10_000, 5_000, 150_000, 100, 1_000, 50_000)
    ]
    assert Rates().of(Component.GPU, "") == 100_000 * ONE


@pytest.mark.parametrize(
    ("gpu_type", "rate"),
    [
        ("a100", 150_000), ("A100", 150_000), ("nvidia-a100", 150_000), ("NVIDIA_A100-SXM4-80GB", 150_000),
        ("a100-80gb", 150_000), ("h100", 100_000), ("ga1000", 100_000), ("", 100_000), ("mi250", 100_000),
    ],
)  # fmt: skip
def test_gpu_types(gpu_type: str, rate: int) -> None:
    """Case, vendor and model do not matter; a type that has no rate has the base rate."""
    assert Rates().gpu(gpu_type) == rate * ONE


def test_the_whole_name_comes_first() -> None:
    """So a slice of a card can have a rate of its own, whatever the card's is."""
    rates = Rates(gpu_hour_by_type={"a100": 150_000, "A100_1g.5gb": 20_000})
    assert (rates.gpu("a100_1g.5gb"), rates.gpu("a100_2g.10gb")) == (20_000, 150_000)
