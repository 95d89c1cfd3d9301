"""What a day costs, by a site's size."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from provider_daemon.cli.app import app
from provider_daemon.config.model import default_toml
from provider_daemon.planning.gas import NODE_GAS, TX_GAS
from provider_daemon.planning.plan import TX_MESSAGES, Figure, Load, Pace, figures, too_much

PACE = Pace(poll=5, heartbeat=30, chain_poll=2, block=6, gas_price=0.025)


def by_name(load: Load, pace: Pace = PACE) -> dict[str, Figure]:
    return {figure.what: figure for figure in figures(load, pace, "uve")}


def test_two_idle_nodes() -> None:
    """Nothing but their heartbeats, each 90 s: 960 transactions, for both nodes together."""
    found = by_name(Load(nodes=2, jobs=0))
    assert found["transactions"].a_day == 960
    assert found["fees"].a_day == pytest.approx(960 * (TX_GAS + 2 * NODE_GAS) * 1.2 * 0.025)
    assert found["ledger growth"].a_day == found["sbatch"].a_day == found["sacct"].a_day == 0


@given(st.integers(0, 5000), st.integers(0, 100_000), st.floats(1, 50), st.floats(0, 48), st.floats(0.1, 30))
def test_bounds(nodes: int, jobs: int, wide: float, hours: float, block: float) -> None:
    """More work never costs less, no transaction is fuller than full, and no node is reported more often
    than it is polled."""
    load, pace = Load(nodes, jobs, wide, hours), Pace(5, 30, 2, block, 0.025)
    found = by_name(load, pace)
    messages = found["node heartbeats"].a_day + found["reports"].a_day
    assert found["transactions"].a_day * TX_MESSAGES >= messages * 0.999
    assert found["transactions"].a_day <= messages
    assert found["node heartbeats"].a_day <= nodes * 2880
    more = by_name(Load(nodes + 1, jobs + 1, wide, hours), pace)
    for name in ("gas used", "fees", "ledger growth", "sbatch"):
        assert more[name].a_day >= found[name].a_day


def test_what_one_key_cannot_report() -> None:
    assert too_much(Load(500, 20_000), PACE) == ""
    assert "one key sends at most 1080000 messages a day" in too_much(Load(500, 400_000), PACE)


def test_command(tmp_path: Path) -> None:
    """It uses the site's own intervals; exit status 1 if one key is not enough."""
    config = tmp_path / "provd.toml"
    config.write_text(default_toml().replace("heartbeat_seconds = 30", "heartbeat_seconds = 45"))
    words = ["plan", "--nodes", "500", "--jobs-per-day", "20000", "-c", str(config)]
    text = CliRunner().invoke(app, words)
    assert (text.exit_code, max(map(len, text.output.splitlines())) <= 80) == (0, True)
    document = json.loads(CliRunner().invoke(app, [*words, "-o", "json"]).output)
    polls = {row["what"]: row["a_day"] for row in document["figures"]}
    assert (polls["scontrol show node"], document["problem"]) == (1920, "")
    words[4] = "4000000"
    crowded = CliRunner().invoke(app, words)
    assert crowded.exit_code == 1
    assert crowded.stderr.startswith("provd: one key sends at most ")
