"""Raw store reads: absence, counters, and what is neither."""

import pytest

from provider_daemon.chain import keyspace
from provider_daemon.chain.store import Store
from provider_daemon.errors import Refused, Transient, Unreadable
from tests.unit.chain.far_end import FarEnd, endpoints


async def test_value_and_absence() -> None:
    """A missing key is empty."""
    async with endpoints(FarEnd(records={("hpc", b"\x01HPC-1"): b"{}"})) as ours:
        assert await Store(ours).get(b"\x01HPC-1") == b"{}"
        assert await Store(ours).get(b"\x01HPC-2") == b""


async def test_a_version_that_does_not_exist_is_not_absence() -> None:
    """Code 0 and no value, but the log says that the height cannot be read: nothing is known."""
    async with endpoints(
        FarEnd(store_log="failed to load state at height 12; version does not exist")
    ) as ours:
        with pytest.raises(Transient, match="version does not exist"):
            await Store(ours).get(b"\x01HPC-1")


@pytest.mark.parametrize(("codespace", "code"), [("store", 4), ("sdk", 6)])
async def test_a_store_that_the_chain_does_not_have(codespace: str, code: int) -> None:
    """The chain's no: since SDK 0.50 the store module says it, before that the SDK did."""
    far = FarEnd(
        store_codespace=codespace, store_code=code, store_log="no such store: gaspricing: unknown request"
    )
    async with endpoints(far) as ours:
        with pytest.raises(Refused, match="no such store"):
            await Store(ours).get(b"\x02", "gaspricing")


async def test_other_codes() -> None:
    """They may pass."""
    async with endpoints(FarEnd(store_codespace="sdk", store_code=18, store_log="invalid request")) as ours:
        with pytest.raises(Transient, match="code 18"):
            await Store(ours).get(b"\x02")


async def test_subspace() -> None:
    """Every key with the prefix, longer ids too."""
    records = {("hpc", key): b"{}" for key in (b"\x03JOB-1", b"\x03JOB-10", b"\x03JOB-2", b"\x04JOB-1")}
    async with endpoints(FarEnd(records=records)) as ours:
        assert [key for key, _ in await Store(ours).subspace(b"\x03JOB-1")] == [b"\x03JOB-1", b"\x03JOB-10"]


async def test_subspace_that_is_no_list_of_pairs() -> None:
    """An answer that is not what was asked for is not an empty one."""
    async with endpoints(FarEnd(subspace=b"\xff\xff")) as ours:
        with pytest.raises(Unreadable, match="subspace of 03"):
            await Store(ours).subspace(b"\x03")


async def test_counters() -> None:
    """Eight bytes, big-endian; 1 before the first record; anything else is not guessed at."""
    far = FarEnd(
        records={("hpc", keyspace.NEXT_JOB): (4711).to_bytes(8, "big"), ("hpc", keyspace.NEXT_CLUSTER): b"7"}
    )
    async with endpoints(far) as ours:
        assert await Store(ours).counter(keyspace.NEXT_JOB) == 4711
        assert await Store(ours).counter(keyspace.NEXT_OFFERING) == 1
        with pytest.raises(Unreadable, match="1 bytes"):
            await Store(ours).counter(keyspace.NEXT_CLUSTER)
