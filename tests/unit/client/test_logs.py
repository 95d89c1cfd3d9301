"""A job's log across lost connections."""

import pytest

from provider_daemon.client.gateway_facts import GatewayRefused
from provider_daemon.client.logs import UNSEEN_POLLS, Log
from provider_daemon.errors import Transient
from tests.unit.client.far_end import OUTPUT, FarEnd, opened

TEXT = "line ä\n".encode() * 1000


async def written(far_end: FarEnd, *, follow: bool, stream: str = "output", offset: int = 0) -> bytes:
    parts: list[bytes] = []
    async with opened(far_end) as gateway:
        log = Log(gateway, "JOB-1", parts.append, stream=stream, offset=offset, poll_seconds=0)
        await (log.follow() if follow else log.copy())
        assert log.offset == offset + len(b"".join(parts))
    return b"".join(parts)


@pytest.mark.parametrize("follow", [False, True])
async def test_a_log(follow: bool) -> None:
    """From its beginning or from a byte on."""
    assert await written(FarEnd({OUTPUT: TEXT}), follow=follow) == TEXT
    assert await written(FarEnd({OUTPUT: TEXT}), follow=follow, offset=800) == TEXT[800:]


@pytest.mark.parametrize("follow", [False, True])
async def test_a_lost_connection_is_resumed_at_its_byte(follow: bool) -> None:
    """Nothing is written twice and nothing is left out, however often it is cut."""
    far_end = FarEnd({OUTPUT: TEXT}, cuts=[800, 8, 80, 800, 8, 80, 8])
    assert await written(far_end, follow=follow) == TEXT


async def test_standard_error() -> None:
    assert await written(FarEnd({OUTPUT: b"out", "error.txt": b"err"}), follow=True, stream="error") == b"err"


async def test_binary_output_is_copied_as_it_is() -> None:
    assert await written(FarEnd({OUTPUT: b"\xff\x00\xfe"}), follow=False) == b"\xff\x00\xfe"


async def test_a_stream_that_ends_without_the_jobs_end_is_opened_again() -> None:
    """As when the gateway is restarted: the event `end` alone ends the log."""

    class Ending(FarEnd):
        """The job ends with the third question."""

        @property
        def ended(self) -> bool:
            return sum("/log" in line for line in self.requests) >= 3

        @ended.setter
        def ended(self, value: bool) -> None:
            pass

    assert await written(Ending({OUTPUT: TEXT}), follow=True) == TEXT


async def test_a_job_that_the_provider_has_not_accepted_yet_is_waited_for() -> None:
    """For it the gateway says not_yours, as for any job that is not the customer's."""
    far_end = FarEnd({OUTPUT: TEXT}, failures=[(403, "not_yours")] * 5)
    assert await written(far_end, follow=True) == TEXT


async def test_that_wait_has_an_end() -> None:
    far_end = FarEnd({OUTPUT: TEXT}, failures=[(403, "not_yours")] * (UNSEEN_POLLS + 1))
    with pytest.raises(GatewayRefused, match="not_yours"):
        await written(far_end, follow=True)
    assert len(far_end.requests) == UNSEEN_POLLS


async def test_a_gateway_that_does_not_answer_is_reported() -> None:
    """After three attempts without a connection."""
    far_end = FarEnd(failures=[(503, "unavailable")] * 20)
    with pytest.raises(Transient, match="cannot answer now"):
        await written(far_end, follow=True)
    assert len(far_end.requests) == 3
