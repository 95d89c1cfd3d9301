"""Known vulnerabilities of SLURM, and the first fixed maintenance release of each branch. Pure.

Sources: SchedMD's CHANGELOG/slurm-YY.MM.md of 22.05 to 24.11 (each fix names its CVE); NVD's affected
versions of CVE-2025-43904 and CVE-2024-48936; SchedMD's release notes of 26.05.4, 25.11.8 and 25.05.9 (2
September 2026), and AWS ParallelCluster's advisory on them (issue 7601), by which every earlier version is
affected.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from provider_daemon.slurm.parse_config import release


@dataclass(frozen=True, slots=True)
class Vulnerability:
    """`fixed` maps a branch to its first fixed maintenance release, None if there is none.

    Branches that are not listed are not affected. `switch` is the required value of SwitchType, "" for any
    site.
    """

    cve: str
    what: str
    fixed: dict[str, int | None]
    switch: str = ""


_OLD = ("22.05", "23.02", "23.11", "24.05", "24.11")
_IN_2026: dict[str, int | None] = {**dict.fromkeys(_OLD), "25.05": 9, "25.11": 8, "26.05": 4}

VULNERABILITIES = (
    Vulnerability("CVE-2023-41914", "a user can take ownership of any file", {"22.05": 10, "23.02": 6}),
    Vulnerability(
        "CVE-2023-49933",
        "message content can be modified despite its hash",
        {"22.05": 11, "23.02": 7, "23.11": 1},
    ),
    Vulnerability("CVE-2023-49934", "SQL injection in slurmdbd", {"23.11": 1}),
    Vulnerability("CVE-2023-49935", "root's MUNGE tokens can be reused", {"23.02": 7, "23.11": 1}),
    Vulnerability(
        "CVE-2023-49936", "a crafted message crashes a daemon", {"22.05": 11, "23.02": 7, "23.11": 1}
    ),
    Vulnerability("CVE-2023-49937", "a double free in slurmctld", {"22.05": 11, "23.02": 7, "23.11": 1}),
    Vulnerability("CVE-2023-49938", "sbcast opens files with the wrong groups", {"22.05": 11, "23.02": 7}),
    Vulnerability(
        "CVE-2024-42511",
        "access to other users' network identifiers",
        {"23.02": 8, "23.11": 9, "24.05": 2},
        switch="switch/hpe_slingshot",
    ),
    Vulnerability("CVE-2024-48936", "stepmgr lets a user run processes in other users' jobs", {"24.05": 4}),
    Vulnerability(
        "CVE-2025-43904",
        "a coordinator can promote a user to administrator",
        {"22.05": None, "23.02": None, "23.11": 11, "24.05": 8, "24.11": 5},
    ),
    Vulnerability("CVE-2026-65107", "sbcast does not check its credential", _IN_2026),
    Vulnerability("CVE-2026-65108", "a job's environment overflows slurmstepd's stack", _IN_2026),
    Vulnerability("CVE-2026-65109", "slurmstepd removes files outside its spool", _IN_2026),
    Vulnerability("CVE-2026-65138", "slurmd reads past the end of a message", _IN_2026),
    Vulnerability("CVE-2026-65139", "unescaped values in accounting database queries", _IN_2026),
    Vulnerability("CVE-2026-65140", "an operator can modify administrators", _IN_2026),
    Vulnerability("CVE-2026-65165", "steps with an arbitrary distribution are counted wrongly", _IN_2026),
    Vulnerability(
        "CVE-2026-65168", "see the release notes of 25.11.8", {**dict.fromkeys(_OLD), "25.05": 9, "25.11": 8}
    ),
)


def of(version: str, switch: str, mended: Iterable[str]) -> tuple[Vulnerability, ...]:
    """Returns the vulnerabilities of a version.

    `switch` is the site's SwitchType; `mended` are the CVEs that the site's package fixed on its own.
    """
    branch, number = release(version)
    patched = frozenset(mended)
    return tuple(
        each
        for each in VULNERABILITIES
        if branch in each.fixed
        and _before(number, each.fixed[branch])
        and each.cve not in patched
        and each.switch in ("", switch)
    )


def _before(number: int, good: int | None) -> bool:
    return good is None or number < good
