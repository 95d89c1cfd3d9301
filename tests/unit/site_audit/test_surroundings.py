"""What the attacking job is told to try."""

import pytest

from provider_daemon.config.collector import CollectorConfig
from provider_daemon.errors import ConfigError
from provider_daemon.site_audit.surroundings import More, hosts, surroundings, target
from tests.unit.doctor.healthy import CONFIG

SETTINGS = {
    "SlurmctldHost[0]": "head(10.0.0.1)",
    "SlurmctldHost[1]": "spare",
    "SlurmctldPort": "6820-6830",
    "AccountingStorageHost": "db",
    "AccountingStoragePort": "6819",
    "AuthInfo": "socket=/srv/munge/socket,ttl=5",
    "StateSaveLocation": "/srv/state",
    "SlurmdSpoolDir": "/var/spool/slurmd/%n",
}
RESOLVED = {
    "10.0.0.1": "10.0.0.1",
    "spare": "10.0.0.2",
    "db": "127.0.0.1",
    "login": "10.0.0.3",
    "a": "9.9.9.9",
    "b": "10.9.9.9",
    "bmc": "10.1.0.1",
}
CLUSTER = CONFIG.clusters[0]


def test_addresses_of_slurm_the_login_and_the_chain() -> None:
    """slurmdbd on loopback counts to the loopback row. Only public endpoints are the internet."""
    more = More(management=("bmc:623", "unknown:1"))
    assert hosts(SETTINGS, CONFIG, CLUSTER, more) == {*RESOLVED, "unknown"}
    found = surroundings(SETTINGS, CONFIG, "/etc/provd/provd.toml", CLUSTER, more, RESOLVED, "/home/provd")
    assert found.targets == {
        "slurmctld": [("10.0.0.1", 6820), ("10.0.0.2", 6820)],
        "management": [("10.0.0.3", 22), ("10.1.0.1", 623)],
        "loopback": [("127.0.0.1", 6819)],
        "metadata": [("169.254.169.254", 80)],
        "internet": [("9.9.9.9", 9090)],
    }


def test_the_operators_internet() -> None:
    """An address that the operator names is tried, public or not."""
    more = More(internet=("b:443",))
    found = surroundings(SETTINGS, CONFIG, "/p", CLUSTER, more, RESOLVED, "/home/provd")
    assert found.targets["internet"] == [("10.9.9.9", 443)]


def test_files_of_provd_and_slurm() -> None:
    """Every secret that the configuration names. A path with SLURM's patterns is left out."""
    collector = CollectorConfig(url="https://provd.example.org:8444", key="/etc/provd/c.pem")
    config = CONFIG.model_copy(update={"collector": collector})
    found = surroundings(SETTINGS, config, "/etc/provd/provd.toml", CLUSTER, More(), RESOLVED, "/home/provd")
    secrets = {"/etc/provd/provd.toml", "/etc/provd/key", "/etc/provd/passphrase", "/etc/provd/id"}
    assert secrets | {CONFIG.ledger.path, "/srv/state"} <= set(found.daemon_paths)
    assert {"/etc/provd/c.pem", "/var/lib/provd-collector/agents.sqlite", "/var/lib/provd-agent"} <= set(
        found.daemon_paths
    )
    assert not any("%" in path for path in found.daemon_paths)
    assert found.writable_paths == (CLUSTER.work_root,)
    assert found.sockets[0] == "/srv/munge/socket"
    assert "/home/provd/.ssh" in found.login_paths


def test_a_cluster_without_ssh() -> None:
    local = CLUSTER.model_copy(update={"ssh": None, "transport": "local"})
    found = surroundings({}, CONFIG, "/p", local, More(), RESOLVED, "/home/provd")
    assert (found.targets["slurmctld"], found.targets["management"]) == ([], [])


@pytest.mark.parametrize("text", ["", "host", "host:0", "host:65536", "host:x", "ho st:1", "http://host:1"])
def test_an_invalid_address(text: str) -> None:
    with pytest.raises(ConfigError, match="must be host:port"):
        target(text)
    assert target("[2001:db8::1]:22") == ("2001:db8::1", 22)
