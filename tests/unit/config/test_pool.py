"""[clusters.pool]: which Unix users it names, and which pools are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.config.model import parse
from provider_daemon.config.pool_users import pool_users
from tests.unit.config.test_model import GOOD, SECOND, problems

POOL = '\n[clusters.pool]\nusers = ["provd-c[001-004]", "guest"]\n'
POOLED = GOOD + 'accounts = "pool"\naccount = "provd"\n' + POOL


def test_patterns_and_names() -> None:
    """A range keeps the width of its numbers; other names stand as they are."""
    cluster = parse(POOLED, "provd.toml").clusters[0]
    assert cluster.pool is not None
    assert pool_users(cluster.pool.users) == (
        "provd-c001",
        "provd-c002",
        "provd-c003",
        "provd-c004",
        "guest",
    )
    assert cluster.pool.login == "certificate"


@given(st.integers(0, 99), st.integers(0, 99))
def test_every_number_of_a_range_once(first: int, last: int) -> None:
    """A range that rises names as many users as it has numbers; any other is refused."""
    pattern = f"c[{first:02}-{last:02}]"
    if first > last:
        with pytest.raises(ValueError, match="must ascend"):
            pool_users([pattern])
    else:
        assert [int(user[1:]) for user in pool_users([pattern])] == list(range(first, last + 1))


@pytest.mark.parametrize(
    ("good", "bad", "expected"),
    [
        (POOL, "", "accounts 'pool' requires a [clusters.pool] table"),
        ('account = "provd"\n', "", "clusters[0].account: is required with a pool"),
        ("[001-004]", "[004-001]", "the range must ascend"),
        ("[001-004]", "[1-004]", "the same number of digits"),
        ('"guest"', '"provd-c002"', "'provd-c002' is listed twice"),
        ('"guest"', '"Guest;x"', "must be a user name of a-z"),
        ('"guest"', f'"{"g" * 40}"', "has more than 31 characters"),
    ],
)
def test_pools_that_are_refused(good: str, bad: str, expected: str) -> None:
    """Each mistake is one line that names its key."""
    assert good in POOLED
    assert expected in "\n".join(problems(POOLED.replace(good, bad)))


def test_a_pool_stays_configured_for_the_jobs_in_it() -> None:
    """When new jobs run as the shared user again, those in flight still need their users."""
    cluster = parse(POOLED.replace('accounts = "pool"\n', ""), "provd.toml").clusters[0]
    assert (cluster.accounts, cluster.pool is not None) == ("shared", True)


def test_a_user_belongs_to_one_pool() -> None:
    """Two clusters may be two names of one site: a user in both pools could serve two customers at a time."""
    second = SECOND.replace('region = "eu"', 'region = "eu"\naccounts = "pool"\naccount = "provd"')
    (line,) = problems(POOLED + second + '\n[clusters.pool]\nusers = ["other", "guest"]\n')
    assert "clusters[1].pool.users: 'guest' is also in the pool of HPC-1" in line


def test_the_login_for_queries_is_no_customers() -> None:
    """The coordinator may cancel everybody's jobs."""
    second = SECOND.replace('region = "eu"', 'region = "eu"\naccounts = "pool"\naccount = "provd"')
    (line,) = problems(GOOD + second + '\n[clusters.pool]\nusers = ["provd"]\n')
    assert "'provd' is clusters.ssh.user" in line
