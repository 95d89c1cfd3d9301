"""A changed provd.toml: what changes while provd runs, what stays, and that every key is one or the other."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.config.changes import ANY, FIXED, SERVED, changes, differences
from provider_daemon.config.model import ChainConfig, ClusterConfig, Config, parse
from tests.unit.config.test_model import GOOD, SECOND
from tests.unit.config.test_pool import POOLED
from tests.unit.docs import page, table

BEFORE = parse(GOOD + SECOND, "provd.toml")
SSH = '[clusters.ssh]\nhost = "login"'


def after(old: str, new: str) -> Config:
    text = (GOOD + SECOND).replace(old, new, 1)
    assert text != GOOD + SECOND
    return parse(text, "provd.toml")


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('"127.0.0.1:9090"', '"127.0.0.1:9091"', "chain.endpoints"),
        ("[keys.main]", "max_gas = 9000000\n[keys.main]", "chain.max_gas"),
        ("[keys.main]", "poll_seconds = 1\n[keys.main]", "chain.poll_seconds"),
        ("[keys.main]", '[log]\nlevel = "debug"\n[keys.main]', "log.level"),
        (SSH, f"[clusters.limits]\nmax_nodes = 3\n{SSH}", "clusters.HPC-2.limits.max_nodes"),
        (SSH, f'[clusters.partitions]\nstandard = "batch"\n{SSH}', "clusters.HPC-2.partitions.standard"),
        (SSH, f'[clusters.gpu_types]\nnvidia-a100 = "a100"\n{SSH}', "clusters.HPC-2.gpu_types.nvidia-a100"),
        (SSH, f'[[clusters.images]]\npattern = "*"\nnative = true\n{SSH}', "clusters.HPC-2.images"),
        ('name = "beta"', 'name = "beta"\nprologue = ["module purge"]', "clusters.HPC-2.prologue"),
        ('name = "beta"', 'name = "beta"\nheartbeat_seconds = 33', "clusters.HPC-2.heartbeat_seconds"),
    ],
)
def test_what_changes(old: str, new: str, key: str) -> None:
    """The new configuration is in effect as it stands in the file."""
    wanted = after(old, new)
    found = changes(BEFORE, wanted)
    assert (found.config, found.changed, found.kept) == (wanted, (key,), {})


@pytest.mark.parametrize(
    ("old", "new", "keys"),
    [
        ('id = "test-1"', 'id = "test-2"', ["chain.id"]),
        ("[keys.main]", 'fee_denom = "uother"\n[keys.main]', ["chain.fee_denom"]),
        ("[keys.main]", '[ledger]\npath = "/tmp/other"\n[keys.main]', ["ledger.path"]),
        ("[keys.main]", '[metrics]\nlisten = "127.0.0.1:1"\n[keys.main]', ["metrics.listen"]),
        ('name = "provd-key"', 'name = "other"', ["keys.main.name"]),
        ("[keys.main]", '[keys.other]\nkind = "credential"\nname = "x"\n[keys.main]', ["keys.other"]),
        ('name = "beta"', 'name = "gamma"', ["clusters.HPC-2.name"]),
        ('host = "login"', 'host = "other"', ["clusters.HPC-2.ssh.host"]),
        ('id = "HPC-2"', 'id = "HPC-3"', ["clusters.HPC-2", "clusters.HPC-3"]),
    ],
)
def test_what_stays(old: str, new: str, keys: list[str]) -> None:
    """Each key that only a restart changes is named with its reason, and stays as it was."""
    found = changes(BEFORE, after(old, new))
    assert (found.config, found.changed, sorted(found.kept)) == (BEFORE, (), keys)
    assert all(found.kept.values())


def test_another_way_to_the_site_stays() -> None:
    """A cluster that goes over from local to SSH is two keys, both named."""
    ssh = '[clusters.ssh]\nhost = "h"\nuser = "u"\nkey_file = "/k"\nknown_hosts = "/h"\n'
    text = (
        (GOOD + SECOND)
        .replace('transport = "local"\n', "")
        .replace('\n[[clusters]]\nid = "HPC-2"', f'{ssh}\n[[clusters]]\nid = "HPC-2"')
    )
    found = changes(BEFORE, parse(text, "provd.toml"))
    assert (found.config, sorted(found.kept)) == (BEFORE, ["clusters.HPC-1.ssh", "clusters.HPC-1.transport"])


def test_the_guide_says_which_key_is_which() -> None:
    """Each table and key stands in the column of the guide's table where it belongs."""
    rows = table(page("operators-guide.md"), "changes at once")
    of_cluster = rows[-1]
    for key in ClusterConfig.model_fields.keys() - {"id"}:
        assert f"`{key}`" in of_cluster[("clusters", ANY, key) in FIXED], key
    for name in Config.model_fields.keys() - {"clusters"}:
        keys = (
            [name]
            if (name,) in FIXED or name in ("log", "gateway", "customers")
            else [f"{name}.{key}" for key in ChainConfig.model_fields]
        )
        for key in keys:
            column = tuple(key.split(".")) in FIXED
            assert any(f"`{key}`" in row[column] for row in rows), key


def test_both_at_once() -> None:
    """A file that also asks for what needs a restart still changes the rest; asked again, only that is
    left."""
    text = (
        (GOOD + SECOND)
        .replace('host = "login"', 'host = "other"')
        .replace('name = "beta"', 'name = "beta"\nqos = "high"')
    )
    wanted = parse(text, "provd.toml")
    found = changes(BEFORE, wanted)
    assert found.changed == ("clusters.HPC-2.qos",)
    assert list(found.kept) == ["clusters.HPC-2.ssh.host"]
    assert found.config.clusters[1].qos == "high"
    again = changes(found.config, wanted)
    assert (again.config, again.changed, again.kept) == (found.config, (), found.kept)


def test_a_key_taken_out_has_its_default_again() -> None:
    """Of a table with free keys the entry goes; elsewhere the default is back."""
    text = (GOOD + SECOND).replace(
        SSH, f'[clusters.partitions]\na = "b"\n[clusters.limits]\nmax_jobs = 3\n{SSH}'
    )
    found = changes(parse(text, "provd.toml"), BEFORE)
    assert found.changed == ("clusters.HPC-2.partitions.a", "clusters.HPC-2.limits.max_jobs")
    assert found.config == BEFORE


def test_clusters_in_another_order_are_the_same() -> None:
    """The order means nothing, so it changes nothing."""
    turned = BEFORE.model_copy(update={"clusters": BEFORE.clusters[::-1]})
    assert (changes(BEFORE, turned).changed, changes(BEFORE, turned).kept) == ((), {})


def test_every_fixed_key_exists() -> None:
    """A pattern that fits no key would protect nothing."""
    tables: dict[str, Any] = {
        **BEFORE.model_dump(),
        "clusters": {cluster.id: cluster.model_dump() for cluster in BEFORE.clusters},
    }
    for pattern in FIXED:
        value = tables
        for part in pattern:
            value = value["HPC-2" if part == ANY else part]
    assert SERVED


TABLES = st.recursive(
    st.integers(0, 2), lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3), max_leaves=8
)


@given(*[st.dictionaries(st.sampled_from("abc"), TABLES, max_size=3)] * 2)
def test_differences_are_all_there_is(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Two tables without a difference are equal, and each path leads to values that are not."""
    found = list(differences(before, after))
    assert bool(found) == (before != after)
    for where in found:
        assert reach(before, where) != reach(after, where)


def reach(value: Any, where: tuple[str, ...]) -> Any:
    for part in where:
        value = value.get(part)
    return value


def test_the_account_of_a_pool_stays() -> None:
    """The scheduler finds the jobs of all users by it; with shared accounts only new jobs use it."""
    pooled = parse(POOLED, "provd.toml")
    wanted = parse(POOLED.replace('account = "provd"', 'account = "other"'), "provd.toml")
    found = changes(pooled, wanted)
    assert (found.changed, list(found.kept)) == ((), ["clusters.HPC-1.account"])
    assert found.config.clusters[0].account == "provd"
