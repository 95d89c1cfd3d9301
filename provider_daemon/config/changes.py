"""Splits the changes of a provd.toml into those that a reload applies and those that need a restart. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from provider_daemon.config.model import Config

Where = tuple[str, ...]
"""A key's path, with clusters by id: ("clusters", "HPC-1", "limits", "max_nodes")."""

ANY = "*"
CLUSTER = ("clusters", ANY)  # a cluster that was added or removed

FIXED: dict[Where, str] = {
    ("chain", "id"): "the ledger belongs to one chain",
    ("chain", "fee_denom"): "the fees spent so far are counted in it",
    ("ledger",): "the ledger is open and holds the current jobs",
    ("keys",): "keys are read only at start",
    (*CLUSTER, "name"): "nodes are registered on chain under this name",
    (*CLUSTER, "key"): "reports of current jobs are signed with it",
    (*CLUSTER, "transport"): "the connection to the site is configured at start",
    (*CLUSTER, "ssh"): "the connection to the site is configured at start",
    (*CLUSTER, "slurm_path"): "the connection to the site is configured at start",
    (*CLUSTER, "accounts"): "the logins to the site are configured at start",
    (*CLUSTER, "pool"): "the logins to the site are configured at start",
    ("data",): "the data mover's database is opened at start",
    ("collector",): "the collector's database is found at start",
    ("metrics",): "the port is opened at start",
    ("control",): "the socket is opened at start",
    ("audit_log",): "the audit log is opened at start",
}
"""key that needs a restart -> reason; a reload applies all others"""

POOL_ACCOUNT = "the jobs of all users of the pool are found by it"
SERVED = "the list of clusters is read only at start"


@dataclass(frozen=True, slots=True)
class Changes:
    """`config` is in effect after the reload: the new file, except for `kept` (key -> why).

    Keys name clusters by their id.
    """

    config: Config
    changed: tuple[str, ...]
    kept: Mapping[str, str]


def changes(running: Config, wanted: Config) -> Changes:
    before, after = _by_id(running), _by_id(wanted)
    changed, kept = list[str](), dict[str, str]()
    effect = _by_id(running)
    for where in differences(before, after):
        if why := _fixed(where) or _of_pool(where, running):
            kept[_shown(where)] = why
        else:
            changed.append(_shown(where))
            _put(effect, after, where)
    return Changes(_config(effect), tuple(changed), kept)


def differences(before: Mapping[str, Any], after: Mapping[str, Any], where: Where = ()) -> Iterator[Where]:
    """Yields the path of each changed value; a table that only one side has is one difference."""
    for key in dict.fromkeys((*before, *after)):
        old, new = before.get(key), after.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from differences(old, new, (*where, key))
        elif old != new:
            yield (*where, key)


def _fixed(where: Where) -> str:
    if len(where) == len(CLUSTER) and where[0] == CLUSTER[0]:
        return SERVED
    return next((why for pattern, why in FIXED.items() if _within(where, pattern)), "")


def _of_pool(where: Where, running: Config) -> str:
    """Returns why the account of a cluster with a pool stays."""
    pooled = {cluster.id for cluster in running.clusters if cluster.accounts == "pool"}
    return POOL_ACCOUNT if where[::2] == ("clusters", "account") and where[1] in pooled else ""


def _within(where: Where, pattern: Where) -> bool:
    return len(where) >= len(pattern) and all(
        part in (ANY, name) for part, name in zip(pattern, where, strict=False)
    )


def _shown(where: Where) -> str:
    return ".".join(str(part) for part in where)


def _put(target: dict[str, Any], source: Mapping[str, Any], where: Where) -> None:
    *tables, key = where
    for table in tables:
        target, source = target[table], source[table]
    if key in source:
        target[key] = source[key]
    else:
        del target[key]


def _by_id(config: Config) -> dict[str, Any]:
    """Returns the configuration with clusters as a table: their order does not matter."""
    return {
        **config.model_dump(),
        "clusters": {cluster.id: cluster.model_dump() for cluster in config.clusters},
    }


def _config(tables: Mapping[str, Any]) -> Config:
    return Config.model_validate({**tables, "clusters": list(tables["clusters"].values())})
