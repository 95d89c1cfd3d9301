"""The rules of a bill. The defaults have no discounts, no caps and no queue-time credit.

They are those of the module's test report.
"""

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from provider_daemon.money.caps import Cap
from provider_daemon.money.discounts import Discount
from provider_daemon.money.fixed import BASIS_POINTS, ONE, Amount, BasisPoints, Decimal18
from provider_daemon.money.rates import Rates


@dataclass(frozen=True, slots=True)
class QueueCredit:
    """Basis points of the subtotal for each whole minute of waiting beyond the threshold, up to a limit.

    0 per minute disables the credit.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    basis_points_a_minute: BasisPoints = 0
    threshold_seconds: Amount = 3_600
    most_basis_points: BasisPoints = 5_000

    def basis_points(self, queued_seconds: int) -> int:
        minutes = max(0, queued_seconds - self.threshold_seconds) // 60
        return min(self.most_basis_points, minutes * self.basis_points_a_minute)


@dataclass(frozen=True, slots=True)
class Rules:
    """Amounts in uvirt. The three shares are of the total. Raises ValueError if they exceed a whole.

    `price_multiplier`, in fixed point, multiplies every rate. `node_reward_bps` is the share of all node
    operators, divided among the nodes.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    rates: Rates = field(default_factory=Rates)
    price_multiplier: Decimal18 = ONE
    granularity_seconds: Annotated[int, Field(ge=1)] = 60
    discounts: tuple[Discount, ...] = ()
    queue_credit: QueueCredit = field(default_factory=QueueCredit)
    caps: tuple[Cap, ...] = ()
    minimum_charge: Amount = 10_000
    platform_fee_bps: BasisPoints = 250
    provider_reward_bps: BasisPoints = 9_750
    node_reward_bps: BasisPoints = 0

    def __post_init__(self) -> None:
        if self.platform_fee_bps + self.provider_reward_bps + self.node_reward_bps > BASIS_POINTS:
            raise ValueError(
                f"platform fee, provider reward and node reward are more than {BASIS_POINTS} basis "
                "points together"
            )


DEFAULT = Rules()
