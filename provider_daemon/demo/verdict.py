"""The results of the jobs, read from the chain and from SLURM, never from the daemon."""

from dataclasses import asdict, dataclass, field

from provider_daemon.chain import evidence_check
from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2
from provider_daemon.chain.records import chain_job
from provider_daemon.demo.jobs import PRICES, QUEUE_MULTIPLIERS, WORST, DemoJob
from provider_daemon.demo.market import CHAIN_ID, Market
from provider_daemon.devnet.bank import ESCROW_ADDRESS, PLATFORM_ADDRESS
from provider_daemon.job.pricing import DENOM
from provider_daemon.job.state import TERMINAL, State
from provider_daemon.money.bill import bill
from provider_daemon.money.documents import read_use
from provider_daemon.money.pricing import price_rules
from provider_daemon.money.quantities import node_hours_seen
from provider_daemon.money.rules import DEFAULT


@dataclass(slots=True)
class Report:
    state: str
    tx_hash: str
    height: int
    found: bool
    evidence_verified: bool


@dataclass(slots=True)
class JobVerdict:
    """One row.

    Amounts are in uvirt; `settled_sum` is provider + platform + refund. `results`: number of files that the
    customer fetched, and whether the final report signs them. `problems` is empty for a job with the expected
    result.
    """

    job_id: str
    title: str
    expected: str
    state: str
    slurm_job_id: str = ""
    slurm_state: str = ""
    exit_code: int | None = None
    slurm_exit_code: int | None = None
    message: str = ""
    usage: dict[str, int] = field(default_factory=dict)
    bill: int = 0
    provider_reward: int = 0
    platform_fee: int = 0
    refund: int = 0
    escrowed: int = 0
    settled_sum: int = 0
    settled: bool = False
    reports: list[Report] = field(default_factory=list)
    evidence_verified: bool | None = None
    slurm_jobs: int = 0
    results: str = ""
    problems: list[str] = field(default_factory=list)


async def read(
    market: Market, job: DemoJob, job_id: str, accounting: dict[str, list[tuple[str, str]]]
) -> JobVerdict:
    record = await market.chain.query.job(job_id)
    assert record is not None
    known = chain_job(record, CHAIN_ID)
    verdict = JobVerdict(job_id, job.title, job.state.value, known.state.value, message=known.status_message)
    await _read_reports(market, verdict, evidence_check.ChainRecord.of(record, CHAIN_ID))
    await _read_settlement(market, verdict, record)
    _read_slurm(verdict, accounting.get(market.slurm_name(known.spec), []))
    if verdict.slurm_jobs and known.state in TERMINAL - {State.CANCELLED}:
        verdict.exit_code = record.exit_code
    verdict.problems = _problems(job, verdict)
    return verdict


async def _read_reports(market: Market, verdict: JobVerdict, record: evidence_check.ChainRecord) -> None:
    for tx in await market.chain.reports_of(verdict.job_id):
        checked = evidence_check.check(tx.tx, CHAIN_ID, {verdict.job_id: record})
        for report, result in zip(evidence_check.reports(tx.tx), checked, strict=True):
            if report.job_id == verdict.job_id:
                found = await market.chain.find(tx.tx_response.txhash) is not None
                verdict.reports.append(
                    Report(result.state, tx.tx_response.txhash, tx.tx_response.height, found, result.ok)
                )
                verdict.slurm_job_id = report.slurm_job_id or verdict.slurm_job_id
    terminal = [report for report in verdict.reports if report.state in {state.value for state in TERMINAL}]
    verdict.evidence_verified = all(report.evidence_verified for report in terminal) if terminal else None


async def _read_settlement(market: Market, verdict: JobVerdict, record: types_pb2.HPCJob) -> None:
    verdict.escrowed = sum(int(coin.amount) for coin in record.agreed_price if coin.denom == DENOM)
    accounting = await market.chain.query.job_accounting(verdict.job_id)
    if accounting is None:
        return
    metrics = accounting.usage_metrics
    verdict.usage = {
        item.name: getattr(metrics, item.name)
        for item in metrics.DESCRIPTOR.fields
        if getattr(metrics, item.name)
    }
    verdict.bill = sum(int(coin.amount) for coin in accounting.total_cost)
    verdict.provider_reward = sum(int(coin.amount) for coin in accounting.provider_reward)
    verdict.platform_fee = sum(int(coin.amount) for coin in accounting.platform_fee)
    verdict.refund = verdict.escrowed - verdict.provider_reward - verdict.platform_fee
    verdict.settled_sum = verdict.provider_reward + verdict.platform_fee + verdict.refund
    verdict.settled = accounting.settlement_status == "settled"


def _read_slurm(verdict: JobVerdict, found: list[tuple[str, str]]) -> None:
    verdict.slurm_jobs = len(found)
    if found:
        verdict.slurm_state, (code, _, _) = found[-1][0], found[-1][1].partition(":")
        verdict.slurm_exit_code = int(code)


def _problems(job: DemoJob, verdict: JobVerdict) -> list[str]:
    wrong = []
    if verdict.state != job.state:
        wrong.append(f"state is {verdict.state}, expected {job.state}")
    if job.exit_code is not None and not verdict.exit_code == verdict.slurm_exit_code == job.exit_code:
        wrong.append(
            f"exit code is {verdict.exit_code} on chain and {verdict.slurm_exit_code} in SLURM, "
            f"expected {job.exit_code}"
        )
    if verdict.slurm_jobs != int(job.reaches_slurm):
        wrong.append(f"{verdict.slurm_jobs} SLURM jobs")
    if not job.cancelled_by_customer and not verdict.evidence_verified:
        wrong.append("the signature of its final report is invalid")
    if len({report.state for report in verdict.reports}) != len(verdict.reports):
        wrong.append("a state was reported more than once")
    if not verdict.settled or verdict.escrowed != job.escrowed:
        wrong.append("not settled")
    if (due := _due(job, verdict)) != verdict.bill:
        wrong.append(f"was billed {verdict.bill} uvirt, the offering's prices give {due} uvirt")
    missing = WORST - job.escrowed
    if missing > 0 and not verdict.message.startswith(f"{missing}{DENOM} are missing"):
        wrong.append(f"the reason does not name the missing {missing}{DENOM}")
    if job.state is State.FAILED and job.exit_code is None and (verdict.bill or not verdict.message):
        wrong.append("never ran, but was billed or got no reason")
    return wrong


def _due(job: DemoJob, verdict: JobVerdict) -> int:
    """Returns the bill of the settled usage by the prices of the demo's offering."""
    rules = price_rules(DEFAULT, PRICES, QUEUE_MULTIPLIERS.get(job.queue, ""))
    usage = read_use(verdict.usage).usage
    # of a job that its customer cancels the chain computes the usage, with decimal node-hours
    node_hours = node_hours_seen(usage, rules.granularity_seconds) if job.cancelled_by_customer else None
    gpu_type = "nvidia-a100" if job.gpus else ""
    return bill(usage, gpu_type, job.escrowed, node_hours=node_hours, rules=rules).total


@dataclass(frozen=True, slots=True)
class Settlement:
    """Where the escrowed uvirt went, measured on the accounts, not summed from the records."""

    provider: int
    platform: int
    refunded: int
    left_in_escrow: int

    @property
    def total(self) -> int:
        return self.provider + self.platform + self.refunded


async def balances(market: Market) -> dict[str, int]:
    people = [person.address for person in (*market.customers, market.provider)]
    return {
        address: await market.chain.balance(address, "uvirt")
        for address in (*people, PLATFORM_ADDRESS, ESCROW_ADDRESS)
    }


async def settlement(market: Market, escrowed: int, before: dict[str, int]) -> Settlement:
    """Returns the difference between the balances now and before the first job."""
    now = await balances(market)
    spent = sum(before[customer.address] - now[customer.address] for customer in market.customers)
    return Settlement(
        provider=now[market.provider.address] - before[market.provider.address],
        platform=now[PLATFORM_ADDRESS] - before[PLATFORM_ADDRESS],
        refunded=escrowed - spent,
        left_in_escrow=now[ESCROW_ADDRESS] - before[ESCROW_ADDRESS],
    )


def settlement_problems(measured: Settlement, rows: list[JobVerdict]) -> list[str]:
    """Compares the accounts with the records, to the uvirt."""
    wrong = []
    for what, found, recorded in (
        ("paid out", measured.total, sum(row.escrowed for row in rows)),
        ("left in escrow", measured.left_in_escrow, 0),
        ("for the provider", measured.provider, sum(row.provider_reward for row in rows)),
        ("for the platform", measured.platform, sum(row.platform_fee for row in rows)),
        ("refunded", measured.refunded, sum(row.refund for row in rows)),
    ):
        if found != recorded:
            wrong.append(f"{what}: {found} uvirt on the accounts, {recorded} by the records")
    return wrong


def document(
    rows: list[JobVerdict], measured: Settlement, problems: list[str], site: dict[str, object], seconds: float
) -> dict[str, object]:
    """Returns the document of `provd demo -o json`."""
    return {
        "ok": not problems and not any(row.problems for row in rows),
        "slurm": site,
        "seconds": round(seconds, 1),
        "problems": problems,
        "escrowed": sum(row.escrowed for row in rows),
        "settled": measured.total,
        "settlement": asdict(measured),
        "jobs": [asdict(row) for row in rows],
    }
