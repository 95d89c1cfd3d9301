"""What the processes would refuse, or serve in the wrong place, is refused with its line."""

import pytest

from provider_daemon.config.model import parse
from provider_daemon.errors import ConfigError
from tests.unit.config.test_model import GOOD, problems

GATEWAY = (
    GOOD
    + """
[gateway]
url = "https://gateway.example.org"
"""
)
LINE = GATEWAY.count("\n")


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (
            'listen = "0.0.0.0:8443"',
            f"provd.toml:{LINE + 1}: gateway.listen: 0.0.0.0:8443 would serve plain HTTP",
        ),
        ('listen = "gateway.example.org:443"', "would serve plain HTTP to other hosts"),
        ('listen = "[::]:8443"', "would serve plain HTTP"),
        ('certificate = "/c.pem"', f"provd.toml:{LINE + 1}: gateway.certificate: set both"),
        ('listen = "0.0.0.0:443"\nkey = "/k.pem"', f"provd.toml:{LINE + 2}: gateway.key: set both"),
        ("uploads_gb = 10", "gateway.uploads_gb: uploads_gb_per_customer (20) exceeds uploads_gb (10)"),
        ("uploads_gb_per_customer = 101", "gateway.uploads_gb_per_customer: uploads_gb_per_customer (101)"),
        (
            'metrics_listen = "127.0.0.1:8443"',
            "gateway.metrics_listen: 127.0.0.1:8443 is already used by gateway.listen",
        ),
        ('metrics_listen = "localhost:9464"', "127.0.0.1:9464 is already used by metrics.listen"),
        (
            '[data]\nmetrics_listen = "127.0.0.1:9465"',
            "127.0.0.1:9465 is already used by gateway.metrics_listen",
        ),
    ],
)
def test_what_the_processes_would_refuse(more: str, expected: str) -> None:
    (line,) = problems(f"{GATEWAY}{more}\n")
    assert expected in line


@pytest.mark.parametrize(
    "url", ["http://gateway.example.org", "http://192.0.2.1:8443", "http://[::1", "http://0.0.0.0"]
)
def test_a_login_is_never_sent_unencrypted(url: str) -> None:
    """Clients refuse http:// to other hosts, so a gateway of that address has no customers."""
    (line,) = problems(GATEWAY.replace("https://gateway.example.org", url))
    assert line.startswith(f"provd.toml:{LINE}: gateway.url: ")


@pytest.mark.parametrize(
    "more",
    [
        'listen = "127.0.0.1:1"',
        'listen = "[::1]:1"',
        'listen = "localhost:1"',
        'listen = "127.9.9.9:1"',
        'listen = "0.0.0.0:443"\ncertificate = "/c.pem"\nkey = "/k.pem"',
        'listen = "127.0.0.1:0"\nmetrics_listen = "127.0.0.1:0"\n[data]\nmetrics_listen = "127.0.0.1:0"',
        "uploads_gb = 20",
    ],
)
def test_what_can_be_served(more: str) -> None:
    """A reverse proxy on this host may end TLS; a test may leave the ports to the system."""
    assert parse(f"{GATEWAY}{more}\n", "provd.toml").gateway


COLLECTOR = f'{GOOD}\n[collector]\nurl = "https://provd.example.org:8444"\n'


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ('listen = "0.0.0.0:8444"', "collector.listen: 0.0.0.0:8444 would serve plain HTTP"),
        ('certificate = "/c.pem"', "collector.certificate: set both"),
        (
            'metrics_listen = "127.0.0.1:9464"',
            "127.0.0.1:9464 is already used by metrics.listen",
        ),
        ("heartbeat_seconds = 5", "collector.heartbeat_seconds: "),
        ("heartbeat_seconds = 121", "collector.heartbeat_seconds: "),
        ('path = "agents.sqlite"', "collector.path: must be an absolute path"),
    ],
)
def test_what_the_collector_would_refuse(more: str, expected: str) -> None:
    (line,) = problems(f"{COLLECTOR}{more}\n")
    assert expected in line


def test_a_token_is_never_sent_unencrypted() -> None:
    (line,) = problems(COLLECTOR.replace("https://", "http://"))
    assert line.endswith("clients send no registration token over http:// to other hosts")


def test_plain_http_on_this_machine() -> None:
    """As in the demo."""
    for host in ("127.0.0.1:8443", "localhost", "[::1]:8443"):
        assert parse(GATEWAY.replace("https://gateway.example.org", f"http://{host}"), "f").gateway


def test_values_of_wrong_types_are_one_error_each() -> None:
    """The checks between keys leave them to the model."""
    with pytest.raises(ConfigError) as caught:
        parse(GOOD + "gateway = 3\n", "f")
    assert len(caught.value.problems) == 1
    text = "listen = 1\nuploads_gb = true\nmetrics_listen = []\ncertificate = 7\n"
    assert all(": gateway." in line for line in problems(GATEWAY + text))
