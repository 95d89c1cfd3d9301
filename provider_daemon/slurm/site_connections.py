"""What the SSH connections of this process to one site share: their number, their failures, their counts.

With a Unix user for each customer there is one connection for each user in use. Idle ones are closed, and
when there are too many, the one that has been idle for longest makes room. Failed logins count for the whole
site: what bans a client that fails too often bans its address, not one user.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol

from provider_daemon.errors import Transient
from provider_daemon.ports import ConnectOutcome
from provider_daemon.slurm.reconnect import FailureLimit

MAX_CONNECTIONS = 64
IDLE_SECONDS = 300.0  # after which the connection of a pool user is closed
LOGINS_AT_ONCE = 4  # fewer than sshd's default MaxStartups, after which it drops new connections


class Connection(Protocol):
    """One connection, or the place of one. `idle_since` is None if it is in use or must stay open."""

    @property
    def connected(self) -> bool: ...

    @property
    def idle_since(self) -> float | None: ...

    def disconnect(self) -> None: ...


@dataclass(slots=True)
class SshCounts:
    """Counts since the start, of all connections to the site.

    `connects` are attempts by outcome; `channels` were opened, `refused` by sshd, and `open` are open now.
    `problems`: login -> why its last attempt failed. `logins`: all of them, connected or not.
    """

    connects: Counter[str] = field(default_factory=Counter)
    channels: int = 0
    refused: int = 0
    open: int = 0
    problems: dict[str, ConnectOutcome] = field(default_factory=dict)
    logins: list[Connection] = field(default_factory=list)

    @property
    def connections(self) -> int:
        """Returns how many are open."""
        return sum(each.connected for each in self.logins)

    @property
    def problem(self) -> ConnectOutcome | None:
        return next(iter(self.problems.values()), None)


class SiteConnections:
    """`most`: connections at a time, those that always stay open included."""

    def __init__(self, most: int = MAX_CONNECTIONS) -> None:
        self.counts = SshCounts()
        self.failures = FailureLimit()
        self.logins = asyncio.Semaphore(LOGINS_AT_ONCE)
        self._most = most

    def add(self, connection: Connection) -> None:
        self.counts.logins.append(connection)

    def make_room(self) -> None:
        """Closes the connection that has been idle for longest if there are too many for another one.

        Raises Transient if all of them are in use.
        """
        if self.counts.connections < self._most:
            return
        logins = self.counts.logins
        idle = [(each.idle_since, number) for number, each in enumerate(logins) if each.connected]
        free = [(since, number) for since, number in idle if since is not None]
        if not free:
            raise Transient(f"all {self._most} connections to the site are in use; the next tick tries again")
        logins[min(free)[1]].disconnect()
