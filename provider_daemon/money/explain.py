"""Compares the billed with the measured usage, component by component."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from provider_daemon.job.usage import Usage
from provider_daemon.money.bill import Bill, bill
from provider_daemon.money.quantities import node_hours_seen
from provider_daemon.money.rates import Component
from provider_daemon.money.rules import DEFAULT, Rules

METERS: Mapping[Component, tuple[str, Callable[[Usage], int]]] = {
    Component.CPU: ("core-seconds", lambda usage: usage.cpu_core_seconds),
    Component.MEMORY: ("GB-seconds", lambda usage: usage.memory_gb_seconds),
    Component.GPU: ("GPU-seconds", lambda usage: usage.gpu_seconds),
    Component.STORAGE: ("GB-hours", lambda usage: usage.storage_gb_hours),
    Component.NETWORK: ("bytes", lambda usage: usage.network_bytes_in + usage.network_bytes_out),
    Component.NODE: ("node-hours", lambda usage: usage.node_hours),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One component: measured by SLURM, reported and billed (None: unknown), and the amount in uvirt."""

    component: Component
    unit: str
    measured: int | None
    reported: int | None
    billed: int | None
    amount: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """`cost` is the price by the rules; `charged` what the chain charged, None if it has not settled.

    `by_request`: no report ended the job, so the resources that it requested are billed. `wall_seconds` are
    billed as `billed_seconds`, whole steps of `step_seconds`.
    """

    lines: tuple[Line, ...]
    cost: Bill
    charged: int | None
    by_request: bool
    wall_seconds: int
    billed_seconds: int
    step_seconds: int

    @property
    def agrees(self) -> bool:
        """Whether the chain charged what the rules give, or nothing yet."""
        return self.charged is None or self.charged == self.cost.total


def explain(
    measured: Usage | None,
    reported: Usage | None,
    billed: Usage | None,
    *,
    gpu_type: str,
    escrowed: int,
    charged: int | None,
    rules: Rules = DEFAULT,
) -> Explanation:
    """Compares usage measured by SLURM (in the ledger), reported at the end, and billed by the chain.

    `rules`: with the prices of the job's offering. Without an accounting the cost is a forecast from the
    reported usage, or else from the measured one.
    """
    by_request = billed is not None and reported is None
    basis = next((usage for usage in (billed, reported, measured) if usage is not None), Usage())
    node_hours = node_hours_seen(basis, rules.granularity_seconds) if by_request else None
    cost = bill(basis, gpu_type, escrowed, node_hours=node_hours, rules=rules)
    lines = [
        Line(
            part,
            unit,
            _read(meter, measured),
            _read(meter, reported),
            _read(meter, billed),
            getattr(cost, part),
        )
        for part, (unit, meter) in METERS.items()
    ]
    step, wall = rules.granularity_seconds, basis.wall_clock_seconds
    return Explanation(tuple(lines), cost, charged, by_request, wall, -(-wall // step) * step, step)


def _read(meter: Callable[[Usage], int], usage: Usage | None) -> int | None:
    return None if usage is None else meter(usage)
