"""Checks of the signing accounts. Pure; first lines are in docs/doctor.md."""

from provider_daemon.doctor.facts import Key
from provider_daemon.doctor.finding import Finding, Unknown, fail, judge, known, ok, skipped, warn
from provider_daemon.encryption.watch import OwnKeyStatus

REPORT_GAS = 100_000  # gas limit of a transaction with one report
LOW_DAYS, EMPTY_DAYS = 7.0, 1.0
TOP_UP = "send more of the fee denom to the account"


def key(key: Key) -> Finding:
    """The signing key can be read, or its address is known from the chain."""
    if isinstance(key.address, Unknown) and not key.address.cause:
        return fail(key.address.why, f"correct [keys.{key.name}] in provd.toml")
    note = " (owner of the cluster on chain: only the service can read the key)" if key.derived else ""
    return ok(f"address {known(key.address)}{note}")


def account(key: Key) -> Finding:
    """The account exists on chain."""
    there = known(key.exists)
    seen = f"account {known(key.address)} {'exists' if there else 'is not on chain'}"
    return judge(there, seen, "send some of the fee denom to the address; this creates the account")


def funds(key: Key) -> Finding:
    """The balance covers the fee of one report."""
    if not known(key.exists):
        return skipped("the account does not exist", "account-exists")
    balance, cost = known(key.balance), REPORT_GAS * known(key.gas_price)
    return judge(
        balance > 0 and balance >= cost,
        f"the balance is {balance} {key.denom}, a report costs about {cost:.0f} {key.denom}",
        TOP_UP,
    )


def runway(key: Key) -> Finding:
    """How many days the balance lasts at the larger of the last day's fees and the heartbeats' fees."""
    if funds(key).todo or funds(key).cause:
        return skipped(
            "the balance does not cover one report",
            "account-funds" if known(key.exists) else "account-exists",
        )
    balance, daily = known(key.balance), known(key.daily)
    if daily <= 0:
        return ok(f"the balance is {balance} {key.denom}, and gas is free")
    days = balance / daily
    seen = f"{balance} {key.denom} last {days:.1f} days at {daily:.0f} {key.denom} per day"
    if days < EMPTY_DAYS:
        return fail(seen, TOP_UP)
    return ok(seen) if days >= LOW_DAYS else warn(seen, TOP_UP)


def foreign(key: Key) -> Finding:
    """Nobody else signed transactions with the key in the last day."""
    found = known(key.foreign)
    seen = f"{len(found)} transactions of this key in the last day are not provd's" + (
        f": {', '.join(hash_[:16] for hash_ in found)}" if found else ""
    )
    todo = "find out who else signs with this key (another provd or a person); use a separate key for provd"
    return judge(not found, seen, todo)


def recipient(key: Key) -> Finding:
    """Customers find a usable recipient key of the account on chain, and the key file can open it."""
    found = key.recipient
    if found is None:
        return ok("no inputs are decrypted: data.recipient_key_file is not set")
    own = known(found)
    seen, todo = _RECIPIENT[own.status]
    name = own.key.fingerprint if own.key else ""
    if own.status is OwnKeyStatus.USABLE:
        return ok(seen.format(key=name))
    judged = fail if own.status is OwnKeyStatus.FOREIGN else warn
    return judged(seen.format(key=name), todo)


_ROTATE = "run `provd keys recipient rotate` with the key file; customers cannot encrypt inputs until then"
_RECIPIENT: dict[OwnKeyStatus, tuple[str, str]] = {
    OwnKeyStatus.USABLE: ("recipient key {key} is usable", ""),
    OwnKeyStatus.EXPIRES_SOON: ("recipient key {key} expires within 14 days", _ROTATE),
    OwnKeyStatus.MISSING: (
        "no key of the key file is registered on chain for this account",
        "run `provd keys recipient register` with the key file",
    ),
    OwnKeyStatus.FOREIGN: (
        "the account's newest recipient key {key} is not in the key file, so its data cannot be decrypted",
        "find out who registered it; add its secret to the key file, or revoke the key",
    ),
    OwnKeyStatus.REVOKED: ("recipient key {key} is revoked", _ROTATE),
    OwnKeyStatus.EXPIRED: ("recipient key {key} has expired", _ROTATE),
    OwnKeyStatus.DEPRECATED: ("recipient key {key} is deprecated, and no newer key is usable", _ROTATE),
    OwnKeyStatus.TAMPERED: (
        "another account has marked the recipient key {key} as deprecated, so customers do not use it",
        _ROTATE,
    ),
    OwnKeyStatus.UNUSABLE: ("recipient key {key} has an algorithm or a value that is not accepted", _ROTATE),
}
