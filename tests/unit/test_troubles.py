"""What lasts is told once when it begins, and once when it is over."""

from provider_daemon.troubles import CALM_SECONDS, REMIND_SECONDS, Troubles


def test_told_once_while_it_lasts() -> None:
    """Of each subject by itself."""
    troubles = Troubles()
    assert troubles.begins("chain_halted", "chain-1", 100.0)
    assert not troubles.begins("chain_halted", "chain-1", 101.0)
    assert troubles.begins("chain_halted", "chain-2", 101.0)
    assert troubles.lasting() == [("chain_halted", "chain-1"), ("chain_halted", "chain-2")]
    assert troubles.ends("chain_halted", "chain-1")
    assert not troubles.ends("chain_halted", "chain-1")
    assert troubles.lasting() == [("chain_halted", "chain-2")]
    assert not troubles.ends("chain_halted", "chain-3")


def test_what_comes_and_goes_is_told_once_a_while() -> None:
    """The metric shows each time; the log tells of a beginning once a while, and of an end only where it told of the beginning."""
    troubles = Troubles()
    assert troubles.begins("endpoint_unhealthy", "a:1", 100.0)
    assert troubles.ends("endpoint_unhealthy", "a:1")
    assert not troubles.begins("endpoint_unhealthy", "a:1", 101.0)
    assert troubles.lasting() == [("endpoint_unhealthy", "a:1")]
    assert not troubles.ends("endpoint_unhealthy", "a:1")
    assert not troubles.begins("endpoint_unhealthy", "a:1", 102.0)
    assert troubles.begins("endpoint_unhealthy", "a:1", 100.0 + CALM_SECONDS)  # it lasts: told after all
    assert troubles.ends("endpoint_unhealthy", "a:1")


def test_a_reminder_is_rare() -> None:
    """After ten minutes it is told again; also when the clock was set back, as nobody knows then how long it was."""
    troubles = Troubles()
    troubles.begins("wallet_empty", "ve1p", 1000.0)
    assert not troubles.begins("wallet_empty", "ve1p", 1000.0 + REMIND_SECONDS - 1)
    assert troubles.begins("wallet_empty", "ve1p", 1000.0 + REMIND_SECONDS)
    assert troubles.begins("wallet_empty", "ve1p", 500.0)
