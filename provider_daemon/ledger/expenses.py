"""What a key paid."""

from provider_daemon.ledger.ledger import Ledger


def fees_since(ledger: Ledger, signer: str, since: float) -> int:
    """Fees of its transactions made at or after `since` (seconds) that are in a block, failed ones too, in the fee denom."""
    row = ledger._one("fees_since", signer=signer, since=since)
    assert row is not None
    return int(row["fees"])
