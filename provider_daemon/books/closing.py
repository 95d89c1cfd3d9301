"""A monthly closing: a statement's canonical document, its hash, and what has changed since. Pure.

Each closing names the hash of the one before it, so that no closed month can be changed or left out later
without changing every later hash.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from provider_daemon.books import render
from provider_daemon.books.statement import Kind, Statement
from provider_daemon.chain.signed_documents import canonical
from provider_daemon.ledger.books import Closing

VERSION = 1
# What may change of a job that was not paid when the month was closed: it is paid in a later month.
_LATER = frozenset(
    {"total", "platform_fee", "provider_reward", "refund", "settlement", "settled_at", "disputes"}
) | frozenset(render.USAGE)


def close(found: Statement, previous: Closing | None, now: float) -> Closing:
    """Returns the closing of a month. The statement must be the whole one, not that of a customer."""
    document = {
        "version": VERSION,
        "previous": {"month": previous.month, "hash": previous.hash} if previous else None,
        **render.document(found),
    }
    text = canonical(document)
    return Closing(found.month, now, hashlib.sha256(text).hexdigest(), text)


def changes(closing: Closing, now: Statement) -> list[str]:
    """Returns a line for each entry or sum that differs from the closed month; empty if none does.

    A stored document whose hash does not fit is the first line.
    """
    if hashlib.sha256(closing.document).hexdigest() != closing.hash:
        return [f"the stored document of {closing.month} does not have the hash {closing.hash}"]
    closed = json.loads(closing.document)
    fresh = json.loads(canonical(render.document(now)))
    found = list(_sums(closed["accounts"], fresh["accounts"]))
    return [*found, *_entries(_keyed(closed["entries"]), _keyed(fresh["entries"]))]


def _sums(closed: list[dict[str, Any]], fresh: list[dict[str, Any]]) -> Iterator[str]:
    before = {(total["account"], total["denom"]): total for total in closed}
    now = {(total["account"], total["denom"]): total for total in fresh}
    for key in sorted({*before, *now}):
        for name in sorted({*before.get(key, {}), *now.get(key, {})}):
            one, other = before.get(key, {}).get(name), now.get(key, {}).get(name)
            if one != other:
                yield f"{key[0]} {key[1]}: {name} was {one} and is {other}"


def _keyed(entries: list[dict[str, Any]]) -> dict[tuple[str, ...], dict[str, Any]]:
    """Returns the entries by what identifies them."""
    return {(row["kind"], row["job_id"] or row["time"], row["account"], row["denom"]): row for row in entries}


def _entries(
    closed: Mapping[tuple[str, ...], Mapping[str, Any]], fresh: Mapping[tuple[str, ...], Mapping[str, Any]]
) -> Iterator[str]:
    for key in sorted({*closed, *fresh}):
        name = f"{key[0]} {key[1]} {key[3]}"
        if key not in fresh:
            yield f"{name}: is missing now"
        elif key not in closed:
            yield f"{name}: was added"
        else:
            ignored = _LATER if key[0] == Kind.UNPAID else frozenset()
            for column in closed[key]:
                if column not in ignored and closed[key][column] != fresh[key].get(column):
                    yield f"{name}: {column} was {closed[key][column]!r} and is {fresh[key].get(column)!r}"
