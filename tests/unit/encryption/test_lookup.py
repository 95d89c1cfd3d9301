"""Keys by address on a devnet, as an attacker changes them."""

import pytest

from provider_daemon.chain.proto.virtengine.encryption.v1 import tx_pb2
from provider_daemon.chain.recipient_keys import NoModule, Records
from provider_daemon.encryption import age, identity, lookup
from provider_daemon.encryption.fingerprint import ALGORITHM
from provider_daemon.encryption.recipients import NoKey, NoUsableKey
from provider_daemon.errors import Refused, Transient, Unreadable
from provider_daemon.ports import Head
from tests.fakes.chain import ALICE, BOB, TestChain
from tests.unit.encryption.test_age import chunks, joined

MINE, NEXT, THEIRS = (identity.Identity(bytes([number]) * 32) for number in (1, 2, 3))


def register(key: identity.Identity, sender: str = ALICE.address) -> tx_pb2.MsgRegisterRecipientKey:
    return tx_pb2.MsgRegisterRecipientKey(sender=sender, public_key=key.public_key, algorithm_id=ALGORITHM)


def rotate(old: identity.Identity, new: identity.Identity, sender: str, **more: int) -> tx_pb2.MsgRotateKey:
    return tx_pb2.MsgRotateKey(
        sender=sender,
        old_key_fingerprint=old.fingerprint,
        new_public_key=new.public_key,
        **more,  # type: ignore[arg-type]
    )


async def test_a_customers_key() -> None:
    """Data that is encrypted to the key found on the chain is opened by its owner."""
    chain = await TestChain().start()
    with pytest.raises(NoKey):
        await lookup.usable_key(chain.client, ALICE.address)
    assert (await chain.send(ALICE, register(MINE))).ok
    found = await lookup.usable_key(chain.client, ALICE.address)
    encrypted = await joined(age.encrypt(chunks(b"results"), [found.public_key]))
    assert await joined(age.decrypt(chunks(encrypted), identity.Keyring((MINE,)))) == b"results"
    await chain.stop()


async def test_a_key_that_somebody_else_deprecated() -> None:
    """It is not used, and that is an error; the owner's next key is used."""
    chain = await TestChain().start()
    await chain.send(ALICE, register(MINE))
    await chain.send(BOB, rotate(MINE, THEIRS, BOB.address))
    with pytest.raises(NoUsableKey, match=f"{MINE.fingerprint} deprecated"):
        await lookup.usable_key(chain.client, ALICE.address)
    await chain.send(ALICE, register(NEXT))
    assert (await lookup.usable_key(chain.client, ALICE.address)).fingerprint == NEXT.fingerprint
    assert [key.version for key in await lookup.keys_of(chain.client, ALICE.address)] == [2, 1]
    await chain.stop()


async def test_an_expired_key() -> None:
    """Expiry is judged by the chain's time, not by ours."""
    chain = await TestChain().start()
    await chain.send(ALICE, register(MINE))
    await chain.send(ALICE, rotate(MINE, NEXT, ALICE.address, new_key_ttl_seconds=600))
    assert (await lookup.usable_key(chain.client, ALICE.address)).fingerprint == NEXT.fingerprint
    chain.block(seconds=601)
    with pytest.raises(NoUsableKey, match="deprecated"):
        await lookup.usable_key(chain.client, ALICE.address)
    await chain.stop()


async def test_a_chain_without_the_module() -> None:
    """It has no keys: that is not an unusable key. A failed query is neither."""

    class Without:
        def __init__(self, error: Exception) -> None:
            self._error = error

        async def head(self) -> Head:
            raise AssertionError

        async def recipient_keys(self, address: str) -> Records:
            raise self._error

    with pytest.raises(NoKey, match="no encryption module"):
        await lookup.usable_key(Without(NoModule()), ALICE.address)
    for error in (Transient("no answer"), Refused("no"), Unreadable("damaged")):
        with pytest.raises(type(error)) as raised:
            await lookup.usable_key(Without(error), ALICE.address)
        assert not isinstance(raised.value, NoKey)
