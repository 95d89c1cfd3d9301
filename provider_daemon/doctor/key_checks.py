"""The accounts that sign. Pure: each check takes a Key; the first line of its docstring is in docs/doctor.md."""

from provider_daemon.doctor.facts import Key
from provider_daemon.doctor.finding import Finding, Unknown, fail, judge, known, ok, skipped, warn

REPORT_GAS = 100_000  # that one transaction with one report asks for
LOW_DAYS, EMPTY_DAYS = 7.0, 1.0
TOP_UP = "send it more of the fee denom"


def key(key: Key) -> Finding:
    """Whether the key can be read, or else which address is known otherwise."""
    if isinstance(key.address, Unknown) and not key.address.blame:
        return fail(key.address.why, f"mend [keys.{key.name}]")
    note = ": the key is the service's alone, so its cluster's owner on chain is taken" if key.derived else ""
    return ok(f"address {known(key.address)}{note}")


def account(key: Key) -> Finding:
    """Whether the chain knows the account."""
    return judge(known(key.exists), f"account {known(key.address)}", "send it some of the fee denom: that makes the account")


def funds(key: Key) -> Finding:
    """Whether its balance pays for one report."""
    if not known(key.exists):
        return skipped("there is no such account", "account-exists")
    balance, cost = known(key.balance), REPORT_GAS * known(key.gas_price)
    return judge(balance > 0 and balance >= cost, f"{balance} {key.denom}, a report costs about {cost:.0f}", TOP_UP)


def runway(key: Key) -> Finding:
    """For how many days its balance lasts, at the fees of the last day or of the heartbeats alone."""
    if funds(key).todo or funds(key).blame:
        return skipped("it cannot pay for one report", "account-funds" if known(key.exists) else "account-exists")
    balance, daily = known(key.balance), known(key.daily)
    if daily <= 0:
        return ok(f"{balance} {key.denom}, and gas is free")
    days = balance / daily
    seen = f"{balance} {key.denom} at {daily:.0f} a day: {days:.1f} days"
    if days < EMPTY_DAYS:
        return fail(seen, TOP_UP)
    return ok(seen) if days >= LOW_DAYS else warn(seen, TOP_UP)


def foreign(key: Key) -> Finding:
    """Transactions of the last day that the key signed and the ledger does not know."""
    found = known(key.foreign)
    seen = f"{len(found)} of them" + (f": {', '.join(hash_[:16] for hash_ in found)}" if found else "")
    todo = "find out who signs: another provd, or a person; give provd a key of its own"
    return judge(not found, seen, todo)
