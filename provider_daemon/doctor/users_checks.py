"""Checks of a pool of Unix users for customers. Pure; first lines are in docs/doctor.md."""

from provider_daemon.doctor.facts import PoolFacts, SiteFacts
from provider_daemon.doctor.finding import Finding, fail, judge, known, ok, skipped, warn
from provider_daemon.slurm.parse_pool import Place

PREPARE = "run the script of `provd site prepare` again"
OTHERS_WRITE, OTHERS = 0o022, 0o077  # mode bits of group and others
SHARED = 'not applicable: with accounts = "shared", customers\' jobs are not separated by Unix users'


class SharedError(Exception):
    """All customers' jobs of the cluster run as one Unix user."""


def _pool(site: SiteFacts) -> PoolFacts:
    if site.pool is None:
        raise SharedError
    return site.pool


def shared() -> Finding:
    return skipped(SHARED)


def _named(found: list[str]) -> str:
    return ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")


def exist(site: SiteFacts) -> Finding:
    """Every user of the pool exists on the login node, and none of them is root."""
    pool = _pool(site)
    found = known(pool.places).users
    missing = [user for user in pool.users if user not in found or not found[user][0]]
    seen = f"missing: {_named(missing)}" if missing else f"{len(pool.users)} users exist"
    return judge(not missing, seen, PREPARE)


def homes(site: SiteFacts) -> Finding:
    """The homes of the users belong to root: a customer cannot add login files or SSH keys."""
    places = known(_pool(site).places)
    bad = sorted(
        path for path, home in places.homes.items() if home.owner != "root" or home.mode & OTHERS_WRITE
    )
    seen = f"writable: {_named(bad)}" if bad else f"{len(places.homes)} home directories belong to root"
    return judge(not bad, seen, "give the pool's users a home that only root can write to (usermod --home)")


def directories(site: SiteFacts) -> Finding:
    """Each user owns its directory in work_root, which no other can enter; none can write to work_root."""
    pool, root = _pool(site), site.config.work_root
    found = known(pool.places)
    there = [user for user in pool.users if user in found.users]
    bad = [user for user in there if not _private(found.places.get(user), [user])]
    provd = [user for user in ("root", known(site.slurm.user)) if user not in pool.users]
    parent = found.places.get(".")
    if parent is None or parent.owner not in provd or parent.mode & OTHERS_WRITE:
        bad.append(root)
    if not _private(found.places.get(".provd-leases"), provd):
        bad.append(f"{root}/.provd-leases")
    seen = f"wrong or missing: {_named(bad)}" if bad else f"{len(there)} directories belong to their users"
    return judge(not bad, seen, PREPARE)


def _private(place: Place | None, owners: list[str]) -> bool:
    return place is not None and place.owner in owners and not place.mode & OTHERS


def associations(site: SiteFacts) -> Finding:
    """Every user of the pool may submit to the account, and to no other one."""
    pool, account = _pool(site), site.config.account
    cluster = known(site.slurm.settings).get("ClusterName", "")
    found = {(user, name) for where, user, name in known(pool.associations) if where == cluster}
    missing = [user for user in pool.users if (user, account) not in found]
    if missing:
        return fail(f"not in account {account}: {_named(missing)}", PREPARE)
    others = sorted({user for user, name in found if name != account})
    if others:
        todo = f"remove their other associations: jobs that they move there are not in squeue -A {account}"
        return warn(f"also in other accounts: {_named(others)}", todo)
    return ok(f"{len(pool.users)} users have one association each, in account {account}")


def coordinator(site: SiteFacts) -> Finding:
    """provd's login is a coordinator of the account: it sees and cancels the jobs of all its users."""
    found, user = known(_pool(site).coordinators), known(site.slurm.user)
    if user in found:
        return ok(f"{user} is a coordinator of account {site.config.account}")
    private = known(site.slurm.settings).get("PrivateData", "").split(",")
    hidden = {"jobs", "all"} & set(private)
    why = "PrivateData hides its users' jobs from it" if hidden else "it cannot cancel its users' jobs"
    todo = f"run `sacctmgr add coordinator account={site.config.account} names={user}`"
    return fail(f"{user} is not a coordinator of account {site.config.account}: {why}", todo)


def logins(site: SiteFacts) -> Finding:
    """provd can log in as users of the pool."""
    tried = known(_pool(site).logins)
    failed = [f"{user}: {why}" for user, why in tried.items() if why]
    if failed:
        return fail("; ".join(failed), PREPARE)
    return ok(f"logged in as {' and '.join(tried)}")
