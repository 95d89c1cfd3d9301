"""Parses what nvidia-smi prints, and decides which GPUs failed (docs/agent.md, 'GPUs'). Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from provider_daemon.agent.samplers import pci
from provider_daemon.agent.samplers.kernel_records import RECOVERY_ACTION_CHANGED, Xid
from provider_daemon.agent.samplers.utilization import percent
from provider_daemon.errors import Unreadable
from provider_daemon.nodes.report import Gpu, GpuState

FIELDS: tuple[str, ...] = (
    "index",
    "pci.bus_id",
    "uuid",
    "name",
    "memory.total",
    "memory.used",
    "utilization.gpu",
    "temperature.gpu",
    "ecc.errors.uncorrected.volatile.total",
)
# What the driver wants to be done about an error. Only newer drivers know it, and nvidia-smi refuses a query
# with a field that it does not know.
RECOVERY_FIELD = "gpu_recovery_action"
# Errors after which NVIDIA's Xid catalogue asks for a reset of the GPU or of the machine
# (https://docs.nvidia.com/deploy/xid-errors/analyzing-xid-catalog.html, for A100, H100 and B100). Without 109
# and 155, which it lists too: a program can cause the first, and a link that was put to sleep the second.
FATAL_XIDS = frozenset({46, 48, 62, 64, 74, 79, 95, 110, 119, 120, 136, 140, 143, 156, 158})
MIB_PER_GB = 1024
MAX_XIDS, MAX_REASON, MAX_WORD = 64, 256, 128

_UNKNOWN = frozenset({"", "[n/a]", "n/a", "[not supported]", "not supported", "[insufficient permissions]"})
_FIELD_NAME = re.compile(r'"([a-z0-9_.]+)"')
_NO_ACTION = "none"


@dataclass(frozen=True, slots=True)
class NvidiaGpu:
    """One line of nvidia-smi. `address`: `0000:3b:00.0`.

    `recovery`: what the driver wants to be done, "none", or "" if this driver does not say.
    """

    address: str
    gpu: Gpu
    recovery: str = ""


def known_fields(help_text: str) -> tuple[str, ...]:
    """Returns what can be asked, from `nvidia-smi --help-query-gpu`."""
    return (*FIELDS, RECOVERY_FIELD) if RECOVERY_FIELD in _FIELD_NAME.findall(help_text) else FIELDS


def query(fields: Sequence[str], gpu: str = "") -> list[str]:
    """Returns the command. `gpu`: an address or a UUID, "" for all."""
    one = ["-i", gpu] if gpu else []
    return ["nvidia-smi", *one, f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits"]


def parse(printed: str, fields: Sequence[str]) -> tuple[NvidiaGpu, ...]:
    """Returns one GPU for each line. Raises Unreadable if there is none, or for a line with other columns."""
    lines = [line for line in printed.splitlines() if line.strip()]
    if not lines:
        raise Unreadable("nvidia-smi printed nothing")
    return tuple(_gpu(line, fields) for line in lines)


def judge(found: NvidiaGpu, xids: Sequence[Xid]) -> Gpu:
    """Adds what the kernel's log holds about this GPU. The driver's own word, where there is one, counts."""
    gpu = replace(found.gpu, xid_errors=numbers(xids))
    if gpu.state is GpuState.FAILED or found.recovery == _NO_ACTION:
        return gpu
    fatal = 0
    for each in xids:
        if each.number in FATAL_XIDS or each.number == RECOVERY_ACTION_CHANGED:
            fatal = 0 if each.recovered else each.number
    return _failed(gpu, f"the driver logged XID {fatal}") if fatal else gpu


def numbers(xids: Sequence[Xid]) -> tuple[int, ...]:
    """Returns the numbers of the latest errors, as many as a heartbeat may have."""
    return tuple(each.number for each in xids[-MAX_XIDS:])


def _failed(gpu: Gpu, reason: str) -> Gpu:
    return replace(gpu, state=GpuState.FAILED, reason=reason[:MAX_REASON])


def _gpu(line: str, fields: Sequence[str]) -> NvidiaGpu:
    values = [value.strip() for value in line.split(",")]
    if len(values) != len(fields):
        raise Unreadable(f"nvidia-smi: unexpected {line[:120]!r}")
    row = dict(zip(fields, values, strict=True))
    measured = {name: _number(row[name]) for name in FIELDS[4:]}
    gpu = Gpu(
        index=_index(row["index"]),
        state=GpuState.OK,
        uuid=_name(row["uuid"]),
        model=_name(row["name"]),
        memory_gb=round((measured["memory.total"] or 0) / MIB_PER_GB),
        utilization_percent=min(100, measured["utilization.gpu"] or 0),
        memory_utilization_percent=percent(measured["memory.used"] or 0, measured["memory.total"] or 0),
        temperature_celsius=min(200, measured["temperature.gpu"] or 0),
        ecc_errors=measured["ecc.errors.uncorrected.volatile.total"] or 0,
    )
    recovery = row.get(RECOVERY_FIELD, "").lower()
    recovery = "" if recovery in _UNKNOWN else recovery
    reason = _reason(row, measured, recovery)
    address = pci.address(row["pci.bus_id"], gpu.index)
    return NvidiaGpu(address, _failed(gpu, reason) if reason else gpu, recovery)


def _reason(row: dict[str, str], measured: dict[str, int | None], recovery: str) -> str:
    """Returns why this GPU failed, or "". `None` is a value that is neither a number nor not supported."""
    broken = next((name for name, number in measured.items() if number is None), "")
    if broken:
        return f"does not answer: {broken} is {row[broken]}"
    if errors := measured["ecc.errors.uncorrected.volatile.total"]:
        return f"{errors} uncorrectable memory errors since its driver was loaded or it was reset"
    return f"the driver asks for: {recovery}" if recovery not in ("", _NO_ACTION) else ""


def _name(text: str) -> str:
    """Returns "" for an error or a value that is not supported, both of which stand in brackets."""
    return "" if text.startswith("[") else text[:MAX_WORD]


def _number(text: str) -> int | None:
    """Returns 0 for what this GPU does not support, and None for an error such as `[GPU is lost]`."""
    if text.lower() in _UNKNOWN:
        return 0
    whole = text.partition(".")[0]
    return int(whole) if whole.isascii() and whole.isdecimal() and len(whole) < 16 else None


def _index(text: str) -> int:
    number = _number(text)
    if number is None or number >= 2**31:
        raise Unreadable(f"nvidia-smi: unexpected index {text[:80]!r}")
    return number
