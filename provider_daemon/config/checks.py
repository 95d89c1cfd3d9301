"""Checks between several keys of provd.toml. Pure.

The checks use the values as read, so that all errors are reported together.
"""

from collections.abc import Iterator
from typing import Any

from provider_daemon.config.launchers import launcher_problem
from provider_daemon.config.listening_checks import listening_contradictions
from provider_daemon.config.pool_users import pool_users
from provider_daemon.config.toml_lines import Path
from provider_daemon.job.containment import Launcher

Found = Iterator[tuple[Path, str]]

POLL_SECONDS, MARGIN_SECONDS = 5.0, 30  # defaults of a cluster

NEEDED = {
    "credential": ("name",),
    "armor": ("path", "passphrase_file"),
    "keyring": ("name", "path", "passphrase_file"),
    "plaintext-hex": ("path",),
    "plaintext-mnemonic": ("path",),
}
"""kind of key -> its required fields"""

CONTAINED_ONLY = ("network", "max_processes", "max_file_gb")
"""keys of an image that only a built-in launcher enforces"""

_NEITHER = "a launcher is required; native = true alone runs programs without one, uncontained"
_BOTH = "native = true does not allow run"


def contradictions(value: dict[str, Any]) -> Found:
    """Yields (where, what) of each error. Values of a wrong type are left to the model's validation."""
    yield from _endpoints(_table(value.get("chain")))
    keys = _table(value.get("keys"))
    for name, key in keys.items():
        yield from _key(("keys", name), _table(key))
    tables = value.get("clusters")
    clusters = [_table(cluster) for cluster in tables] if isinstance(tables, list) else []
    for number, cluster in enumerate(clusters):
        where: Path = ("clusters", number)
        if isinstance(cluster.get("key"), str) and cluster["key"] not in keys:
            yield (*where, "key"), f"[keys.{cluster['key']}] does not exist"
        yield from _twice(where, cluster, clusters[:number])
        yield from _way_in(where, cluster)
        yield from _late(where, cluster)
        yield from _launchers(where, cluster, pulled="data" in value)
        yield from _pool(where, cluster, clusters[:number])
    yield from _customers(_table(value.get("customers")))
    yield from listening_contradictions(value)


def _customers(customers: dict[str, Any]) -> Found:
    for address in _table(customers.get("blocked")):
        if address in _table(customers.get("allowed")):
            yield ("customers", "blocked", address), "is also in customers.allowed"


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _endpoints(chain: dict[str, Any]) -> Found:
    """An endpoint in two spellings would count twice towards the quorum."""
    endpoints, quorum = chain.get("endpoints"), chain.get("quorum", 0)
    if not isinstance(endpoints, list):
        return
    named = [str(endpoint).removeprefix("http://").removeprefix("https://") for endpoint in endpoints]
    for number, name in enumerate(named):
        if name in named[:number]:
            yield ("chain", "endpoints"), f"{name!r} is listed twice"
    if isinstance(quorum, int) and endpoints and quorum > len(endpoints):
        yield ("chain", "quorum"), f"{quorum} exceeds the number of endpoints ({len(endpoints)})"


def _key(where: Path, key: dict[str, Any]) -> Found:
    missing = [field for field in NEEDED.get(str(key.get("kind")), ()) if not key.get(field)]
    if missing:
        yield (*where, "kind"), f"kind {key['kind']!r} requires {' and '.join(missing)}"


def _twice(where: Path, cluster: dict[str, Any], before: list[dict[str, Any]]) -> Found:
    for field in ("id", "name"):
        if field in cluster and cluster[field] in [other.get(field) for other in before]:
            yield (*where, field), f"{cluster[field]!r} is used twice"


def _way_in(where: Path, cluster: dict[str, Any]) -> Found:
    ssh = cluster.get("ssh")
    if (cluster.get("transport", "ssh") == "ssh") != (ssh is not None):
        yield (
            (*where, "transport"),
            "transport 'ssh' requires a [clusters.ssh] table; transport 'local' does not allow one",
        )
    elif ssh is not None and bool(_table(ssh).get("known_hosts")) == bool(
        _table(ssh).get("host_key_fingerprint")
    ):
        yield (*where, "ssh"), "exactly one of known_hosts and host_key_fingerprint is required"


def _late(where: Path, cluster: dict[str, Any]) -> Found:
    poll, margin = (
        cluster.get("poll_seconds", POLL_SECONDS),
        cluster.get("report_margin_seconds", MARGIN_SECONDS),
    )
    if isinstance(poll, int | float) and isinstance(margin, int) and margin < poll:
        late = "otherwise the chain times the job out before provd can report its usage"
        yield (*where, "report_margin_seconds"), f"{margin} is less than poll_seconds ({poll:g}): {late}"


def _launchers(where: Path, cluster: dict[str, Any], *, pulled: bool) -> Found:
    """Rejects native programs by omission, and launchers that would parse a customer's words as their own.

    `pulled`: a data mover pulls images.
    """
    images = cluster.get("images")
    for number, image in enumerate(map(_table, images if isinstance(images, list) else [])):
        place = (*where, "images", number)
        run = image.get("run")
        words = [word for word in run if isinstance(word, str)] if isinstance(run, list) else []
        if problem := _started(image):
            yield next(((*place, key) for key in ("launcher", "run") if key in image), place), problem
        elif image.get("launcher") and image.get("native") is not True and not pulled:
            yield (*place, "launcher"), "the data mover pulls images: a [data] table is required"
        if problem := launcher_problem(words):
            yield (*place, "run"), problem


def _started(image: dict[str, Any]) -> str:
    """Returns what is wrong with the ways in which the programs of an image are started; "" if nothing."""
    launcher, run, native = image.get("launcher"), image.get("run"), image.get("native") is True
    if launcher and run:
        return "either launcher or run is allowed"
    if not launcher:
        limits = [key for key in CONTAINED_ONLY if key in image]
        if limits:
            return f"{limits[0]} requires a launcher: without one nothing enforces it"
        if native == bool(run):
            return _BOTH if native else _NEITHER
    elif native and launcher != Launcher.BUBBLEWRAP:
        return f"native = true requires the launcher {Launcher.BUBBLEWRAP}, or none"
    elif launcher == Launcher.PYXIS and image.get("network") is not True:
        return "pyxis cannot withhold the node's network: set network = true, or use another launcher"
    return ""


def _pool(where: Path, cluster: dict[str, Any], before: list[dict[str, Any]]) -> Found:
    """Requires of a pool that each of its users can be told from every other login of provd."""
    if cluster.get("accounts", "shared") == "pool" and "pool" not in cluster:
        yield (*where, "accounts"), "accounts 'pool' requires a [clusters.pool] table"
    if "pool" not in cluster:
        return
    if not cluster.get("account"):
        yield (*where, "account"), "is required with a pool: the jobs of all its users are found by it"
    try:
        users = _users(cluster)
    except ValueError as error:
        yield (*where, "pool", "users"), str(error)
        return
    login = _table(cluster.get("ssh")).get("user")
    if login in users:
        yield (*where, "pool", "users"), f"{login!r} is clusters.ssh.user, and cannot be a customer's"
    for other in before:
        if common := sorted(set(users) & set(_valid_users(other))):
            name = other.get("id")
            yield (
                (*where, "pool", "users"),
                f"{common[0]!r} is also in the pool of {name}: two customers could use it at the same time",
            )


def _users(cluster: dict[str, Any]) -> tuple[str, ...]:
    """Raises ValueError."""
    users = _table(cluster.get("pool")).get("users")
    words = users if isinstance(users, list) else []
    return pool_users(word for word in words if isinstance(word, str))


def _valid_users(cluster: dict[str, Any]) -> tuple[str, ...]:
    try:
        return _users(cluster)
    except ValueError:
        return ()  # reported for that cluster
