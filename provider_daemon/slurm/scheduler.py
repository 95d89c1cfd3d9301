"""Implements ports.Scheduler with SLURM's commands, through any transport."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from secrets import token_hex

import structlog

from provider_daemon.errors import Refused, Transient, TurnedAway, Unreadable
from provider_daemon.job.maintenance import Reservation
from provider_daemon.job.naming import named_job
from provider_daemon.job.snapshot import Phase, Sighting, Snapshot
from provider_daemon.ongoing import OngoingProblems
from provider_daemon.ports import Clock, Node, Submission, SubmissionResult, Survey, Watch
from provider_daemon.slurm import accounting, commands, failures, ownership, parse
from provider_daemon.slurm.accounting import AccountingRow
from provider_daemon.slurm.claim_reader import ClaimReader
from provider_daemon.slurm.commands import Command
from provider_daemon.slurm.history import History
from provider_daemon.slurm.logins import SiteLogins
from provider_daemon.slurm.nodes import hosts, known, nodes
from provider_daemon.slurm.notices import Notices
from provider_daemon.slurm.parse import Queued
from provider_daemon.slurm.records import has_free_text
from provider_daemon.slurm.reservations import reservations
from provider_daemon.slurm.run import GRACE_SECONDS, ask
from provider_daemon.slurm.tables import Reading, Unread, concerned, joined
from provider_daemon.slurm.transport import Transport

log = structlog.get_logger("provd.slurm")


NO_RESULT = "no result of sbatch was received"
SCRIPTS_A_LOOK = 20  # batch scripts read per poll: only those of renamed jobs are read


@dataclass(frozen=True, slots=True)
class OwnQueue:
    """`others` are rows of jobs not watched; `complete` means that the owner of every row is known."""

    rows: tuple[Queued, ...]
    others: tuple[Queued, ...]
    unread: tuple[Unread, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """The result of sacct. `failed` is why a part of it is missing, or ""."""

    sightings: Sequence[Sighting] = ()
    unread: tuple[Unread, ...] = ()
    failed: str = ""


class SlurmScheduler:
    """`cluster` is the operator's name of the site. `rpcs` counts SLURM commands, for budgets and metrics.

    `account`: the SLURM account of all jobs, whose coordinator the main login is; "" if all jobs are the main
    login's own.
    """

    def __init__(
        self,
        logins: SiteLogins[Transport],
        clock: Clock,
        cluster: str = "",
        ongoing: OngoingProblems | None = None,
        account: str = "",
    ) -> None:
        self._logins = logins
        self._account = account
        self._main_user = ""
        self._clock = clock
        self._cluster = cluster
        self._ongoing = ongoing or OngoingProblems()
        self._notices = Notices(self._ongoing, cluster, clock)
        self._history = History(self._ask, clock, cluster)
        self._claims = ClaimReader(self._links, cluster, clock, self._ongoing)
        self.rpcs = 0
        # From the last squeue: (id, submit time) of jobs whose script is not provd's.
        self._others = frozenset[tuple[str, int]]()
        self._impostors = frozenset[tuple[str, str]]()

    async def version(self) -> str:
        return parse.version(await self._ask("sbatch --version", Command(commands.VERSION)))

    async def nodes(self) -> tuple[Node, ...]:
        """Returns the readable nodes; unreadable ones are logged.

        If the output has comments, which could be read as records, sinfo confirms which nodes exist.
        """
        text = await self._ask("scontrol show node", Command(commands.NODES))
        reading = nodes(text)
        if has_free_text(text):
            mark = _mark()
            reading = known(reading, hosts(await self._ask("sinfo", commands.hosts(mark)), mark))
        self._notices.note("scontrol", reading)
        return reading.rows

    async def reservations(self) -> tuple[Reservation, ...]:
        """Returns the readable reservations of the site; unreadable ones are logged."""
        reading = reservations(await self._ask("scontrol show reservation", Command(commands.RESERVATIONS)))
        self._notices.note("scontrol show reservation", reading)
        return reading.rows

    async def drain(self, host: str, reason: str) -> None:
        await self._update_node(commands.drain_node(host, reason))

    async def undrain(self, host: str) -> None:
        await self._update_node(commands.undrain_node(host))

    async def _update_node(self, command: Command) -> None:
        try:
            await self._ask("scontrol update", command, query=False)
        except TurnedAway:
            raise
        except Unreadable as error:  # SLURM answered, and refused
            raise Refused(str(error)) from error

    async def cancel(self, ours: Watch) -> None:
        """Cancels by id, after another squeue: the id may belong to another job by now."""
        rows = (await self._own_queue(ours)).rows
        if found := [row.slurm_id for row in rows if ours.slurm_ids.get(row.name) == row.slurm_id]:
            await self._scancel(found)

    async def _scancel(self, slurm_ids: Sequence[str]) -> None:
        await self._ask("scancel", commands.cancel(slurm_ids), query=False)

    async def close(self) -> None:
        await self._logins.close()

    # --- polls ---

    async def snapshot(self, watch: Watch) -> Snapshot:
        """Polls SLURM.

        The order is squeue, slurmdbd's backlog if a job's absence must be proven, then sacct: a job that
        leaves one is in the next. Without squeue there is no snapshot. Without sacct the snapshot is
        incomplete: SLURM runs jobs while slurmdbd is down.
        """
        taken_at = self._clock.now()
        queue = await self._own_queue(watch)
        live = [accounting.live(row) for row in queue.rows]
        # While an id is unknown, a job under the name may be a copy of the one that is looked for.
        missing = watch.names - _running(live, watch)
        doubtful = (watch.doubtful & missing) - _recognised(live, watch)
        proven, ended = await self._past(watch, missing, doubtful)
        unread = concerned([*queue.unread, *ended.unread], watch.names, watch.slurm_ids)
        past = [
            accounting.undecided(seen) if unread is None or seen.name in unread else seen
            for seen in ended.sightings
        ]
        past, unclear = await self._claims.apply(past, watch)
        complete = queue.complete and proven and unread is not None
        return Snapshot(taken_at, complete, accounting.merge(live, past), (unread or frozenset()) | unclear)

    async def _past(
        self, watch: Watch, missing: frozenset[str], doubtful: frozenset[str]
    ) -> tuple[bool, Ended]:
        """Returns (whether a job in neither squeue nor sacct does not exist, the result of sacct)."""
        try:
            proven = not doubtful or await self._backlog() == 0
            ended = await self._last_words(watch, missing) if missing else Ended()
        except TurnedAway:
            raise
        except (Transient, Unreadable) as error:
            proven, ended = False, Ended(failed=str(error))
        self._tell_accounting(ended.failed, asked=bool(missing))
        return proven and not ended.failed, ended

    def _tell_accounting(self, why: str, *, asked: bool) -> None:
        if why and self._ongoing.start("accounting_down", self._cluster, self._clock.now()):
            following = "no job is treated as ended or absent until sacct and sdiag answer; check slurmdbd"
            log.warning("accounting_down", cluster=self._cluster, why=why, next=following)
        elif asked and not why and self._ongoing.clear("accounting_down", self._cluster):
            log.info("accounting_up", cluster=self._cluster)

    async def _queue(self) -> Reading[Queued]:
        mark, main = _mark(), await self._main()
        reading = parse.queue(await self._ask("squeue", commands.queue(mark, self._account)), mark, main)
        self._notices.note("squeue", reading)
        return reading

    async def _own_queue(self, watch: Watch) -> OwnQueue:
        """Returns squeue's rows of the watched jobs, under the names that provd knows them by."""
        reading = await self._queue()
        found = ownership.sort_queue(reading.rows, watch)
        self._report_impostors(found.impostors)
        new = [row for row in found.unproven if (row.slurm_id, row.submitted_at) not in self._others]
        scripts = {row: await self._script_name(row) for row in new[:SCRIPTS_A_LOOK]}
        proven = {
            row: replace(row, name=name)
            for row, name in scripts.items()
            if name in watch.names and watch.user(name) == row.user
        }
        asked = {row for row in found.unproven if row not in new} | scripts.keys()
        self._others = frozenset((row.slurm_id, row.submitted_at) for row in asked if row not in proven)
        ours = [*(row for row in found.ours if row not in proven), *proven.values()]
        ours = [row for row in ours if not row.submitted_at or row.submitted_at >= watch.since]
        return OwnQueue(tuple(ours), found.others, reading.unread, complete=len(new) == len(scripts))

    async def _main(self) -> str:
        """Returns the main login's Unix user; "" where rows of squeue and sacct have no user."""
        if self._account and not self._main_user:
            self._main_user = (await self._ask("id -un", Command(commands.WHO))).strip()
        return self._main_user

    def _report_impostors(self, found: Sequence[Queued]) -> None:
        for row in found:
            if (row.slurm_id, row.name) not in self._impostors:
                log.warning(
                    "job_name_of_another_user",
                    cluster=self._cluster,
                    slurm_job=row.slurm_id,
                    user=row.user,
                    name=row.name,
                    next="this SLURM job is ignored: the job of that name belongs to another user",
                )
        self._impostors = frozenset((row.slurm_id, row.name) for row in found)

    async def _script_name(self, row: Queued) -> str:
        """Returns the name that the job's batch script was submitted with.

        Empty if the job has no script: it is interactive, or no longer exists. scontrol reports that with
        exit code 0. Raises Transient if slurmctld does not answer.
        """
        try:
            return ownership.script_name(await self._script(row.slurm_id, row.user))
        except (Transient, Unreadable) as error:
            if failures.NO_SCRIPT not in str(error):
                raise
            following = "this SLURM job is not treated as one of provd's"
            log.warning(
                "batch_script_unavailable",
                cluster=self._cluster,
                slurm_job=row.slurm_id,
                why=str(error),
                next=following,
            )
            return ""

    async def _script(self, slurm_id: str, user: str) -> str:
        """SLURM shows a batch script to its owner, and not to the account's coordinator."""
        return await self._ask("scontrol write batch_script", commands.batch_script(slurm_id), user=user)

    async def _last_words(self, watch: Watch, missing: frozenset[str]) -> Ended:
        """Queries accounting, and rules out a requeue before a run that a failed node ended is final.

        SLURM requeues a job in the moment in which its run ends. The next run is then in squeue, in
        slurmdbd's backlog or in sacct; all three are queried after the end.
        """
        ended = await self._accounting(watch, missing)
        if not (doubted := list(filter(accounting.may_go_on, ended.sightings))):
            return ended
        queue, owed = await self._own_queue(watch), await self._backlog()
        last = [] if owed or not queue.complete else accounting.not_requeued(doubted, queue.rows)
        ended = await self._accounting(watch, missing)
        decided = [
            accounting.undecided(seen) if accounting.may_go_on(seen) and seen not in last else seen
            for seen in ended.sightings
        ]
        return replace(ended, sightings=decided, unread=(*ended.unread, *queue.unread))

    async def _links(self, root: str, user: str, names: Sequence[str]) -> dict[str, str]:
        """Returns the claims of jobs of one user, whose directories are below `root`, by job name."""
        found = dict[str, str]()
        for part in _parts(names):
            mark = _mark()
            self.rpcs += 1
            command = commands.claimed_by(mark, root, part)
            found |= parse.claims(await ask(self._logins.as_user(user), "find", command), mark)
        return found

    async def _backlog(self) -> int:
        return parse.backlog(await self._ask("sdiag", Command(commands.SDIAG)))

    async def _accounting(self, watch: Watch, missing: frozenset[str]) -> Ended:
        """Queries sacct by id where the id is known, otherwise by name.

        If the search by name fails, the results by id are still returned.
        """
        ids = sorted(watch.slurm_ids[name] for name in missing if name in watch.slurm_ids)
        names = sorted(name for name in missing if name not in watch.slurm_ids)
        reading, failed = await self._rows(ids, names, watch.since)
        records, unread = ownership.own_records(reading.rows, watch), reading.unread
        if not failed and (lost := watch.intents.intersection(names)):
            reading, failed = await self._renamed(lost, watch)
            records, unread = [*records, *reading.rows], (*unread, *reading.unread)
        return Ended(accounting.by_job(records, missing, watch.since), unread, failed)

    async def _renamed(self, lost: frozenset[str], watch: Watch) -> tuple[Reading[AccountingRow], str]:
        """Returns (the records of jobs in `lost` that renamed themselves, why they could not be read)."""
        try:
            _, reading = await self._since(watch.since)
        except TurnedAway:
            raise
        except (Transient, Unreadable) as error:
            return Reading(()), str(error)
        return replace(reading, rows=tuple(ownership.renamed_records(reading.rows, lost, watch))), ""

    async def _rows(
        self, ids: Sequence[str], names: Sequence[str], since: int
    ) -> tuple[Reading[AccountingRow], str]:
        """Returns (sacct's records, why the records by name are missing)."""
        found, failed = [await self._by_id(part) for part in _parts(ids)], ""
        try:
            found += [await self._by_name(part, since) for part in _parts(names)]
        except TurnedAway:
            raise
        except (Transient, Unreadable) as error:
            if not ids:
                raise
            failed = str(error)
        reading = joined(found)
        self._notices.note("sacct", reading)
        return reading, failed

    async def _by_id(self, ids: Sequence[str]) -> Reading[AccountingRow]:
        mark, main = _mark(), await self._main()
        text = await self._ask("sacct", commands.accounting_by_id(mark, ids, self._account))
        return accounting.rows(text, mark, main)

    async def _by_name(self, names: Sequence[str], since: int) -> Reading[AccountingRow]:
        mark, main = _mark(), await self._main()
        query = partial(commands.accounting_by_name, mark, names, account=self._account)
        texts = await self._history.search(query, since)
        return accounting.once(joined(accounting.rows(text, mark, main) for text in texts))

    async def survey(self, since: int, ours: Watch) -> Survey:
        """Finds every job under a name of provd's form that existed at or after `since`.

        Jobs in `ours.slurm_ids` are found at any time. Needs one squeue and one sacct; if a job of
        `ours.slurm_ids` is in neither, also another sacct and slurmdbd's backlog. Raises Transient if a query
        fails: a comparison that was not possible must not look like a match.
        """
        taken_at = self._clock.now()
        queue = await self._own_queue(ours)
        live = [accounting.live(row) for row in (*queue.rows, *queue.others) if named_job(row.name)]
        site_time, past = await self._since(since)
        records = ownership.own_records(past.rows, ours)
        ended = accounting.by_job(records, frozenset(row.name for row in records if named_job(row.name)), 0)
        unread = [*queue.unread, *past.unread]
        missing = ours.slurm_ids.keys() - {seen.name for seen in (*live, *ended)}
        if missing:
            more = await self._accounting(ours, frozenset(missing))
            ended += more.sightings
            unread += more.unread
        absent = missing - {seen.name for seen in ended}
        complete = queue.complete and (not absent or await self._backlog() == 0)
        names = concerned(unread, {*ours.slurm_ids, *(seen.name for seen in (*live, *ended))}, ours.slurm_ids)
        past_ones, unclear = await self._claims.apply(
            [accounting.undecided(seen) if names is None or seen.name in names else seen for seen in ended],
            ours,
        )
        snapshot = Snapshot(
            taken_at,
            complete and names is not None,
            accounting.merge(live, past_ones),
            (names or frozenset()) | unclear,
        )
        return Survey(snapshot, site_time)

    async def _since(self, since: int) -> tuple[int, Reading[AccountingRow]]:
        """Returns (the site's clock, sacct's records of every job since then)."""
        mark, main = _mark(), await self._main()
        query = partial(commands.accounting_since, mark, account=self._account)
        texts = await self._history.search(query, since)
        parts = [text.partition("\n") for text in texts]
        reading = accounting.once(joined(accounting.rows(table, mark, main) for _, _, table in parts))
        self._notices.note("sacct", reading)
        return parse.seconds(parts[-1][0].strip()), reading

    async def _ask(self, what: str, command: Command, *, query: bool = True, user: str = "") -> str:
        self.rpcs += 1
        return await ask(self._logins.as_user(user), what, command, query=query)

    # --- submission ---

    async def submit(self, orders: Sequence[Submission]) -> tuple[SubmissionResult, ...]:
        """Returns a result for each job; a job without an answer line has an unknown outcome."""
        command = commands.submit(orders)
        self.rpcs += len(orders)
        (user,) = {order.user for order in orders}
        login = self._logins.as_user(user)
        try:
            answer = await login.run(command.program, command.payload, command.seconds + GRACE_SECONDS)
        except Transient as error:
            return tuple(SubmissionResult(order.name, unknown=str(error)) for order in orders)
        said = {line.name: failures.receipt(line) for line in parse.receipts(answer)}
        lost = (
            NO_RESULT if answer.exit_code == 0 else f"the submission was interrupted: {answer.stderr[:200]}"
        )
        receipts = tuple(
            said.get(order.name) or SubmissionResult(order.name, unknown=lost) for order in orders
        )
        unused = [
            order.directory
            for order, receipt in zip(orders, receipts, strict=True)
            if receipt.refusal or receipt.deferral
        ]
        await self._clear(login, unused)
        return receipts

    async def _clear(self, login: Transport, directories: Sequence[str]) -> None:
        """Removes unused directories. Errors are ignored: no directory is used twice."""
        if not directories:
            return
        command = commands.remove_empty(directories)
        with contextlib.suppress(Transient):
            await login.run(command.program, command.payload, command.seconds + GRACE_SECONDS)


def _recognised(live: Sequence[Sighting], watch: Watch) -> set[str]:
    """Returns the names whose own job squeue shows, not just another job with the same name."""
    return {
        seen.name
        for seen in live
        if seen.name not in watch.intents and watch.slurm_ids.get(seen.name, seen.slurm_id) == seen.slurm_id
    }


def _running(live: Sequence[Sighting], watch: Watch) -> set[str]:
    """Returns the names whose own SLURM job is alive.

    While a job's id is unknown, a live job under its name may belong to somebody else.
    """
    return {
        seen.name
        for seen in live
        if seen.phase is not Phase.ENDING and watch.slurm_ids.get(seen.name) == seen.slurm_id
    }


def _mark() -> str:
    """Returns a random mark, new for each query, so that no job name can contain it."""
    return f"|{token_hex(6)}|"


def _parts(items: Sequence[str]) -> list[Sequence[str]]:
    return [
        items[start : start + commands.KEYS_A_COMMAND]
        for start in range(0, len(items), commands.KEYS_A_COMMAND)
    ]
