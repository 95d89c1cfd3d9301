"""What lasts is told once when it begins, and once when it is over."""

from provider_daemon.ongoing import CALM_SECONDS, REMIND_SECONDS, OngoingProblems


def test_told_once_while_it_lasts() -> None:
    """Of each subject by itself."""
    ongoing = OngoingProblems()
    assert ongoing.start("chain_halted", "chain-1", 100.0)
    assert not ongoing.start("chain_halted", "chain-1", 101.0)
    assert ongoing.start("chain_halted", "chain-2", 101.0)
    assert ongoing.lasting() == [("chain_halted", "chain-1"), ("chain_halted", "chain-2")]
    assert ongoing.clear("chain_halted", "chain-1")
    assert not ongoing.clear("chain_halted", "chain-1")
    assert ongoing.lasting() == [("chain_halted", "chain-2")]
    assert not ongoing.clear("chain_halted", "chain-3")


def test_what_comes_and_goes_is_told_once_a_while() -> None:
    """The metric shows each time; the log tells of a beginning once a while, and of an end only where it told
    of the beginning."""
    ongoing = OngoingProblems()
    assert ongoing.start("endpoint_unhealthy", "a:1", 100.0)
    assert ongoing.clear("endpoint_unhealthy", "a:1")
    assert not ongoing.start("endpoint_unhealthy", "a:1", 101.0)
    assert ongoing.lasting() == [("endpoint_unhealthy", "a:1")]
    assert not ongoing.clear("endpoint_unhealthy", "a:1")
    assert not ongoing.start("endpoint_unhealthy", "a:1", 102.0)
    assert ongoing.start("endpoint_unhealthy", "a:1", 100.0 + CALM_SECONDS)  # it lasts: told after all
    assert ongoing.clear("endpoint_unhealthy", "a:1")


def test_a_reminder_is_rare() -> None:
    """After ten minutes it is told again; also when the clock was set back, as nobody knows then how long it
    was."""
    ongoing = OngoingProblems()
    ongoing.start("wallet_empty", "ve1p", 1000.0)
    assert not ongoing.start("wallet_empty", "ve1p", 1000.0 + REMIND_SECONDS - 1)
    assert ongoing.start("wallet_empty", "ve1p", 1000.0 + REMIND_SECONDS)
    assert ongoing.start("wallet_empty", "ve1p", 500.0)
