"""The rate of each resource, in uvirt, 18-digit fixed point (docs/billing.md, 'Components')."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

from pydantic import ConfigDict

from provider_daemon.money.fixed import ONE, Decimal18


class Component(StrEnum):
    """The six parts of a bill, in its order."""

    CPU = "cpu"
    MEMORY = "memory"
    GPU = "gpu"
    STORAGE = "storage"
    NETWORK = "network"
    NODE = "node"


@dataclass(frozen=True, slots=True)
class Rates:
    """Rates per unit. A rate in `gpu_hour_by_type` replaces the base rate for its type."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    cpu_core_hour: Decimal18 = 10_000 * ONE
    memory_gb_hour: Decimal18 = 5_000 * ONE
    gpu_hour: Decimal18 = 100_000 * ONE
    gpu_hour_by_type: Mapping[str, Decimal18] = field(default_factory=lambda: {"a100": 150_000 * ONE})
    storage_gb_hour: Decimal18 = 100 * ONE
    network_gb: Decimal18 = 1_000 * ONE
    node_hour: Decimal18 = 50_000 * ONE

    def of(self, component: Component, gpu_type: str) -> int:
        """Returns the rate of one unit of the component, in uvirt, in fixed point."""
        return {
            Component.CPU: self.cpu_core_hour,
            Component.MEMORY: self.memory_gb_hour,
            Component.GPU: self.gpu(gpu_type),
            Component.STORAGE: self.storage_gb_hour,
            Component.NETWORK: self.network_gb,
            Component.NODE: self.node_hour,
        }[component]

    def gpu(self, gpu_type: str) -> int:
        """Returns the rate of a GPU type by its whole name, else by a word of it, else the base rate.

        The first word with a rate counts: "nvidia-a100" and "A100-80GB" are a100s.
        """
        name = gpu_type.lower()
        known = {key.lower(): rate for key, rate in self.gpu_hour_by_type.items()}
        words = [name, *re.split(r"[^a-z0-9]+", name)]
        return next((known[word] for word in words if word in known), self.gpu_hour)
