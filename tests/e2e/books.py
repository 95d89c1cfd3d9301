"""The books beside the running daemon: a dispute is answered, earnings are withdrawn, a statement sums up."""

import asyncio
import csv
import io
from collections.abc import Mapping
from pathlib import Path

from tests.e2e.shell import Shell, same
from tests.waiting import until

WITHDRAWN = 12_345  # uvirt
SEEN_SECONDS = 90  # the daemon reads disputes every minute
ALARMS = ("foreign_tx", "balance_unexplained", "tick_crashed")  # log events that must not appear


def answer(shell: Shell, dispute_id: str, provider: str) -> None:
    """The provider is told of the dispute, answers it, and anybody can verify the answer."""
    asyncio.run(until("the dispute is known", lambda: _known(shell, dispute_id), limit=SEEN_SECONDS, pause=2))
    explained = shell.run("provd job explain JOB-1")
    same("job explain names the dispute", f"dispute {dispute_id} by" in explained, True)
    archive = shell.directory / "answer.zip"
    words = f'provd dispute answer {dispute_id} --text "both GPUs were in use" --to {archive}'
    digest = shell.run(words).strip()
    same("hash of the answer", shell.json(f"provd dispute show {dispute_id}")["answer_hash"], digest)
    checked = shell.json(f"provd dispute verify {archive}")
    same("signed by", (checked["provider"], checked["problems"]), (provider, []))
    same("signed manifest", checked["manifest_sha256"], digest)


def _known(shell: Shell, dispute_id: str) -> bool:
    return dispute_id in {each["dispute_id"] for each in shell.json("provd dispute list")}


def check(shell: Shell, people: Mapping[str, str], jobs: int) -> None:
    """Withdraws, and compares the statement with the chain's balances to the coin."""
    shell.run(f"provd tx bank send {people['alice']} {WITHDRAWN}uvirt --from provider -y")
    rows = list(csv.DictReader(io.StringIO(shell.run("provd statement -o csv"))))
    held = {
        coin["denom"]: int(coin["amount"])
        for coin in shell.json(f"provd query bank balances {people['provider']}")["balances"]
    }
    closing = {row["denom"]: int(row["amount"]) for row in rows if row["kind"] == "closing"}
    for denom, amount in sorted(closing.items()):
        moved = [row for row in rows if row["denom"] == denom and row["kind"] not in ("closing", "unpaid")]
        same(f"sum of the statement in {denom}", sum(int(row["amount"]) for row in moved), amount)
    # heartbeats go on: of the two balances only this one cannot change meanwhile
    same("balance in uvirt", closing["uvirt"], held["uvirt"])
    same("not explained", [row for row in rows if row["kind"] == "other"], [])
    same("withdrawn", [row["amount"] for row in rows if row["kind"] == "sent"], [str(-WITHDRAWN)])
    paid = [row for row in rows if row["kind"] == "payment"]
    same("paid jobs", len({row["job_id"] for row in paid}), jobs)
    totals = sum(
        int(coin["amount"])
        for number in range(1, jobs + 1)
        for coin in shell.json(f"provd query hpc job-accounting JOB-{number}")["accounting"]["total_cost"]
    )
    same("totals of the paid jobs", sum(int(row["total"]) for row in paid), totals)
    (month,) = shell.json("provd income")
    same("income", month["reward"], sum(int(row["amount"]) for row in paid))
    same("alarms in the daemon's log", _alarms(shell.directory / "run.log"), [])


def _alarms(log: Path) -> list[str]:
    return [line for line in log.read_text().splitlines() if any(word in line for word in ALARMS)]
