"""Accounts and balances.

Module accounts (escrow, platform, fee collector) have addresses derived from their names.
"""

import hashlib
import json
from collections.abc import Mapping

from provider_daemon.chain import bech32
from provider_daemon.devnet.failures import INSUFFICIENT_FUNDS, sdk
from provider_daemon.devnet.kv import Layer

AUTH, BANK = "auth", "bank"


def module_address(name: str) -> str:
    """Returns a module's address as the SDK derives it: the first 20 bytes of the SHA-256 of its name."""
    return bech32.encode(hashlib.sha256(name.encode()).digest()[:20])


ESCROW_ADDRESS = module_address("hpc_escrow")
PLATFORM_ADDRESS = module_address("hpc_platform")
FEE_COLLECTOR = module_address("fee_collector")
GOVERNANCE = module_address("gov")


def balance(state: Layer, address: str, denom: str) -> int:
    return int(state.get(BANK, f"{address}/{denom}".encode()) or 0)


def balances(state: Layer, address: str) -> dict[str, int]:
    """Returns an account's coins, sorted by denom."""
    prefix = f"{address}/".encode()
    return {key.removeprefix(prefix).decode(): int(value) for key, value in state.scan(BANK, prefix)}


def credit(state: Layer, address: str, denom: str, amount: int) -> None:
    ensure_account(state, address)
    state.put(BANK, f"{address}/{denom}".encode(), str(balance(state, address, denom) + amount).encode())


def move(state: Layer, source: str, target: str, denom: str, amount: int) -> None:
    """Transfers coins. Raises ChainError (5, insufficient funds) if the source has too few."""
    held = balance(state, source, denom)
    if held < amount:
        raise sdk(INSUFFICIENT_FUNDS, f"spendable balance {held}{denom} is smaller than {amount}{denom}")
    state.put(BANK, f"{source}/{denom}".encode(), str(held - amount).encode())
    credit(state, target, denom, amount)


def ensure_account(state: Layer, address: str) -> None:
    if account(state, address) is not None:
        return
    number = int(state.get(AUTH, b"next") or 0)
    state.put(AUTH, b"next", str(number + 1).encode())
    save_account(state, address, {"number": number, "sequence": 0, "pubkey": ""})


def account(state: Layer, address: str) -> dict[str, object] | None:
    """Returns number, sequence and pubkey (hex, empty before the first transaction), or None if unknown."""
    value = state.get(AUTH, b"account/" + address.encode())
    found: dict[str, object] | None = json.loads(value) if value else None
    return found


def save_account(state: Layer, address: str, value: Mapping[str, object]) -> None:
    state.put(AUTH, b"account/" + address.encode(), json.dumps(dict(value)).encode())
