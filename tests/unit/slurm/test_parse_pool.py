"""What the login node and SLURM say about a pool of users, for the doctor."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.errors import Transient
from provider_daemon.slurm.parse_pool import Place, associations, coordinators, places

SITE = """Welcome to the site: be nice
user:c1:1001:/w/.provd-home
user:c2:1002:/w/.provd-home
home:/w/.provd-home:root:555
place:.:provd:711
place:.provd-leases:provd:700
place:c1:c1:700
"""


def test_users_homes_and_places() -> None:
    """Missing users and directories are missing here too; greetings are ignored."""
    found = places(SITE)
    assert found.users == {"c1": (1001, "/w/.provd-home"), "c2": (1002, "/w/.provd-home")}
    assert found.homes == {"/w/.provd-home": Place("root", 0o555)}
    assert found.places == {
        ".": Place("provd", 0o711),
        ".provd-leases": Place("provd", 0o700),
        "c1": Place("c1", 0o700),
    }


@given(st.text(alphabet="user:home:place.0123456789\n-x"))
def test_any_output_is_read(text: str) -> None:
    """No output of a login shell ends the doctor."""
    places(text)


def test_accounts() -> None:
    """As `sacctmgr -P` of SLURM 22.05.8 prints them."""
    table = "Cluster|User|Account\nlab|c1|provd\nlab|provdlab|provd\n\n"
    assert associations(table) == {("lab", "c1", "provd"), ("lab", "provdlab", "provd")}
    table = "Account|Coord Accounts\nprovd|provdlab,boss\n"
    assert coordinators(table, "provd") == {"provdlab", "boss"}
    assert coordinators(table, "other") == frozenset()
    with pytest.raises(Transient, match="no header"):
        coordinators("", "provd")
