"""Which heights can be true, and that one endpoint's claim says nothing about another endpoint."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.chain.heights import AHEAD_BLOCKS, RELEARN_SECONDS, STALLED_SECONDS, Claim, Heights
from provider_daemon.ports import EndpointState

NOW = 1_800_000_000.0
GOOD, BACK, IMPLAUSIBLE = (
    EndpointState.HEALTHY,
    EndpointState.HEIGHT_DECREASED,
    EndpointState.IMPLAUSIBLE_HEIGHT,
)

Verdicts = dict[str, EndpointState]


class Looks:
    """Looks at endpoints `a`, `b`, `c`, ... as many seconds apart as each look says. None: the endpoint does
    not answer."""

    def __init__(self, endpoints: int) -> None:
        self.heights, self.endpoints, self.now = Heights(), endpoints, NOW

    def look(self, *heights: int | None, after: float = 5.0) -> Verdicts:
        self.now += after
        claims = {
            name: Claim(height, self.now, self.now)
            for name, height in zip("abcde", heights, strict=False)
            if height is not None
        }
        return self.heights.judge(claims, set(claims), self.endpoints, self.now)


@pytest.mark.parametrize("lie", [1_000_000, 50, -40])
def test_a_liar_from_the_start(lie: int) -> None:
    """A fresh daemon with a liar listed first takes the height of the two honest endpoints at the first
    look."""
    looks = Looks(3)
    assert looks.look(100 + lie, 100, 100) == {"a": IMPLAUSIBLE if lie > 0 else BACK, "b": GOOD, "c": GOOD}
    assert looks.heights.height == 100


def test_a_liar_that_answers_first() -> None:
    """What it made us accept while it was alone is corrected at once when the others answer."""
    looks = Looks(3)
    looks.look(1_000_100, None, None)
    assert looks.look(1_000_105, 105, 105) == {"a": IMPLAUSIBLE, "b": GOOD, "c": GOOD}
    assert looks.heights.height == 105


def test_the_truth_returns() -> None:
    """An endpoint that stops lying is healthy again at its next look."""
    looks = Looks(3)
    looks.look(1_000_100, 100, 100)
    assert looks.look(105, 105, 105) == {"a": GOOD, "b": GOOD, "c": GOOD}


def test_the_only_endpoint_lies_for_a_while() -> None:
    """A jump that no chain makes is not accepted, so the true height after it is no step back."""
    looks = Looks(1)
    for height in range(100, 110):
        assert looks.look(height) == {"a": GOOD}
    assert looks.look(1_000_110) == {"a": IMPLAUSIBLE}
    assert looks.look(111) == {"a": GOOD}
    assert looks.heights.height == 111


def test_the_only_endpoint_lied_from_the_start() -> None:
    """Where only one is configured its word is all there is; the truth after it is accepted when it kept
    growing, without a restart."""
    looks = Looks(1)
    looks.look(1_000_000)
    verdicts = [looks.look(height) for height in range(100, 100 + int(RELEARN_SECONDS // 5) + 3)]
    assert verdicts[0] == {"a": BACK}
    assert verdicts[-1] == {"a": GOOD}
    assert looks.heights.height < 1_000


def test_an_endpoint_that_stands_still_below() -> None:
    """One that serves an old height and does not grow is never taken for the chain."""
    looks = Looks(1)
    looks.look(100)
    assert all(looks.look(40) == {"a": BACK} for _ in range(100))


def test_two_endpoints() -> None:
    """Of two, the one whose growth is possible is healthy, and a jump makes the other one's height no
    worse."""
    looks = Looks(2)
    for height in range(100, 110):
        looks.look(height, height)
    assert looks.look(1_000_000, 110) == {"a": IMPLAUSIBLE, "b": GOOD}
    assert looks.look(109, 115, after=30) == {"a": BACK, "b": GOOD}


def test_two_of_three_stand_still() -> None:
    """A majority that no block reaches any more gives way to an endpoint that goes on, after a while."""
    looks = Looks(3)
    looks.look(100, 100, 100)
    for step in range(1, int(STALLED_SECONDS // 5) + 4):
        last = looks.look(100, 100, 100 + step * 3)
    assert last == {"a": BACK, "b": BACK, "c": GOOD}


def test_a_halted_chain_goes_on() -> None:
    """However long there was no block, the next ones are accepted, and a leap is not."""
    looks = Looks(3)
    for height in range(100, 110):
        looks.look(height, height, height)
    for _ in range(100):
        assert looks.look(109, 109, 109, after=60) == {"a": GOOD, "b": GOOD, "c": GOOD}
    assert looks.look(110, 110, 109) == {"a": GOOD, "b": GOOD, "c": GOOD}


def test_nobody_answered_for_an_hour() -> None:
    """As many blocks are accepted as an hour can have."""
    looks = Looks(1)
    for height in range(100, 110):
        looks.look(height)
    assert looks.look(110 + 720, after=3600) == {"a": GOOD}


@pytest.mark.parametrize("endpoints", [1, 2, 3])
def test_a_pace_that_lagging_nodes_showed(endpoints: int) -> None:
    """However slowly heights grew while every endpoint lagged, the chain's own pace is possible
    afterwards."""
    looks = Looks(endpoints)
    for _ in range(12):
        looks.look(*[9] * endpoints)
    looks.look(*[10] * endpoints)
    assert looks.look(*[40] * endpoints) == dict.fromkeys("abc"[:endpoints], GOOD)
    for height in range(41, 60):
        assert looks.look(*[height] * endpoints) == dict.fromkeys("abc"[:endpoints], GOOD)


def test_two_endpoints_agree_after_a_leap() -> None:
    """What both of two have reached is the height, even where it grew faster than seemed possible."""
    looks = Looks(2)
    looks.look(100, 100)
    assert looks.look(100_000, 100_001) == {"a": GOOD, "b": GOOD}


@given(
    lies=st.lists(st.one_of(st.none(), st.integers(0, 10**7)), min_size=1, max_size=40),
    seconds=st.lists(st.floats(0.5, 90), min_size=40, max_size=40),
    place=st.integers(0, 2),
)
def test_no_lie_of_one_moves_three(lies: list[int | None], seconds: list[float], place: int) -> None:
    """Whatever one of three says, whenever: the two honest ones stay healthy, and the common height is
    theirs."""
    looks, height = Looks(3), 1_000
    for lie, wait in zip(lies, seconds, strict=False):
        height += int(wait // 5)
        said: list[int | None] = [height, height]
        said.insert(place, lie)
        verdicts = looks.look(*said, after=wait)
        assert [problem for name, problem in verdicts.items() if name != "abc"[place]] == [GOOD, GOOD]
        assert height <= looks.heights.height <= height + AHEAD_BLOCKS
