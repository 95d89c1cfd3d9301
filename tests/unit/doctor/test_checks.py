"""Every check: green where all is well, and red alone where exactly its thing is broken."""

import re
from collections import Counter
from dataclasses import replace

import pytest

from provider_daemon.doctor.facts import DataFacts, Scene
from provider_daemon.doctor.finding import CheckOutcome, Finding, Unknown
from provider_daemon.doctor.registry import CHECKS, NAMES, chosen, examine
from tests.unit.doctor.broken import BROKEN, behind, no_controller, no_way
from tests.unit.doctor.healthy import POOL, SCENE, cluster, host, key, setting, site, slurm, ssh

CASES = [(name, outcome, scene) for name, cases in BROKEN.items() for outcome, scene in cases]


def red(scene: Scene) -> dict[str, CheckOutcome]:
    return {
        row.check.name: row.finding.outcome
        for row in examine(scene)
        if row.finding.outcome in (CheckOutcome.FAIL, CheckOutcome.WARN)
    }


def finding(scene: Scene, name: str) -> Finding:
    return next(row.finding for row in examine(scene) if row.check.name == name)


def test_all_green() -> None:
    """With everything as it should be, every check says ok, with what it saw and nothing to do."""
    rows = list(examine(SCENE))
    assert len(rows) == len(CHECKS) >= 25
    for row in rows:
        assert (row.finding.outcome, row.finding.todo, row.finding.cause) == (CheckOutcome.OK, "", ""), row
        assert row.finding.seen


def test_every_check_has_a_fixture_that_breaks_it() -> None:
    assert set(BROKEN) == NAMES


def test_names() -> None:
    """Each once, beginning with its section."""
    assert [name for name, number in Counter(check.name for check in CHECKS).items() if number > 1] == []
    assert all(re.fullmatch(rf"{check.section}-[a-z0-9-]+", check.name) for check in CHECKS)


@pytest.mark.parametrize(
    ("name", "outcome", "scene"), CASES, ids=[f"{name}-{outcome}" for name, outcome, _ in CASES]
)
def test_exactly_its_check_is_red(name: str, outcome: CheckOutcome, scene: Scene) -> None:
    """One thing broken: its check is as red as it should be, all others are ok, or skipped because of it."""
    assert red(scene) == {name: outcome}
    for row in examine(scene):
        if row.check.name == name:
            assert row.finding.todo
            assert "\n" not in row.finding.seen + row.finding.todo
        elif row.finding.outcome is CheckOutcome.SKIPPED:
            assert row.finding.cause == name, row


def test_a_fact_that_is_missing_by_itself_is_red() -> None:
    """What could not be looked at, for no reason that another check tells, never counts as good."""
    assert red(slurm(work_root=Unknown("no answer within 9 s"))) == dict.fromkeys(
        ("slurm-work-root", "slurm-work-root-shared", "slurm-work-root-space"), CheckOutcome.FAIL
    )


def test_an_answer_that_cannot_be_read_is_red() -> None:
    assert red(setting("MinJobAge", "soon")) == {"slurm-min-job-age": CheckOutcome.FAIL}
    assert "'soon'" in finding(setting("MinJobAge", "soon"), "slurm-min-job-age").seen


def test_without_systemd() -> None:
    """A host without systemd skips what needs it, and nothing is to cause."""
    scene = host(unit=Unknown("this host does not run systemd"))
    assert red(scene) == {}
    assert finding(scene, "host-watchdog") == Finding(CheckOutcome.SKIPPED, "this host does not run systemd")


def test_without_the_other_processes() -> None:
    """None is required: every check of theirs is skipped, with the section that is missing."""
    scene = replace(SCENE, data=DataFacts(None, None, None))
    assert red(scene) == {}
    found = [row.finding for row in examine(scene) if row.check.section == "data"]
    assert {each.outcome for each in found} == {CheckOutcome.SKIPPED}
    assert {each.seen.split()[-1] for each in found} == {"[gateway]", "[data]", "[collector]"}


def test_without_ssh() -> None:
    """A daemon on the login node itself has no SSH to look at."""
    scene = site(ssh=None)
    assert red(scene) == {}
    assert finding(scene, "ssh-sessions").outcome is CheckOutcome.SKIPPED


def test_what_the_service_alone_can_read() -> None:
    """A systemd credential cannot be read by a command: the owner of its cluster on chain stands for it."""
    scene = replace(site(address=behind("account-key")), keys=key(derived=True).keys)
    assert red(scene) == {}
    assert "only the service can read the key" in finding(scene, "account-key").seen
    assert finding(scene, "market-owner").outcome is CheckOutcome.SKIPPED


def test_a_package_that_carries_the_repairs() -> None:
    """A distribution's package keeps the version number; what its changelog names is repaired. Not for
    commands of another version."""
    old = {**SCENE.sites[0].slurm.settings, "SLURM_VERSION": "22.05.8"}  # type: ignore[dict-item]
    patched = frozenset(
        {
            "CVE-2023-41914",
            "CVE-2023-49933",
            "CVE-2023-49936",
            "CVE-2023-49937",
            "CVE-2023-49938",
            "CVE-2025-43904",
        }
    )
    found = finding(slurm(settings=old, version="22.05.8", mended=patched), "slurm-vulnerabilities")
    assert (found.outcome, found.seen.split()[0]) == (CheckOutcome.WARN, "8")
    found = finding(slurm(settings=old, version="22.05.7", mended=patched), "slurm-vulnerabilities")
    assert (found.outcome, found.seen.split()[0], found.todo) == (
        CheckOutcome.FAIL,
        "14",
        "upgrade SLURM to 22.05.11 or newer",
    )


def test_a_vulnerability_that_needs_a_switch() -> None:
    """CVE-2024-42511 is told only where that interconnect is used."""
    for switch, told in (("switch/hpe_slingshot", True), ("switch/none", False)):
        scene = slurm(
            version="24.05.1",
            settings={**SCENE.sites[0].slurm.settings, "SLURM_VERSION": "24.05.1", "SwitchType": switch},  # type: ignore[dict-item]
        )
        assert ("CVE-2024-42511" in finding(scene, "slurm-vulnerabilities").seen) is told


def test_more_than_one_cluster() -> None:
    """Each cluster has rows of its own under its name."""
    other = cluster(name="beta").sites[0]
    rows = [
        row
        for row in examine(replace(SCENE, sites=(SCENE.sites[0], other)))
        if row.check.name == "slurm-nodes"
    ]
    assert [row.subject for row in rows] == ["alpha", "beta"]


@pytest.mark.parametrize(
    "scene", [no_controller(), no_way("ssh-login", login=Unknown("refused")), ssh(key_mode=0o100644)]
)
def test_only(scene: Scene) -> None:
    """`--only` shows the check, and beside one that was skipped the check that tells why."""
    rows = chosen(list(examine(scene)), ["slurm-nodes"])
    cause = finding(scene, "slurm-nodes").cause
    assert {row.check.name for row in rows} == {"slurm-nodes", *([cause] if cause else [])}
    assert len(chosen(list(examine(scene)), [])) == len(CHECKS)


def test_shared_accounts_have_no_users_to_check() -> None:
    """The checks of users are skipped, and the line says what shared accounts mean."""
    shared = site(pool=None)
    found = [row.finding for row in examine(shared) if row.check.section == "users"]
    assert {each.outcome for each in found} == {CheckOutcome.SKIPPED}
    assert all("not separated by Unix users" in each.seen for each in found)


def test_hidden_jobs_are_named() -> None:
    """Where PrivateData hides jobs from a login that is not a coordinator, the check says so."""
    scene = setting("PrivateData", "jobs,usage")
    lost = replace(POOL, coordinators=frozenset[str]())
    scene = replace(scene, sites=(replace(scene.sites[0], pool=lost),))
    assert "PrivateData hides" in finding(scene, "users-coordinator").seen
