"""The real daemon under a real Prometheus.

The series that alerts, rules, boards and docs name are exactly those that are scraped.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from tests.observe import threeway
from tests.observe.prometheus import Prometheus
from tests.observe.stage import WAIT_SECONDS, play, simulated_site, stage
from tests.observe.threeway import Differences, differences
from tests.waiting import until

NOWHERE = "127.0.0.1:1"  # an endpoint without a server
CHAIN_GONE = {"ProvdChainUnreachable", "ProvdEndpointUnhealthy", "ProvdLoopFailing"}
NONE = Differences([], [], [], [], [], [], [])


async def nothing(prometheus: Prometheus, expression: str) -> bool:
    """Reports whether no series has a value for it now."""
    return not (await prometheus.api("query", query=expression))["result"]


async def fire(prometheus: Prometheus, names: set[str]) -> bool:
    """Reports whether exactly these fire."""
    return await prometheus.fires() == names


async def test_no_series_is_only_a_promise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All series exist after finished jobs and a halted chain, and an invented one is found.

    Then the chain stops: its series are absent, and its alerts fire, in the copy with the shorter times, and
    no other.
    """
    async with stage(tmp_path, await simulated_site(), NOWHERE) as made:
        await play(made)
        assert await differences(made.prometheus) == NONE
        planted = [
            ("one", "rate(provd_nobody_total[5m])"),
            ("two", "sum(provd_jobs"),
            ("three", 'provd_jobs{state="asleep"}'),
        ]
        monkeypatch.setattr(threeway, "expressions", lambda: planted)
        monkeypatch.setattr(threeway, "named_in_docs", lambda: {"page.md": {"provd_dream", "provd_jobs"}})
        documented = threeway.documented_families() - {"provd_jobs"}
        monkeypatch.setattr(threeway, "documented_families", lambda: documented)
        found = await differences(made.prometheus)
        made.devnet.stop()
        await until(
            "what is asked of a chain that is gone is absent",
            partial(nothing, made.prometheus, "provd_chain_height"),
            WAIT_SECONDS,
        )
        assert not await nothing(made.prometheus, "provd_slurm_rpcs_total")
        await until(
            "the alerts of a chain that is gone fire",
            partial(fire, made.prometheus, CHAIN_GONE),
            WAIT_SECONDS,
        )
    assert found == replace(
        NONE,
        used_and_not_emitted=["provd_nobody_total"],
        documented_and_not_emitted=["provd_dream"],
        emitted_and_not_documented=["provd_jobs"],
        selectors_that_match_nothing=['provd_jobs{state="asleep"}', "provd_nobody_total"],
        expressions_that_do_not_evaluate=["two"],
    )
