"""Which endpoint is healthy, and what a failed call means."""

import asyncio

import grpc
import grpc.aio
import pytest

from provider_daemon.chain import grpc_errors
from provider_daemon.chain.endpoints import LONGEST_WAIT, RECHECK_SECONDS, Endpoints
from provider_daemon.chain.heights import LAG_BLOCKS
from provider_daemon.chain.store import Store
from provider_daemon.errors import Refused, Transient, Unreadable
from provider_daemon.ports import EndpointState
from tests.fakes.chain import CHAIN_ID, FakeClock
from tests.unit.chain.far_end import FarEnd, endpoints


async def test_the_first_of_several_good_ones() -> None:
    """The order of the configuration is the order of preference."""
    first, second = FarEnd(), FarEnd(height=11)
    async with endpoints(first, second) as ours:
        assert (await ours.preferred()).url == first.url
        assert [endpoint.is_healthy for endpoint in ours.all] == [True, True]


@pytest.mark.parametrize(
    ("far", "state", "named"),
    [
        (FarEnd(syncing=True), EndpointState.CATCHING_UP, ""),
        (FarEnd(chain_id="other-9"), EndpointState.WRONG_CHAIN, "'other-9'"),
    ],
)
async def test_unhealthy(far: FarEnd, state: EndpointState, named: str) -> None:
    """A node that is catching up or on another chain is passed over, and the next one serves."""
    good = FarEnd()
    async with endpoints(far, good) as ours:
        assert (await ours.preferred()).url == good.url
        assert ours.all[0].state is state
        assert named in ours.all[0].why


async def test_no_endpoint_is_healthy() -> None:
    """The error tells what each endpoint did wrong."""
    async with endpoints(FarEnd(syncing=True), FarEnd(chain_id="other-9")) as ours:
        with pytest.raises(Transient, match=r"; .*other-9"):
            await ours.preferred()


async def test_a_dead_one_is_named_once() -> None:
    """What gRPC says of it begins with its address: there the name beside it is left out."""
    ours = Endpoints(CHAIN_ID, ["127.0.0.1:1"], FakeClock())
    with pytest.raises(Transient, match=r"[a-z]: 127\.0\.0\.1:1: UNAVAILABLE"):
        await ours.preferred()
    await ours.close()


async def test_height_going_back() -> None:
    """A node whose height goes back is unhealthy until it is where it was."""
    far, clock = FarEnd(height=100), FakeClock()
    async with endpoints(far, clock=clock) as ours:
        assert (await ours.head()).height == 100
        far.height = 40
        with pytest.raises(Transient, match=r"(?=.*\b40\b).*\b100\b"):
            await ours.head()
        far.height = 101
        clock.time += RECHECK_SECONDS
        assert (await ours.head()).height == 101


async def test_lag() -> None:
    """A node a little behind the common height is healthy, one further back is not: it would undo what we
    know."""
    near, far = FarEnd(height=100 - LAG_BLOCKS), FarEnd(height=99 - LAG_BLOCKS)
    async with endpoints(FarEnd(height=100), FarEnd(height=100), FarEnd(height=100), near, far) as ours:
        assert (await ours.head()).height == 100
        assert [endpoint.is_healthy for endpoint in ours.all] == [True, True, True, True, False]


async def test_fail_over_and_back() -> None:
    """A dead endpoint's calls go to the next one at once; when it is back, it serves again after a while."""
    first, second, clock = FarEnd(), FarEnd(), FakeClock()
    async with endpoints(first, second, clock=clock) as ours:
        store = Store(ours)
        await store.get(b"\x01a")
        await first.stop()
        await store.get(b"\x01b")
        assert (await ours.preferred()).url == second.url
        await first.start()
        async with asyncio.timeout(30):
            while (await ours.preferred()).url != first.url:
                clock.time += LONGEST_WAIT


async def test_dead_and_back_alone() -> None:
    """The only endpoint is asked again until it is back."""
    far, clock = FarEnd(), FakeClock()
    async with endpoints(far, clock=clock) as ours:
        await ours.preferred()
        await far.stop()
        with pytest.raises(Transient, match="UNAVAILABLE"):
            await Store(ours).get(b"\x01a")
        await far.start()
        async with asyncio.timeout(30):
            while not ours.all[0].is_healthy:
                clock.time += RECHECK_SECONDS
                await asyncio.gather(ours.preferred(), return_exceptions=True)


async def test_a_bad_one_is_asked_less_and_less() -> None:
    """While another endpoint serves, one that stays bad costs a check a minute at most."""
    bad, clock = FarEnd(syncing=True), FakeClock()
    async with endpoints(bad, FarEnd(), clock=clock) as ours:
        for _ in range(600):
            clock.time += 1
            await ours.preferred()
        assert 8 <= bad.calls.count("GetSyncing") <= 16


async def test_many_callers_share_a_check() -> None:
    """A burst of calls on a fresh client all succeed, after one check."""
    far = FarEnd()
    async with endpoints(far) as ours:
        store = Store(ours)
        await asyncio.gather(*(store.get(b"\x01a") for _ in range(50)))
        assert far.calls.count("GetSyncing") == 1


async def test_clock_set_back() -> None:
    """A wall clock that jumps back does not put checks off."""
    far, clock = FarEnd(), FakeClock()
    async with endpoints(far, clock=clock) as ours:
        await ours.preferred()
        clock.time -= 3600
        await ours.preferred()
        assert far.calls.count("GetSyncing") == 2


async def test_large_answers() -> None:
    """An answer far over gRPC's default of 4 MB arrives whole."""
    far = FarEnd(records={("hpc", b"\x03JOB-1"): b"x" * 9_000_000})
    async with endpoints(far) as ours:
        assert len(await Store(ours).get(b"\x03JOB-1")) == 9_000_000


async def test_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer over our own limit is not taken for a busy node."""
    monkeypatch.setattr(grpc_errors, "_OPTIONS", [("grpc.max_receive_message_length", 10_000)])
    far = FarEnd(records={("hpc", b"\x03JOB-1"): b"x" * 20_000})
    async with endpoints(far) as ours:
        with pytest.raises(grpc_errors.TooLarge):
            await Store(ours).get(b"\x03JOB-1")


async def test_https_is_tls() -> None:
    """An https:// endpoint is never spoken to in the clear."""
    far = FarEnd()
    ours = Endpoints(CHAIN_ID, [f"https://{await far.start()}"], FakeClock())
    with pytest.raises(Transient, match="https://"):
        await ours.preferred()
    assert far.calls == []
    await ours.close()
    await far.stop()


@pytest.mark.parametrize(
    ("code", "details", "treatment"),
    [
        (grpc.StatusCode.UNAVAILABLE, "connection refused", Transient),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "", Transient),
        (grpc.StatusCode.INTERNAL, "Received RST_STREAM with error code 2", Transient),
        (grpc.StatusCode.INTERNAL, "Exception deserializing response!", Unreadable),
        (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "grpc: received message larger than max (5 vs. 4)",
            grpc_errors.TooLarge,
        ),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "too many requests", Transient),
        (grpc.StatusCode.UNIMPLEMENTED, "method Job not implemented", grpc_errors.Unimplemented),
        (grpc.StatusCode.NOT_FOUND, "tx not found: AB", grpc_errors.NotFound),
        (grpc.StatusCode.UNKNOWN, "failed to execute\nmessage", Refused),
        (grpc.StatusCode.PERMISSION_DENIED, "", Refused),
    ],
)
def test_translate(code: grpc.StatusCode, details: str, treatment: type[Exception]) -> None:
    """Each status becomes an error whose class says the treatment, in one line."""
    metadata = grpc.aio.Metadata()
    error = grpc_errors.translate(grpc.aio.AioRpcError(code, metadata, metadata, details), "127.0.0.1:1")
    assert type(error) is treatment
    assert "\n" not in str(error)
    assert ("127.0.0.1:1" in str(error)) is not isinstance(error, Refused)
