"""`provd keys recipient`, `provd tx encryption` and `provd query encryption` on a devnet."""

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from typer.main import get_command

from provider_daemon.cli.app import app
from provider_daemon.encryption import identity, identity_file
from provider_daemon.encryption.identity import Keyring
from provider_daemon.errors import ConfigError, Refused, Unreadable
from tests.unit.cli.shop import ADDRESSES, Shop, shop

COMMANDS: dict[str, Any] = get_command(app).commands["tx"].commands["encryption"].commands  # type: ignore[attr-defined]
OTHER = identity.Identity(bytes([9]) * 32)


@pytest_asyncio.fixture
async def market(tmp_path: Path) -> AsyncIterator[Shop]:
    async with shop(tmp_path) as opened:
        yield opened


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "recipient.key"
    identity_file.create(made, identity.generate())
    return made


def keyring(path: Path) -> Keyring:
    return identity_file.read(path)


async def keys_of(market: Shop, who: str = "alice") -> list[dict[str, Any]]:
    result = await market.run(f"query encryption keys {ADDRESSES[who]} -o json")
    assert result.exit_code == 0, result.output
    found: list[dict[str, Any]] = json.loads(result.stdout)["keys"]
    return found


def example(name: str) -> str:
    return str(COMMANDS[name].epilog).partition("Example:\n")[2].strip().removeprefix("provd ")


# --- tx and query ---


async def test_every_example_works(market: Shop) -> None:
    """In an order that makes sense. A rotation needs two keys, so the old one is another."""
    said = (await market.done(example("register-recipient-key"))).stdout
    (key,) = await keys_of(market, "bob")
    assert said.splitlines()[0] == f"key_fingerprint: {key['key_fingerprint']}"
    assert (key["label"], key["state"], key["key_version"]) == ("results", "usable", 1)
    await market.done(example("update-key-label"))
    assert (await keys_of(market, "bob"))[0]["label"] == "laptop"
    rotation = example("rotate-key").replace(key["recipient"], OTHER.recipient)
    assert (await market.done(rotation)).stdout.startswith(f"new_key_fingerprint: {OTHER.fingerprint}\n")
    assert [each["state"] for each in await keys_of(market, "bob")] == ["usable", "deprecated"]
    await market.done(example("revoke-recipient-key"))
    assert [each["state"] for each in await keys_of(market, "bob")] == ["usable", "revoked"]
    assert len(COMMANDS) == 4


async def test_the_list(market: Shop) -> None:
    """A table with the age recipient and times in words; base64 is accepted for a key as well."""
    text = base64.b64encode(OTHER.public_key).decode()
    await market.done(f"tx encryption register-recipient-key {text} --from alice")
    result = await market.run(f"query encryption keys {ADDRESSES['alice']}")
    heading, line = result.stdout.splitlines()
    assert heading.split()[:4] == ["VERSION", "STATE", "RECIPIENT", "FINGERPRINT"]
    assert line.split()[:4] == ["1", "usable", OTHER.recipient, OTHER.fingerprint]
    assert (await market.run(f"query encryption keys {ADDRESSES['bob']}")).stdout.splitlines() == [
        "VERSION  STATE  RECIPIENT  FINGERPRINT  REGISTERED  EXPIRES  LABEL"
    ]
    wrong = await market.run("query encryption keys ve1x")
    assert isinstance(wrong.exception, ConfigError)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("register-recipient-key age1x", "invalid age recipient"),
        ("register-recipient-key ???", "KEY: invalid value"),
        ("register-recipient-key AAAA", "KEY: must have 32 bytes"),
        (f"register-recipient-key {base64.b64encode(bytes(32)).decode()}", "unsafe public key"),
        (f"rotate-key abc {OTHER.recipient}", "FINGERPRINT: must be 40 lower-case hex digits"),
        (f"rotate-key {OTHER.fingerprint} {OTHER.recipient} --reason boredom", "reason: must be one of"),
        ("revoke-recipient-key abc", "FINGERPRINT: must be 40"),
    ],
)
async def test_what_is_not_signed(market: Shop, line: str, problem: str) -> None:
    """What the chain would refuse, or what protects nothing, is refused before."""
    result = await market.run(f"tx encryption {line} --from alice -y")
    assert isinstance(result.exception, ConfigError), result.output
    assert problem in str(result.exception)


async def test_refusals_have_hints(market: Shop) -> None:
    """A key that another account has registered."""
    await market.done(f"tx encryption register-recipient-key {OTHER.recipient} --from alice")
    result = await market.run(f"tx encryption register-recipient-key {OTHER.recipient} --from bob -y")
    assert isinstance(result.exception, Refused)
    assert OTHER.fingerprint in str(result.exception)


# --- the guided way ---


async def test_create_and_show(market: Shop, tmp_path: Path) -> None:
    """The public side only, the same from both; a file is never written over."""
    path = tmp_path / "new.key"
    made = await market.run(f"keys recipient create {path}")
    shown = await market.run(f"keys recipient show {path} -o json")
    (key,) = json.loads(shown.stdout)
    current = keyring(path).current
    assert key == {
        "recipient": current.recipient,
        "public_key": base64.b64encode(current.public_key).decode(),
        "fingerprint": current.fingerprint,
    }
    assert made.stdout == "".join(f"{name}: {value}\n" for name, value in key.items())
    assert current.secret_text not in made.output + shown.output
    assert path.stat().st_mode & 0o777 == 0o600
    again = await market.run(f"keys recipient create {path}")
    assert isinstance(again.exception, ConfigError)
    assert keyring(path).current == current


async def test_register(market: Shop, path: Path) -> None:
    """The chain shows the key afterwards; a second time nothing is sent."""
    first = await market.done(f"keys recipient register {path} --from alice --label site")
    current = keyring(path).current
    assert f"recipient: {current.recipient}\n" in first.stdout
    assert "the chain shows the key; the account can register 4 more" in first.stdout
    (key,) = await keys_of(market)
    assert (key["recipient"], key["label"], key["state"]) == (current.recipient, "site", "usable")
    second = await market.done(f"keys recipient register {path} --from alice")
    assert second.stdout.startswith(f"already registered: {current.fingerprint}\n")
    assert len(await keys_of(market)) == 1


async def test_register_a_key_that_somebody_else_registered_first(market: Shop, path: Path) -> None:
    """It is refused with the other account and what to do."""
    await market.done(f"tx encryption register-recipient-key {keyring(path).current.recipient} --from bob")
    result = await market.run(f"keys recipient register {path} --from alice -y")
    assert isinstance(result.exception, Refused)
    assert ADDRESSES["bob"] in str(result.exception)
    assert "provd keys recipient create" in str(result.exception)
    assert await keys_of(market) == []


async def test_rotate(market: Shop, path: Path) -> None:
    """The new key comes first in the file, the old one stays there and is deprecated on chain."""
    await market.done(f"keys recipient register {path} --from alice")
    old = keyring(path).current
    result = await market.done(f"keys recipient rotate {path} --from alice --ttl 86400 -o json")
    new, kept = keyring(path).identities
    assert kept == old
    assert json.loads(result.stdout)["fingerprint"] == new.fingerprint
    first, second = await keys_of(market)
    assert (first["key_fingerprint"], first["state"]) == (new.fingerprint, "usable")
    assert int(first["expires_at"]) == int(first["registered_at"]) + 86400
    assert (second["key_fingerprint"], second["state"]) == (old.fingerprint, "deprecated")


async def test_rotate_after_an_attempt_that_failed(market: Shop, path: Path) -> None:
    """The key that it left in the file is registered; no other one is made."""
    await market.done(f"keys recipient register {path} --from alice")
    declined = await market.run(f"keys recipient rotate {path} --from alice", "n\n")
    assert declined.exit_code == 1
    left = keyring(path)
    assert len(left.identities) == 2
    await market.done(f"keys recipient rotate {path} --from alice")
    assert keyring(path) == left
    assert (await keys_of(market))[0]["key_fingerprint"] == left.current.fingerprint


async def test_a_dry_run_changes_nothing(market: Shop, path: Path) -> None:
    """Neither the file nor the chain."""
    await market.done(f"keys recipient register {path} --from alice")
    before = path.read_text()
    result = await market.run(f"keys recipient rotate {path} --from alice --dry-run")
    assert "nothing was signed or sent" in result.stdout
    assert path.read_text() == before
    assert len(await keys_of(market)) == 1


async def test_a_key_that_somebody_else_deprecated(market: Shop, path: Path) -> None:
    """`register` says that it cannot be used, `rotate` replaces it."""
    await market.done(f"keys recipient register {path} --from alice")
    old = keyring(path).current
    await market.done(f"tx encryption rotate-key {old.fingerprint} {OTHER.recipient} --from bob")
    refused = await market.run(f"keys recipient register {path} --from alice -y")
    assert isinstance(refused.exception, Refused)
    assert "is deprecated: run `provd keys recipient rotate" in str(refused.exception)
    await market.done(f"keys recipient rotate {path} --from alice")
    assert [key["state"] for key in await keys_of(market)] == ["usable", "deprecated"]


async def test_nothing_to_rotate(market: Shop, path: Path) -> None:
    """An account without a key of the file is told to register one, and a full account to revoke one."""
    refused = await market.run(f"keys recipient rotate {path} --from alice -y")
    assert "keys recipient register" in str(refused.exception)
    assert len(keyring(path).identities) == 1
    for number in range(1, 6):
        key = identity.Identity(bytes([number]) * 32).recipient
        await market.done(f"tx encryption register-recipient-key {key} --from alice")
    full = await market.run(f"keys recipient rotate {path} --from alice -y")
    assert isinstance(full.exception, Refused)
    assert "revoke one of" in str(full.exception)
    assert len(keyring(path).identities) == 1


async def test_a_chain_that_does_not_show_the_key(
    market: Shop, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An included transaction is not enough: the key must be what a customer finds."""
    await market.done(f"tx encryption register-recipient-key {OTHER.recipient} --from alice")
    monkeypatch.setattr(
        "provider_daemon.client.recipient.choose",
        lambda keys, now, address: next(key for key in keys if key.fingerprint == OTHER.fingerprint),
    )
    result = await market.run(f"keys recipient register {path} --from alice -y")
    assert isinstance(result.exception, Unreadable)
    assert "does not show" in str(result.exception)
