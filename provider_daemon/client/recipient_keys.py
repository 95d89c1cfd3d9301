"""The recipient keys of an account, as `provd query encryption keys` shows them."""

from datetime import UTC, datetime
from typing import Any

from provider_daemon.chain.client import GrpcChain
from provider_daemon.chain.gateway_json import render
from provider_daemon.client.queries import address as checked
from provider_daemon.encryption import recipients

USABLE = "usable"


async def listed(chain: GrpcChain, address: str) -> dict[str, Any]:
    """Returns the records with `state`, `recipient` (age) and times in words, the newest first.

    Raises ConfigError for an invalid address, and Unreadable for a record that contradicts itself.
    """
    checked(address)
    records = {record.key_fingerprint: record for record in await chain.recipient_keys(address)}
    now = (await chain.head()).time
    return {
        "keys": [
            {
                **render(records[key.fingerprint]),
                "state": str(recipients.problem(key, now) or USABLE),
                "recipient": key.recipient,
                "registered": _time(key.registered_at),
                "expires": _time(key.expires_at),
            }
            for key in recipients.read_all(records.values(), address)
        ]
    }


def _time(seconds: int) -> str:
    """Returns an RFC 3339 time; "" for 0, or a time that no calendar has."""
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}" if seconds else ""
    except (ValueError, OverflowError, OSError):
        return ""
