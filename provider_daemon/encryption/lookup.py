"""Looks up recipient keys on the chain, by address only (docs/protocol.md, 'Recipient keys')."""

from typing import Protocol

from provider_daemon.chain.recipient_keys import NoModule, Records
from provider_daemon.encryption import recipients
from provider_daemon.encryption.recipients import NoKey, RecipientKey
from provider_daemon.ports import Head


class KeyChain(Protocol):
    """The chain client, as far as it is used here."""

    async def head(self) -> Head: ...

    async def recipient_keys(self, address: str) -> Records: ...


async def keys_of(chain: KeyChain, address: str) -> tuple[RecipientKey, ...]:
    """Returns an account's keys, the newest first, unusable ones too; their fingerprints are checked.

    Raises ValueError for an invalid address, Unreadable if one record contradicts itself, Transient if the
    chain does not answer, and NoModule.
    """
    return recipients.read_all(await chain.recipient_keys(address), address)


async def usable_key(chain: KeyChain, address: str) -> RecipientKey:
    """Returns the newest usable key. Raises NoKey, NoUsableKey, Unreadable and Transient.

    Expiry is judged by the time of the chain's newest block.
    """
    try:
        found = await keys_of(chain, address)
    except NoModule as error:
        raise NoKey(str(error)) from error
    return recipients.choose(found, (await chain.head()).time, address)
