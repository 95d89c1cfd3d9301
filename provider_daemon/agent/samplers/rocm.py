"""Parses what rocm-smi prints about AMD's GPUs. Pure."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from provider_daemon.agent.samplers import pci
from provider_daemon.agent.samplers.utilization import percent
from provider_daemon.errors import Unreadable
from provider_daemon.nodes.report import Gpu, GpuState

COMMAND = (
    "rocm-smi",
    "--showuniqueid",
    "--showproductname",
    "--showbus",
    "--showuse",
    "--showmeminfo",
    "vram",
    "--showtemp",
    "--json",
)
BYTES_PER_GB = 1024**3
# Releases of ROCm write some names in other cases; they are compared in lower case.
_NAME = ("card series", "card model", "device name")
_TEMPERATURE = ("temperature (sensor junction) (c)", "temperature (sensor edge) (c)")
_CARD = re.compile(r"card(\d{1,6})")
_UNCORRECTED = re.compile(r"^ue: (\d{1,18})$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class AmdGpu:
    """`address`: `0000:2f:00.0`."""

    address: str
    gpu: Gpu


def parse(printed: str) -> tuple[AmdGpu, ...]:
    """Returns the GPUs by index. Warnings before the JSON are skipped. Raises Unreadable."""
    try:
        found = json.loads(printed[printed.index("{") :])
        cards = {int(match[1]): dict(found[name]) for name in found if (match := _CARD.fullmatch(name))}
    except (ValueError, TypeError, RecursionError):
        raise Unreadable(f"rocm-smi: unexpected {printed[:120]!r}") from None
    if not cards:
        raise Unreadable("rocm-smi printed no GPU")
    return tuple(_gpu(index, cards[index]) for index in sorted(cards))


def judge(gpu: Gpu, errors: int) -> Gpu:
    """`errors`: how many uncorrectable ones its driver counted."""
    if not errors:
        return gpu
    reason = f"{errors} uncorrectable memory errors since its driver was loaded or it was reset"
    return replace(gpu, state=GpuState.FAILED, ecc_errors=errors, reason=reason)


def uncorrected(counts: str) -> int:
    """Returns the uncorrected errors from a file `ras/*_err_count` of the driver: `ue: 0`, `ce: 3`."""
    return sum(int(each) for each in _UNCORRECTED.findall(counts))


def _gpu(index: int, card: Mapping[str, Any]) -> AmdGpu:
    values = {name.lower(): str(value).strip() for name, value in card.items()}
    total = _number(values.get("vram total memory (b)"))
    gpu = Gpu(
        index=index,
        state=GpuState.OK,
        uuid=values.get("unique id", "")[:128],
        model=next((values[name] for name in _NAME if values.get(name)), "")[:128],
        memory_gb=min(2**31 - 1, round(total / BYTES_PER_GB)),
        utilization_percent=min(100, _number(values.get("gpu use (%)"))),
        memory_utilization_percent=percent(_number(values.get("vram total used memory (b)")), total),
        temperature_celsius=min(200, _number(next((values[n] for n in _TEMPERATURE if values.get(n)), None))),
    )
    return AmdGpu(pci.address(values.get("pci bus", ""), index), gpu)


def _number(text: str | None) -> int:
    """Returns 0 for what this GPU or this release does not report."""
    whole = (text or "").partition(".")[0]
    return int(whole) if whole.isascii() and whole.isdecimal() and len(whole) < 19 else 0
