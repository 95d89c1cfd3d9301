"""What each resource costs, in uvirt (docs/billing.md, 'Components')."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

from pydantic import ConfigDict

from provider_daemon.money.fixed import Amount


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
    """`gpu_hour_by_type`: the type's rate replaces the base rate."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    cpu_core_hour: Amount = 10_000
    memory_gb_hour: Amount = 5_000
    gpu_hour: Amount = 100_000
    gpu_hour_by_type: Mapping[str, Amount] = field(default_factory=lambda: {"a100": 150_000})
    storage_gb_hour: Amount = 100
    network_gb: Amount = 1_000
    node_hour: Amount = 50_000

    def of(self, component: Component, gpu_type: str) -> int:
        """uvirt for one of its units."""
        return {
            Component.CPU: self.cpu_core_hour,
            Component.MEMORY: self.memory_gb_hour,
            Component.GPU: self.gpu(gpu_type),
            Component.STORAGE: self.storage_gb_hour,
            Component.NETWORK: self.network_gb,
            Component.NODE: self.node_hour,
        }[component]

    def gpu(self, gpu_type: str) -> int:
        """By the whole name first, else by its first word that has a rate ("nvidia-a100", "A100-80GB" are
        a100s), else the base rate."""
        name = gpu_type.lower()
        known = {key.lower(): rate for key, rate in self.gpu_hour_by_type.items()}
        words = [name, *re.split(r"[^a-z0-9]+", name)]
        return next((known[word] for word in words if word in known), self.gpu_hour)
