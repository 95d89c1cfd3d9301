"""What is left of a chain's error text: the reason alone. The texts are verbatim."""

import pytest

from provider_daemon.chain.reason import reason
from provider_daemon.chain.tx import block_gas, failed_message_index

GAS = "With gas wanted: '0' and gas used: "


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            "account sequence mismatch, expected 1471614, got 1471613: incorrect account sequence "
            f"[cosmos/cosmos-sdk@v0.45.17/x/auth/ante/sigverify.go:264] {GAS}'5043313'",
            "account sequence mismatch, expected 1471614, got 1471613: incorrect account sequence",
        ),
        (
            "rpc error: code = Unknown desc = rpc error: code = Unknown desc = failed to execute "
            "message; message index: 0: Name has been taken (name fred): execute wasm contract failed "
            f"[CosmWasm/wasmd/x/wasm/keeper/keeper.go:364] {GAS}'123809' : unknown request",
            (
                "failed to execute message; message index: 0: Name has been taken (name fred): execute "
                "wasm contract failed"
            ),
        ),
        (
            "failed to execute message; message index: 0: client state type 07-tendermint is not "
            "registered in the allowlist: invalid "
            f"client type [cosmos/ibc-go/v3@v3.0.0/modules/core/02-client/keeper/client.go:22] {GAS}'64671' ",
            "failed to execute message; message index: 0: client state type 07-tendermint is not "
            "registered in the allowlist: invalid client type",
        ),
        (
            "failed to execute message; message index: 2: JOB-7: invalid job state transition "
            "[!cosm!ossdk.io/errors@v1.0.2/errors.go:151] with gas used: '46170'",
            "failed to execute message; message index: 2: JOB-7: invalid job state transition",
        ),
        ("", ""),
        ("tx not found: ABC", "tx not found: ABC"),
        ("job [a b] has no queue [x.go]", "job [a b] has no queue [x.go]"),
    ],
)
def test_the_reason_alone(text: str, wanted: str) -> None:
    assert reason(text) == wanted


def test_what_branches_read_stays() -> None:
    """The failing message's index, and a block's ceiling on gas."""
    assert (
        failed_message_index(reason(f"failed to execute message; message index: 3: x [a/b.go:1] {GAS}'5'"))
        == 3
    )
    assert (
        block_gas(
            reason(f"tx gas limit 9 exceeds block max gas 4000000: invalid gas limit [a/b.go:1] {GAS}'5'")
        )
        == 4_000_000
    )
