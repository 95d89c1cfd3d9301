"""Usage -> bill, in integers: 18-digit fixed point, truncated per component (MODULE.md, 'Billing').

The uvirt that truncating fee and reward leaves over (at most one) belongs to nobody: it stays in the escrow and goes back to the customer.
Node-hours are the wire's whole number: that is all that reaches the chain, and a forecast must come to the same bill.
"""

from dataclasses import dataclass

from provider_daemon.job.usage import SECONDS_PER_HOUR, Usage

PRECISION = 10**18
GRANULARITY_SECONDS = 60
MINIMUM_CHARGE = 10_000  # uvirt
BASIS_POINTS = 10_000
PLATFORM_FEE_BPS = 250
PROVIDER_REWARD_BPS = 9_750
BYTES_PER_GB = 2**30

# uvirt
CPU_CORE_HOUR = 10_000
MEMORY_GB_HOUR = 5_000
GPU_HOUR = 100_000
GPU_HOUR_BY_TYPE = {"a100": 150_000}
STORAGE_GB_HOUR = 100
NETWORK_GB = 1_000
NODE_HOUR = 50_000


@dataclass(frozen=True, slots=True)
class Bill:
    """uvirt. `total` is what the customer owes; fee + reward never exceed it."""

    cpu: int = 0
    memory: int = 0
    gpu: int = 0
    storage: int = 0
    network: int = 0
    node: int = 0
    subtotal: int = 0
    total: int = 0
    platform_fee: int = 0
    provider_reward: int = 0


def gpu_rate(gpu_type: str) -> int:
    """uvirt a GPU-hour; vendor prefixes are ignored ("nvidia-a100" is an a100)."""
    return GPU_HOUR_BY_TYPE.get(gpu_type.lower().rpartition("-")[2], GPU_HOUR)


def bill(usage: Usage, gpu_type: str = "", ceiling: int | None = None) -> Bill:
    """What `usage` costs, at most `ceiling` (the escrow). A job that never held a node owes nothing, not even the minimum charge."""
    if not (usage.wall_clock_seconds or usage.nodes_used):
        return Bill()
    parts = _components(usage, gpu_type)
    subtotal = sum(parts.values())
    total = max(subtotal, MINIMUM_CHARGE)
    total = total if ceiling is None else min(total, ceiling)
    return Bill(
        **parts,
        subtotal=subtotal,
        total=total,
        platform_fee=share(total, PLATFORM_FEE_BPS),
        provider_reward=share(total, PROVIDER_REWARD_BPS),
    )


def share(amount: int, basis_points: int) -> int:
    return amount * basis_points // BASIS_POINTS


def _components(usage: Usage, gpu_type: str) -> dict[str, int]:
    return {
        "cpu": _hourly(_billed(usage.cpu_core_seconds, usage), CPU_CORE_HOUR),
        "memory": _hourly(_billed(usage.memory_gb_seconds, usage), MEMORY_GB_HOUR),
        "gpu": _hourly(_billed(usage.gpu_seconds, usage), gpu_rate(gpu_type)),
        "storage": usage.storage_gb_hours * STORAGE_GB_HOUR,
        "network": _cost((usage.network_bytes_in + usage.network_bytes_out) * PRECISION // BYTES_PER_GB, NETWORK_GB),
        "node": usage.node_hours * NODE_HOUR,
    }


def _billed(resource_seconds: int, usage: Usage) -> int:
    """Time is billed in whole steps: resource-seconds grow as the wall clock does when it is rounded up to the step."""
    wall = max(usage.wall_clock_seconds, 1)
    steps = -(-wall // GRANULARITY_SECONDS)
    return resource_seconds * steps * GRANULARITY_SECONDS // wall


def _hourly(seconds: int, rate: int) -> int:
    return _cost(seconds * PRECISION // SECONDS_PER_HOUR, rate)


def _cost(quantity: int, rate: int) -> int:
    """`quantity` in 18-digit fixed point; whole uvirt, truncated."""
    return quantity * rate // PRECISION
