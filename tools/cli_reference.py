"""Generates docs/cli.md from the commands: `make generate`."""

from collections.abc import Iterator
from typing import Any

HEAD = """# Commands

Written from the commands by `make generate`; every command also explains itself with `--help`.
"""


def text() -> str:
    """Returns the whole page."""
    from typer.main import get_command

    from provider_daemon.cli.app import app

    return "\n".join([HEAD, *_group(get_command(app), ["provd"], frozenset())])


def _group(group: Any, words: list[str], above: frozenset[str]) -> Iterator[str]:
    """Describes a group. `above` are the options already described with an enclosing group."""
    shared = _shared(group)
    if len(words) > 1:
        yield f"## {' '.join(words)}\n"
        yield f"{_sentences(group.help)}\n"
    if group.epilog:
        yield f"{_plain(group.epilog)}\n"
    if shared:
        yield "Options of each of these commands:\n"
        yield from _table(shared)
    for name, command in group.commands.items():
        if not hasattr(command, "commands"):
            yield from _command(command, [*words, name], above | {_spelled(option) for option in shared})
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _group(command, [*words, name], above)


def _shared(group: Any) -> list[Any]:
    """Returns the options that every command of the group has, if it has more than two commands."""
    commands = [command for command in group.commands.values() if not hasattr(command, "commands")]
    if len(commands) < 3:
        return []
    common = set.intersection(*({(_spelled(p), p.help) for p in command.params} for command in commands))
    return [parameter for parameter in commands[0].params if (_spelled(parameter), parameter.help) in common]


def _command(command: Any, words: list[str], known: frozenset[str]) -> Iterator[str]:
    yield f"### {' '.join(words)}\n"
    yield f"{_sentences(command.help)}\n"
    own = [parameter for parameter in command.params if _spelled(parameter) not in known]
    if own:
        yield from _table(own)
    if "Example:" in (command.epilog or ""):
        lines = command.epilog.partition("Example:\n")[2].splitlines()
        yield "\n".join(["```sh", *(line.removeprefix("  ") for line in lines), "```\n"])


def _table(parameters: list[Any]) -> Iterator[str]:
    rows = [f"| {_spelled(parameter)} | {_meaning(parameter)} |" for parameter in parameters]
    yield "\n".join(["| option | meaning |", "|---|---|", *rows, ""])


def _spelled(parameter: Any) -> str:
    value = (parameter.metavar or "").replace("|", " or ")
    if parameter.param_type_name == "argument":
        return str(value)
    return " ".join(
        filter(
            None, [", ".join(f"`{option}`" for option in [*parameter.opts, *parameter.secondary_opts]), value]
        )
    )


def _meaning(parameter: Any) -> str:
    help_text = str(parameter.help).replace("|", "\\|").replace("<", "&lt;")
    default = (
        parameter.show_default
        if isinstance(getattr(parameter, "show_default", None), str)
        else _value(parameter.default)
    )
    variable = f" Or ${parameter.envvar}." if getattr(parameter, "envvar", None) else ""
    return f"{help_text}{f' Default: {default}.' if default else ''}{variable}"


def _value(default: object) -> str:
    """Returns a default that is worth printing: not of a flag, not empty, not computed at run time."""
    if default is None or callable(default) or isinstance(default, bool) or default in ("", 0):
        return ""
    if isinstance(default, list | tuple):
        return ", ".join(map(str, default))
    return str(getattr(default, "value", default))


def _sentences(help_text: str | None) -> str:
    return " ".join((help_text or "").split())


def _plain(epilog: str) -> str:
    return " ".join(epilog.replace("\b", "").split())


if __name__ == "__main__":
    import sys

    sys.stdout.write(text())
