"""A statement as JSON, CSV and text. Pure."""

import csv
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from provider_daemon.books.statement import Entry, JobTotal, Statement
from provider_daemon.ledger import timeline
from provider_daemon.text import printable

USAGE = (
    "wall_clock_seconds",
    "cpu_core_seconds",
    "memory_gb_seconds",
    "gpu_seconds",
    "storage_gb_hours",
    "network_bytes_in",
    "network_bytes_out",
    "node_hours",
)
COLUMNS = (
    "kind",
    "time",
    "account",
    "job_id",
    "customer",
    "cluster_id",
    "offering_id",
    "queue",
    "state",
    "nodes",
    "started_at",
    "ended_at",
    *USAGE,
    "price",
    "total",
    "platform_fee",
    "provider_reward",
    "escrowed",
    "refund",
    "settlement",
    "settled_at",
    "disputes",
    "transactions",
    "denom",
    "amount",
)
# A spreadsheet runs a cell that begins so as a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def row(entry: Entry) -> dict[str, Any]:
    """Returns the entry's columns; those that it lacks are empty. Amounts are integers in their denom."""
    found: dict[str, Any] = dict.fromkeys(COLUMNS, "") | {
        "kind": entry.kind.value,
        "time": when(entry.at),
        "account": entry.account,
        "disputes": " ".join(entry.disputes),
        "transactions": entry.transactions or "",
        "denom": entry.denom,
        "amount": entry.amount,
    }
    if entry.job is None:
        return found
    job = entry.job
    usage = asdict(job.usage)
    return found | {
        "job_id": job.job_id,
        "customer": job.customer,
        "cluster_id": job.cluster_id,
        "offering_id": job.offering_id,
        "queue": job.queue,
        "state": job.state,
        "nodes": job.nodes,
        "started_at": when(job.started_at),
        "ended_at": when(job.ended_at),
        **{name: usage[name] for name in USAGE},
        "price": job.price,
        "total": job.total,
        "platform_fee": job.platform_fee,
        "provider_reward": job.provider_reward,
        "escrowed": job.escrowed,
        "refund": job.refund,
        "settlement": job.status,
        "settled_at": when(job.settled_at),
    }


def document(found: Statement) -> dict[str, Any]:
    return {
        "month": found.month,
        "customer": found.customer,
        "until": when(found.until),
        "agrees": found.agrees,
        "transactions": found.transactions,
        "transactions_missing": found.missing,
        "accounts": [asdict(total) for total in found.totals],
        "paid": asdict(found.paid),
        "unpaid": asdict(found.unpaid),
        "disputed": asdict(found.disputed),
        "entries": [row(entry) for entry in found.entries],
    }


def as_csv(found: Statement) -> str:
    """Returns a heading and a line for each entry. Text from outside cannot become a formula."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for entry in found.entries:
        writer.writerow({name: _cell(value) for name, value in row(entry).items()})
    return text.getvalue()


def _cell(value: object) -> object:
    if not isinstance(value, str):
        return value
    shown = printable(value)
    return f"'{shown}" if shown.startswith(_FORMULA) else shown


def lines(found: Statement) -> Iterator[str]:
    """Yields the statement as text, at most 110 columns wide."""
    whose = f" of {printable(found.customer)}" if found.customer else ""
    yield f"Statement for {found.month}{whose}, up to {when(found.until) or 'no note yet'} UTC"
    for total in found.totals:
        yield ""
        yield f"{total.account} in {total.denom}"
        for name in ("opening", "earned", "received", "sent", "fees", "other", "closing"):
            amount = getattr(total, name)
            shown = -amount if name in ("sent", "fees") else amount
            if shown or name in ("opening", "closing"):
                yield f"  {name:<12}{shown:>24}"
        if total.difference:
            yield f"  NOT EXPLAINED{total.difference:>23}"
    yield ""
    for title, sums in (("Paid", found.paid), ("Unpaid", found.unpaid), ("Disputed", found.disputed)):
        yield f"{title + ' jobs':<14}{_sums(sums)}"
    if found.transactions:
        yield f"Transactions  {found.transactions}" + (
            f", {found.missing} not found" if found.missing else ""
        )
    yield ""
    heading = "{:<9} {:<12} {:<19} {:<10} {:>16} {:>12} {:>16} {}".format
    yield heading("KIND", "JOB", "TIME", "SETTLED", "TOTAL", "FEE", "AMOUNT", "DENOM")
    for entry in found.entries:
        job = entry.job
        yield heading(
            entry.kind.value,
            printable(job.job_id) if job else "",
            when(entry.at),
            (job.status or "no") if job else "",
            job.total if job else "",
            job.platform_fee if job else "",
            entry.amount,
            printable(entry.denom),
        )


def _sums(sums: JobTotal) -> str:
    return (
        f"{sums.jobs}: total {sums.total}, platform fee {sums.platform_fee}, reward {sums.provider_reward}, "
        f"refunds {sums.refund} uvirt"
    )


INCOME = (
    "month",
    "jobs",
    "total",
    "reward",
    "platform_fee",
    "refunds",
    "sent",
    "received",
    "fees_paid",
    "unpaid",
    "disputed",
)


def income_row(found: Statement) -> dict[str, Any]:
    """Returns a month's sums; `sent`, `received` and `fees_paid` with their denominations."""
    return {
        "month": found.month,
        "jobs": found.paid.jobs,
        "total": found.paid.total,
        "reward": sum(total.earned for total in found.totals),
        "platform_fee": found.paid.platform_fee,
        "refunds": found.paid.refund,
        "sent": _coins(found, "sent"),
        "received": _coins(found, "received"),
        "fees_paid": _coins(found, "fees"),
        "unpaid": found.unpaid.total,
        "disputed": found.disputed.total,
    }


def _coins(found: Statement, name: str) -> str:
    """Returns the sum of a column over all accounts, as coins."""
    sums: Counter[str] = Counter()
    for total in found.totals:
        sums[total.denom] += getattr(total, name)
    return ",".join(f"{amount}{denom}" for denom, amount in sorted(sums.items()) if amount) or "0"


def when(at: float) -> str:
    """Returns the time in UTC, to the second; "" for 0."""
    return timeline.when(at) if at else ""
