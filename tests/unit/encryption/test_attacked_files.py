"""The files that the attacks change are good ones: each attack is refused for its change alone."""

from provider_daemon.encryption import age
from tests.unit.encryption.test_age import BLOCK, chunks, joined
from tests.unit.encryption.test_attacks import AGE, blocks
from tests.unit.encryption.vectors import KEYRING


async def test_unchanged() -> None:
    """The blocks in their order are the file, and it opens."""
    assert blocks(0, 1, 2) == AGE
    assert await joined(age.decrypt(chunks(AGE), KEYRING)) == bytes(3 * BLOCK)
