"""Checks of the ledger file. Pure; first lines are in docs/doctor.md."""

from provider_daemon.doctor.facts import LedgerFacts
from provider_daemon.doctor.finding import Finding, Unknown, fail, judge, known, ok, warn

OTHERS = 0o027
OPEN_TO_ALL = 0o007
LOW_BYTES, EMPTY_BYTES = 1024**3, 100 * 1024**2


def opens(ledger: LedgerFacts) -> Finding:
    """The ledger exists and can be read."""
    if isinstance(ledger.opens, Unknown) and not ledger.opens.cause:
        return fail(
            ledger.opens.why,
            ("run as provd's user or root; if the file is damaged, replace it with the newest intact backup"),
        )
    return ok(known(ledger.opens))


def schema(ledger: LedgerFacts) -> Finding:
    """The ledger's schema version is the one that this provd uses."""
    found = known(ledger.schema)
    todo = (
        "start the daemon, which migrates the ledger"
        if found < ledger.wanted_schema
        else "upgrade provd: a newer version wrote the ledger"
    )
    return judge(
        found == ledger.wanted_schema,
        f"the ledger has schema {found}, this provd uses {ledger.wanted_schema}",
        todo,
    )


def integrity(ledger: LedgerFacts) -> Finding:
    """`provd ledger check` finds no problem: the file is intact and its rows are consistent."""
    problems = known(ledger.problems)
    return judge(
        not problems,
        f"{len(problems)} problems" + (f": {problems[0]}" if problems else ""),
        "run `provd ledger check` for details",
    )


def owner(ledger: LedgerFacts) -> Finding:
    """The ledger belongs to the configured chain."""
    name = known(ledger.owner)
    return judge(
        name in ("", ledger.chain_id),
        f"the ledger belongs to {name or 'no chain yet'}",
        "set ledger.path to a separate file for each chain",
    )


def disk(ledger: LedgerFacts) -> Finding:
    """Free space on the ledger's file system."""
    free = known(ledger.free)
    seen = f"{free / 1024**2:.0f} MiB free"
    todo = f"free space on the file system of {ledger.path}: the daemon stops when it cannot write"
    if free < EMPTY_BYTES:
        return fail(seen, todo)
    return ok(seen) if free >= LOW_BYTES else warn(seen, todo)


def modes(ledger: LedgerFacts) -> Finding:
    """Only the owner can write the ledger's files, and only its group can read them."""
    open_to_others = [
        f"{path} has mode {mode & 0o777:04o}" for path, mode in known(ledger.modes).items() if mode & OTHERS
    ]
    seen = ", ".join(open_to_others) or f"{len(known(ledger.modes))} files closed to other users"
    return judge(not open_to_others, seen, f"run `chmod 640 {ledger.path}*`")


def lock(ledger: LedgerFacts) -> Finding:
    """A running daemon holds the ledger's lock."""
    holder = known(ledger.holder)
    return (
        ok(f"process {holder} holds the lock")
        if holder
        else warn("no daemon is running", "start provd: no job is accepted, submitted or reported until then")
    )


def control(ledger: LedgerFacts) -> Finding:
    """The control socket answers, and only its owner and group can use it."""
    found = known(ledger.control)
    if not found.mode:
        return fail(
            f"the running daemon has no socket at {found.path}",
            "restart provd; an older version has none, or control.socket was changed without a restart",
        )
    seen = f"{found.path} has mode {found.mode:04o}, owner {found.owner} and group {found.group}"
    if found.mode & OPEN_TO_ALL:
        return fail(seen, f"run `chmod 660 {found.path}`: any user could use the daemon's key")
    if not found.answers:
        return fail(f"{seen}, and does not answer", "run `provd doctor` as root or as a member of that group")
    return ok(seen)
