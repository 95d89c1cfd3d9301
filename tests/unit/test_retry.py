"""The retry policy: a few quick attempts on what may pass, none on what will not."""

import asyncio
import time
from collections.abc import Awaitable

import pytest

from provider_daemon.errors import ProvdError, Refused, Transient, Unreadable
from provider_daemon.retry import ATTEMPTS, quickly


class Call:
    """Raises what it was given, in order, then answers how often it was called."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.calls = 0

    async def __call__(self) -> int:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)
        return self.calls


async def test_first_answer_is_taken() -> None:
    """A call that works is made once."""
    assert await quickly(Call()) == 1


async def test_passing_failures_are_tried_again() -> None:
    """What fails for a moment is tried again, within about a second."""
    began = time.monotonic()
    assert await quickly(Call(*[Transient("down")] * (ATTEMPTS - 1))) == ATTEMPTS
    assert time.monotonic() - began < 1.5


async def test_last_failure_is_shown() -> None:
    """After the last attempt its own error is raised, not one of the retrying."""
    call = Call(*[Transient(f"down {number}") for number in range(ATTEMPTS + 1)])
    with pytest.raises(Transient, match=f"down {ATTEMPTS - 1}"):
        await quickly(call)
    assert call.calls == ATTEMPTS


@pytest.mark.parametrize("error", [Refused("no"), Unreadable("what?"), ProvdError("other")], ids=str)
async def test_final_answers_are_not_repeated(error: ProvdError) -> None:
    """A refusal, or an answer that we cannot read, would be the same again."""
    call = Call(error)
    with pytest.raises(type(error)):
        await quickly(call)
    assert call.calls == 1


async def test_calls_do_not_share_their_attempts() -> None:
    """Two calls at a time each have all their attempts."""
    calls = [Call(*[Transient("down")] * (ATTEMPTS - 1)) for _ in range(2)]
    assert await asyncio.gather(*(quickly(call) for call in calls)) == [ATTEMPTS] * 2


async def test_anything_awaitable_is_a_call() -> None:
    """A plain function that returns an awaitable is retried like an async one."""
    call = Call(Transient("down"))

    def plain() -> Awaitable[int]:
        return call()

    assert await quickly(plain) == 2
