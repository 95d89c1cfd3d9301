"""What lasts is told once when it begins, and once when it is over."""

from provider_daemon.troubles import REMIND_SECONDS, Troubles


def test_told_once_while_it_lasts() -> None:
    """Of each subject by itself; a second time only when it is over and comes again."""
    troubles = Troubles()
    assert troubles.begins("chain_halted", "chain-1", 100.0)
    assert not troubles.begins("chain_halted", "chain-1", 101.0)
    assert troubles.begins("chain_halted", "chain-2", 101.0)
    assert troubles.lasting() == [("chain_halted", "chain-1"), ("chain_halted", "chain-2")]
    assert troubles.ends("chain_halted", "chain-1")
    assert not troubles.ends("chain_halted", "chain-1")
    assert troubles.lasting() == [("chain_halted", "chain-2")]
    assert troubles.begins("chain_halted", "chain-1", 102.0)


def test_a_reminder_is_rare() -> None:
    """After ten minutes it is told again; also when the clock was set back, as nobody knows then how long it was."""
    troubles = Troubles()
    troubles.begins("wallet_empty", "ve1p", 1000.0)
    assert not troubles.begins("wallet_empty", "ve1p", 1000.0 + REMIND_SECONDS - 1)
    assert troubles.begins("wallet_empty", "ve1p", 1000.0 + REMIND_SECONDS)
    assert troubles.begins("wallet_empty", "ve1p", 500.0)
