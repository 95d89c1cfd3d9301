"""Errors name what was typed."""

from typing import Any

import pytest
from typer.main import get_command

from provider_daemon.cli.app import app
from provider_daemon.cli.tx.options import SigningOptions
from provider_daemon.client.flags import FLAGS, named

GROUPS: dict[str, Any] = get_command(app).commands["tx"].commands  # type: ignore[attr-defined]
COMMANDS = {
    "Msg" + "".join(map(str.title, name.split("-"))): command
    for group in GROUPS.values()
    for name, command in group.commands.items()
}
# They fill several fields, and their errors name them themselves.
THEIR_OWN = {"--template", "--set", "--file"}


def spelled(parameter: Any) -> str:
    return str(parameter.metavar if parameter.param_type_name == "argument" else parameter.opts[-1])


@pytest.mark.parametrize("message", COMMANDS)
def test_every_option_is_named(message: str) -> None:
    """The table has each option and argument of a command, and nothing that cannot be typed."""
    common = SigningOptions.__dataclass_fields__
    own = {spelled(each) for each in COMMANDS[message].params if each.name not in common}
    assert own - THEIR_OWN == set(FLAGS[message].values()) - THEIR_OWN


def test_fields_become_options() -> None:
    """With what follows them; an index is dropped, and a part of a whole document kept."""
    flags = {**FLAGS["MsgSubmitJob"], **FLAGS["MsgUpdateParams"]}
    assert named(
        [
            "resources.nodes: must be at least 1",
            "max_price[0].amount: must be an integer: 'x'",
            "params.platform_fee_rate: must be an integer",
            "--timeout-height 5 has passed: the chain is at height 9",
            "resources: must be an object",
        ],
        flags,
    ) == [
        "--nodes: must be at least 1",
        "--max-price: must be an integer: 'x'",
        "--set platform_fee_rate: must be an integer",
        "--timeout-height 5 has passed: the chain is at height 9",
        "resources: must be an object",
    ]


def test_fields_of_a_file_keep_their_names() -> None:
    """They are found there under these; what the file lacks is named by its option."""
    document = {"resources": {"nodes": 0}, "workload_spec": None}
    problems = ["resources.nodes: must be at least 1", "workload_spec.container_image: required"]
    assert named(problems, FLAGS["MsgSubmitJob"], document) == [problems[0], "--image: required"]
