"""`provd gateway`."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from provider_daemon.cli.app import app
from provider_daemon.config.model import default_toml
from provider_daemon.errors import ConfigError


@pytest.mark.parametrize(
    ("section", "error"),
    [
        ("", "gateway.url"),
        ('[gateway]\nurl = "https://gw.example.org"\nlisten = "0.0.0.0:8443"\n', "would serve plain HTTP"),
        ('[gateway]\nurl = "https://gw.example.org"\nkey = "/k.pem"\n', "gateway.key: set both"),
    ],
)
def test_a_configuration_that_cannot_be_served(tmp_path: Path, section: str, error: str) -> None:
    """A usage error that names the key, before anything is opened."""
    file = tmp_path / "provd.toml"
    file.write_text(default_toml() + section)
    result = CliRunner().invoke(app, ["gateway", "-c", str(file)])
    assert isinstance(result.exception, ConfigError)
    assert error in str(result.exception)
