"""Parses what doctor asks about a pool of Unix users: users, homes, directories, accounts, coordinators."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from provider_daemon.slurm import records


@dataclass(frozen=True, slots=True)
class Place:
    """A directory. `mode` are its permission bits."""

    owner: str
    mode: int


@dataclass(frozen=True, slots=True)
class PoolPlaces:
    """`users` maps the users that exist to (uid, home). `homes` are by path, `places` by name in work_root.

    The place "." is work_root itself.
    """

    users: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    homes: Mapping[str, Place] = field(default_factory=dict)
    places: Mapping[str, Place] = field(default_factory=dict)


def places(text: str) -> PoolPlaces:
    """Parses the output of commands.POOL_PLACES. Other lines are ignored."""
    users: dict[str, tuple[int, str]] = {}
    found: dict[str, dict[str, Place]] = {"home": {}, "place": {}}
    for line in text.splitlines():
        kind, *fields = line.split(":")
        if kind == "user" and len(fields) == 3 and fields[1].isdecimal():
            users[fields[0]] = int(fields[1]), fields[2]
        elif kind in found and len(fields) == 3 and _octal(fields[2]):
            found[kind][fields[0]] = Place(fields[1], int(fields[2], 8))
    return PoolPlaces(users, found["home"], found["place"])


def _octal(text: str) -> bool:
    return bool(text) and set(text) <= set("01234567")


def associations(text: str) -> frozenset[tuple[str, str, str]]:
    """Returns (cluster, user, account) of each row of commands.POOL_ASSOCIATIONS."""
    rows = (
        line.split("|") for line in records.rows_after("sacctmgr show assoc", text, "Cluster|User|Account")
    )
    return frozenset((row[0], row[1], row[2]) for row in rows if len(row) == 3)


def coordinators(text: str, account: str) -> frozenset[str]:
    """Returns the coordinators of the account in the output of commands.COORDINATORS."""
    rows = (line.split("|") for line in records.rows_after("sacctmgr show account", text, "Account|Coord"))
    return frozenset(
        user for row in rows if len(row) == 2 and row[0] == account for user in row[1].split(",") if user
    )
