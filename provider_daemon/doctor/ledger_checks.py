"""The ledger's file. Pure: each check takes the Ledger facts; the first line of its docstring is in docs/doctor.md."""

from provider_daemon.doctor.facts import Ledger
from provider_daemon.doctor.finding import Finding, Unknown, fail, judge, known, ok, warn

OTHERS = 0o077
LOW_BYTES, EMPTY_BYTES = 1024**3, 100 * 1024**2


def opens(ledger: Ledger) -> Finding:
    """Whether the ledger is there and can be read."""
    if isinstance(ledger.opens, Unknown) and not ledger.opens.blame:
        return fail(ledger.opens.why, "run as provd's user or root; a damaged file: put the newest good backup in its place")
    return ok(known(ledger.opens))


def schema(ledger: Ledger) -> Finding:
    """The version of its tables against this provd's."""
    found = known(ledger.schema)
    todo = "start the daemon, which brings it forward" if found < ledger.wanted_schema else "upgrade provd: a newer one wrote it"
    return judge(found == ledger.wanted_schema, f"schema {found}, ours is {ledger.wanted_schema}", todo)


def integrity(ledger: Ledger) -> Finding:
    """What `provd ledger check` looks at: the file, and what must be true between its rows."""
    problems = known(ledger.problems)
    return judge(not problems, f"{len(problems)} problems" + (f": {problems[0]}" if problems else ""), "see `provd ledger check`")


def owner(ledger: Ledger) -> Finding:
    """The chain that the ledger belongs to."""
    name = known(ledger.owner)
    return judge(name in ("", ledger.chain_id), f"chain {name or 'not known yet'}", "give each chain its own ledger: ledger.path")


def disk(ledger: Ledger) -> Finding:
    """Free space where the ledger lies."""
    free = known(ledger.free)
    seen = f"{free / 1024**2:.0f} MiB free"
    todo = f"make room on the file system of {ledger.path}: the daemon stops when it cannot write"
    if free < EMPTY_BYTES:
        return fail(seen, todo)
    return ok(seen) if free >= LOW_BYTES else warn(seen, todo)


def modes(ledger: Ledger) -> Finding:
    """Who may read and write the ledger's files."""
    open_to_others = [f"{path} {mode & 0o777:04o}" for path, mode in known(ledger.modes).items() if mode & OTHERS]
    seen = ", ".join(open_to_others) or f"{len(known(ledger.modes))} files, its owner's alone"
    return judge(not open_to_others, seen, f"chmod 600 {ledger.path}*")


def lock(ledger: Ledger) -> Finding:
    """Whether a daemon holds the ledger."""
    holder = known(ledger.holder)
    return ok(f"process {holder} holds it") if holder else warn("no daemon holds it", "start provd: nothing is served now")
