"""agent.toml: what it may say, and that all that is wrong is reported together."""

import json
import re
from dataclasses import fields

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provider_daemon.agent import config
from provider_daemon.agent.config import AgentSettings
from provider_daemon.errors import ConfigError
from provider_daemon.node_protocol.signature import Scheme
from provider_daemon.nodes.command import CommandKind
from tests.unit.docs import ROOT, page, table

PUBLISHED = """
protocol = "published"
collector_url = "http://daemon:8081"
node_id = "n1"
cluster_id = "HPC-1"
provider_address = "ve1"
"""


def test_nothing_has_to_be_set() -> None:
    """The token names the rest."""
    assert config.parse("") == AgentSettings()


def test_the_page_has_every_key_with_its_default() -> None:
    """In the code's order; the package's file shows the same defaults, commented out."""
    defaults = {each.name: _shown(each.default) for each in fields(AgentSettings)}
    assert {row[0]: row[1] for row in table(page("agent.md"), "key of agent.toml")} == defaults
    packaged = (ROOT / "deploy/packages/agent/agent.toml").read_text()
    assert config.parse(packaged) == AgentSettings()
    assert config.parse(re.sub("^#([a-z_]+ = )", r"\1", packaged, flags=re.MULTILINE)) == AgentSettings()


def _shown(default: object) -> str:
    return ", ".join(default) if isinstance(default, tuple) else str(default)


def test_what_is_set_is_read() -> None:
    """Each kind of value."""
    found = config.parse(
        'rack = "7"\nslurm_update = true\nslurmd_port = 7000\ncommands = ["drain", "update_agent"]\n'
        'update_command = ["systemctl", "start", "update-agent"]\n'
    )
    assert (found.locality.rack, found.slurm_update, found.slurmd_port) == ("7", True, 7000)
    assert found.commands == (CommandKind.DRAIN, CommandKind.UPDATE_AGENT)
    assert found.update_command == ("systemctl", "start", "update-agent")


def test_all_problems_are_reported_together() -> None:
    """One line each, with the key."""
    with pytest.raises(ConfigError) as error:
        config.parse(
            'stat = 1\nslurm_update = "yes"\nslurmd_port = 0\nstate_directory = "s"\nrack = "a\\nb"\n'
            f'row = "{"x" * 129}"\ncommands = ["reboot"]\ncontainer_runtimes = [1]\nprotocol = "v2"\n'
        )
    assert error.value.problems == [
        "commands: unknown command 'reboot'; known: drain, resume, run_diagnostic, shutdown, update_agent",
        "container_runtimes: must be a list of at most 16 texts",
        "protocol: must be one of provd-1, published",
        "rack: must be a text of one line",
        "row: must have at most 128 characters",
        "slurm_update: must be true or false",
        "slurmd_port: must be a whole number from 1 to 65535",
        "stat: unknown key",
        "state_directory: must be an absolute path",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('node_id = "n1"', "node_id: the token names it"),
        (PUBLISHED.replace('node_id = "n1"', ""), "node_id: must be set if protocol"),
        ('commands = ["update_agent"]', "update_command: must be set if commands has update_agent"),
        ('commands = ["shutdown"]\nshutdown_command = []', "shutdown_command: must be set"),
        ("commands = [", "not TOML"),
    ],
)
def test_settings_that_do_not_fit_together(text: str, problem: str) -> None:
    """The problem names the key to change."""
    with pytest.raises(ConfigError, match=problem):
        config.parse(text)


def test_the_published_protocol() -> None:
    """Nobody issues a token there, so the configuration names everything."""
    found = config.parse(PUBLISHED)
    assert (found.protocol, found.collector_url) == (Scheme.PUBLISHED, "http://daemon:8081")


VALUES = st.one_of(
    st.booleans(), st.integers(-10, 10**9), st.text(max_size=20), st.lists(st.text(max_size=5))
)


@settings(max_examples=50)
@given(st.dictionaries(st.sampled_from(list(AgentSettings.__dataclass_fields__)), VALUES, max_size=5))
def test_any_value_is_accepted_or_named(values: dict[str, object]) -> None:
    """Never another exception, whatever the type."""
    text = "".join(f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in values.items())
    problems = []
    try:
        config.parse(text)
    except ConfigError as error:
        problems = error.problems
    assert all(problem and "\n" not in problem for problem in problems)
