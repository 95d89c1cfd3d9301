"""The provider's recipient key, from its file and from a devnet."""

import os
from pathlib import Path

import pytest

from provider_daemon.chain.proto.virtengine.encryption.v1.tx_pb2 import MsgRegisterRecipientKey
from provider_daemon.config.model import Config, DataConfig
from provider_daemon.doctor import gather_host, gather_recipient
from provider_daemon.doctor.deadline import Deadline
from provider_daemon.doctor.finding import Unknown
from provider_daemon.encryption import identity, identity_file
from provider_daemon.encryption.fingerprint import ALGORITHM
from provider_daemon.encryption.identity import Identity
from provider_daemon.encryption.watch import OwnKey, OwnKeyStatus
from tests.fakes.chain import PROVIDER, TestChain
from tests.unit.doctor.healthy import CONFIG


def configured(path: Path) -> Config:
    return CONFIG.model_copy(update={"data": DataConfig(recipient_key_file=str(path))})


def key_file(directory: Path) -> tuple[Path, Identity]:
    path, key = directory / "recipient.key", identity.generate()
    identity_file.create(path, key)
    return path, key


async def found(chain: TestChain, config: Config) -> OwnKey | Unknown | None:
    return await gather_recipient.gather(config, PROVIDER.address, chain.client, None, Deadline(5))


async def register(chain: TestChain, key: Identity) -> None:
    message = MsgRegisterRecipientKey(
        sender=PROVIDER.address, public_key=key.public_key, algorithm_id=ALGORITHM
    )
    assert (await chain.send(PROVIDER, message)).ok


async def test_states(tmp_path: Path) -> None:
    """Missing before it is registered, then usable; foreign when another key was registered after it."""
    path, key = key_file(tmp_path)
    chain = await TestChain().start()
    assert await found(chain, configured(path)) == OwnKey(OwnKeyStatus.MISSING)
    await register(chain, key)
    own = await found(chain, configured(path))
    assert isinstance(own, OwnKey)
    assert (own.status, own.key and own.key.fingerprint) == (OwnKeyStatus.USABLE, key.fingerprint)
    await register(chain, identity.generate())
    own = await found(chain, configured(path))
    assert isinstance(own, OwnKey)
    assert own.status is OwnKeyStatus.FOREIGN
    await chain.stop()


async def test_without_a_mover() -> None:
    """Nothing is asked: no chain is there to answer."""
    for config in (CONFIG, CONFIG.model_copy(update={"data": DataConfig()})):
        nobody: TestChain = TestChain()
        nobody.client = None  # type: ignore[assignment]
        assert await found(nobody, config) is None


async def test_a_file_that_cannot_be_used(tmp_path: Path) -> None:
    """A missing file or wrong modes are the host check's; a damaged file is this check's own failure."""
    chain = await TestChain().start()
    missing = await found(chain, configured(tmp_path / "none"))
    assert isinstance(missing, Unknown)
    assert missing.cause == "host-secret-files"
    path, _ = key_file(tmp_path)
    path.write_text("nothing\n")
    damaged = await found(chain, configured(path))
    assert isinstance(damaged, Unknown)
    assert (damaged.cause, "not an age identity" in damaged.why) == ("", True)
    os.chmod(path, 0o644)
    readable = await found(chain, configured(path))
    assert isinstance(readable, Unknown)
    assert readable.cause == "host-secret-files"
    assert gather_host.gather(configured(path), path).secret_modes[str(path)] == path.stat().st_mode
    await chain.stop()


async def test_a_file_of_the_movers_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The daemon's user cannot read it: the chain's side is checked all the same."""
    path, key = key_file(tmp_path)
    chain = await TestChain().start()
    await register(chain, key)

    def forbidden(*arguments: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("builtins.open", forbidden)
    own = await found(chain, configured(path))
    monkeypatch.undo()
    assert isinstance(own, OwnKey)
    assert own.status is OwnKeyStatus.USABLE
    await chain.stop()
