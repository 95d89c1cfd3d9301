"""Compares `provd statement -o csv` with the chain's balances and with the demo's own records."""

import asyncio
import csv
import io
import sys

from provider_daemon.demo.environment import Environment
from provider_daemon.demo.verdict import Settlement

DENOM = "uvirt"


async def statement_problems(stage: Environment, measured: Settlement, jobs: int) -> list[str]:
    """Returns what does not agree. `jobs`: how many ended; each of them is paid, some with nothing."""
    status, text, said = await _provd("statement", "-o", "csv", "-c", str(stage.config))
    if status:
        return [f"provd statement: exit status {status}: {said.strip()}"]
    rows = list(csv.DictReader(io.StringIO(text)))
    paid = [row for row in rows if row["kind"] == "payment"]
    moved = [row for row in rows if row["denom"] == DENOM and row["kind"] not in ("closing", "unpaid")]
    balance = await stage.market.chain.balance(stage.market.provider.address, DENOM)
    wrong = []
    for what, found, wanted in (
        ("balance of the provider", sum(int(row["amount"]) for row in moved), balance),
        ("paid jobs", len(paid), jobs),
        ("paid to the provider", sum(int(row["amount"]) for row in paid), measured.provider),
        ("paid to the platform", sum(int(row["platform_fee"]) for row in paid), measured.platform),
    ):
        if found != wanted:
            wrong.append(f"statement: {what}: {found} by its entries, {wanted} on the chain")
    return wrong


async def _provd(*words: str) -> tuple[int, str, str]:
    """Returns the exit status, standard output and standard error of a command."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "provider_daemon", *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()
