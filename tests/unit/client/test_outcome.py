"""The exit status of `provd submit`."""

import pytest

from provider_daemon.client.outcome import Ended, Exit, exit_status
from provider_daemon.job.state import State


@pytest.mark.parametrize(
    ("ended", "status"),
    [
        (Ended(State.COMPLETED), 0),
        (Ended(State.FAILED, 3), 3),
        (Ended(State.FAILED, 137), 137),
        (Ended(State.FAILED, 0), Exit.NO_CODE),
        (Ended(State.FAILED, -1), Exit.NO_CODE),
        (Ended(State.FAILED, 256), Exit.NO_CODE),
        (Ended(State.FAILED, 1, ran=False), Exit.REFUSED),
        (Ended(State.CANCELLED), Exit.CANCELLED),
        (Ended(State.CANCELLED, ran=False), Exit.CANCELLED),
        (Ended(State.TIMEOUT, 137), Exit.TIMED_OUT),
        (Ended(State.RUNNING), Exit.UNKNOWN),
    ],
)
def test_statuses(ended: Ended, status: int) -> None:
    assert exit_status(ended) == status


def test_the_documented_numbers() -> None:
    """Scripts depend on them."""
    assert {each.name: each.value for each in Exit} == {
        "NOTHING": 2,
        "UNVERIFIED": 121,
        "REFUSED": 122,
        "CANCELLED": 123,
        "TIMED_OUT": 124,
        "UNKNOWN": 125,
        "NO_CODE": 126,
        "DETACHED": 130,
    }
