"""Doctor's queries of a site, in addition to the daemon's."""

from collections.abc import Iterable, Sequence
from secrets import token_hex
from typing import TypeVar

from provider_daemon.ports import Node
from provider_daemon.slurm import commands, parse, parse_config, parse_pool
from provider_daemon.slurm.commands import INSPECT_SECONDS, Command
from provider_daemon.slurm.nodes import nodes
from provider_daemon.slurm.parse_config import Association, Partition, WorkRoot
from provider_daemon.slurm.parse_pool import PoolPlaces
from provider_daemon.slurm.query_range import query_range
from provider_daemon.slurm.run import GRACE_SECONDS, ask
from provider_daemon.slurm.tables import Reading
from provider_daemon.slurm.transport import Transport
from provider_daemon.text import printable

Value = TypeVar("Value")


class Inspection:
    """Every method runs one program at the site. Raises Transient and Unreadable as the scheduler does."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._odd: dict[str, str] = {}

    async def begin(self) -> None:
        """Runs `true`, to test the connection alone."""
        await self._ask("true", commands.NOTHING)

    async def settings(self) -> dict[str, str]:
        """Returns slurmctld's configuration; fails while slurmctld does not answer."""
        return parse_config.settings(await self._ask("scontrol show config", commands.SETTINGS))

    async def version(self) -> str:
        """Returns the version of the commands, which may differ from slurmctld's."""
        return parse.version(await self._ask("sbatch --version", commands.VERSION))

    async def mended(self) -> frozenset[str]:
        """Returns the CVE ids in the changelog of the commands' package; empty if there is no package."""
        return frozenset((await self._ask("the package's changelog", commands.FIXED_VULNERABILITIES)).split())

    async def backlog(self) -> int:
        return parse.backlog(await self._ask("sdiag", commands.SDIAG))

    async def partitions(self) -> tuple[Partition, ...]:
        reading = parse_config.partitions(await self._ask("scontrol show partition", commands.PARTITIONS))
        return self._noted("scontrol show partition", reading)

    async def nodes(self) -> tuple[tuple[Node, ...], frozenset[str]]:
        """Returns the nodes, and the host names of their machines."""
        text = await self._ask("scontrol show node", commands.NODES)
        return self._noted("scontrol show node", nodes(text)), parse_config.node_hosts(text)

    async def associations(self) -> tuple[str, tuple[Association, ...]]:
        """Returns (provd's user at the site, where that user may submit), from slurmdbd."""
        user, reading = parse_config.associations(
            await self._ask("sacctmgr show assoc", commands.ASSOCIATIONS)
        )
        return user, self._noted("sacctmgr show assoc", reading)

    async def account(self, name: str) -> bool:
        """Whether slurmdbd knows the account."""
        return parse_config.account(await self._ask("sacctmgr show account", commands.ACCOUNT, [name]), name)

    async def pool_places(self, root: str, users: Sequence[str]) -> PoolPlaces:
        return parse_pool.places(await self._ask("getent passwd", commands.POOL_PLACES, [root, *users]))

    async def pool_associations(self, users: Sequence[str]) -> frozenset[tuple[str, str, str]]:
        """Returns (cluster, user, account) of each place where one of the users may submit."""
        text = await self._ask("sacctmgr show assoc", commands.POOL_ASSOCIATIONS, [",".join(users)])
        return parse_pool.associations(text)

    async def coordinators(self, account: str) -> frozenset[str]:
        text = await self._ask("sacctmgr show account", commands.COORDINATORS, [account])
        return parse_pool.coordinators(text, account)

    async def name(self) -> str:
        """Returns the Unix user of this login."""
        return (await self._ask("id -un", commands.WHO)).strip()

    async def qos(self) -> frozenset[str]:
        return parse_config.qos(await self._ask("sacctmgr show qos", commands.QOS))

    async def query_range(self) -> int:
        """Returns slurmdbd's MaxQueryTimeRange in seconds, 0 if there is none."""
        return query_range(await self._ask("sacctmgr show config", commands.QUERY_RANGE))

    async def queue(self) -> int:
        """Returns how many jobs of provd's user squeue shows; any other output is noted."""
        mark = f"|{token_hex(6)}|"
        return len(
            self._noted("squeue", parse.queue(await self._ask("squeue", commands.SQUEUE, [mark]), mark))
        )

    async def clock(self) -> int:
        """Returns the login node's time in seconds since the epoch."""
        return parse.seconds((await self._ask("date", commands.CLOCK)).strip())

    async def work_root(self, path: str) -> WorkRoot:
        return parse_config.work_root(await self._ask("the work root", commands.WORK_ROOT, [path]))

    async def found(self, programs: Iterable[str]) -> frozenset[str]:
        """Returns the programs that are in the login's PATH."""
        return frozenset((await self._ask("command -v", commands.FOUND, programs)).splitlines())

    async def trial(self, script: str) -> tuple[bool, str]:
        """Returns (whether SLURM accepts the job, its output) of sbatch --test-only, which queues nothing."""
        answer = await self._transport.run(
            commands.TEST_ONLY, script.encode(), INSPECT_SECONDS + GRACE_SECONDS
        )
        code, said = parse.framed(answer, "sbatch --test-only")
        return code == 0, " ".join(said.split())[:200]

    def odd(self) -> dict[str, str]:
        """Returns, per program queried so far, its foreign output or its first unreadable record."""
        return dict(self._odd)

    def _noted(self, program: str, reading: Reading[Value]) -> tuple[Value, ...]:
        for record in reading.unread[:1]:
            self._odd[program] = f"a record cannot be read ({record.why}): {printable(record.text)[:100]}"
        for line in reading.foreign[:1]:
            self._odd.setdefault(
                program, f"{len(reading.foreign)} lines that are not SLURM's: {printable(line)[:100]}"
            )
        return reading.rows

    async def _ask(self, what: str, program: str, lines: Iterable[str] = ()) -> str:
        return await ask(
            self._transport,
            what,
            Command(program, "".join(f"{line}\n" for line in lines).encode(), INSPECT_SECONDS),
        )
