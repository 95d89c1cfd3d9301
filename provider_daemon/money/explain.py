"""Compares the billed with the measured usage, component by component."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from provider_daemon.job.usage import Usage
from provider_daemon.money.bill import Bill, bill
from provider_daemon.money.quantities import node_hours_seen
from provider_daemon.money.rates import Component
from provider_daemon.money.rules import DEFAULT

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
    """`cost` is the price by the default rules; `charged` what the chain charged, None if it has not settled.

    `by_request`: no report ended the job, so the resources that it requested are billed.
    """

    lines: tuple[Line, ...]
    cost: Bill
    charged: int | None
    by_request: bool

    @property
    def agrees(self) -> bool:
        """Whether the chain charged what the default rules give, or nothing yet."""
        return self.charged is None or self.charged == self.cost.total


def explain(
    measured: Usage | None,
    reported: Usage | None,
    billed: Usage | None,
    *,
    gpu_type: str,
    escrowed: int,
    charged: int | None,
) -> Explanation:
    """Compares usage measured by SLURM (in the ledger), reported at the end, and billed by the chain.

    Without an accounting the cost is a forecast from the reported usage, or else from the measured one.
    """
    by_request = billed is not None and reported is None
    basis = next((usage for usage in (billed, reported, measured) if usage is not None), Usage())
    node_hours = node_hours_seen(basis, DEFAULT.granularity_seconds) if by_request else None
    cost = bill(basis, gpu_type, escrowed, node_hours=node_hours)
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
    return Explanation(tuple(lines), cost, charged, by_request)


def _read(meter: Callable[[Usage], int], usage: Usage | None) -> int | None:
    return None if usage is None else meter(usage)
