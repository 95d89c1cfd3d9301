"""The common options of commands that query a chain, and a decorator that adds them."""

import functools
import inspect
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from provider_daemon.client.identity import Who

T = TypeVar("T")

KEY_PANEL = "Key and chain"  # heading of these options in the help of `provd tx`

Nodes = Annotated[
    list[str],
    typer.Option(
        "--node",
        envvar="PROVD_NODE",
        metavar="HOST:PORT",
        help="gRPC endpoint of the chain; prefix with https:// for TLS; repeatable.",
        rich_help_panel=KEY_PANEL,
    ),
]
ChainId = Annotated[
    str,
    typer.Option(
        "--chain-id",
        envvar="PROVD_CHAIN_ID",
        metavar="ID",
        help="Chain id; endpoints of other chains are not used.",
        rich_help_panel=KEY_PANEL,
    ),
]
KeyringDir = Annotated[
    Path,
    typer.Option(
        "--keyring-dir",
        envvar="PROVD_KEYRING_DIR",
        metavar="DIR",
        help="Directory with the keys, in the format of the Cosmos SDK's `file` keyring.",
        show_default="~/.provd",
        rich_help_panel=KEY_PANEL,
    ),
]
PassphraseFile = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        envvar="PROVD_PASSPHRASE_FILE",
        metavar="FILE",
        help=(
            "File with the passphrase, readable by its owner only. Without it, provd prompts for the "
            "passphrase."
        ),
        rich_help_panel=KEY_PANEL,
    ),
]


class Text(StrEnum):
    TEXT = "text"
    JSON = "json"


AsText = Annotated[Text, typer.Option("--output", "-o", metavar="text|json", help="Output format.")]

NODE = "127.0.0.1:9090"
CHAIN_ID = "virtengine-localnet-1"
EXAMPLE_WIDTH = 68
KEYRING_DIR = Path(os.path.expanduser("~/.provd"))


@dataclass(frozen=True)
class KeyOptions:
    """Which key signs, and on which chain."""

    sender: Annotated[
        str,
        typer.Option(
            "--from",
            envvar="PROVD_FROM",
            metavar="KEY",
            help="Signing key: its name, its address, or an armored file.",
            rich_help_panel=KEY_PANEL,
        ),
    ] = ""
    key_file: Annotated[
        Path | None,
        typer.Option(
            "--key-file",
            metavar="FILE",
            help="Armored key file, in place of --from.",
            rich_help_panel=KEY_PANEL,
        ),
    ] = None
    keyring_dir: KeyringDir = KEYRING_DIR
    passphrase_file: PassphraseFile = None
    node: Nodes = (NODE,)  # type: ignore[assignment]
    chain_id: ChainId = CHAIN_ID

    @property
    def who(self) -> "Who":
        """The key. Raises ConfigError unless exactly one of --from and --key-file is given."""
        return who(self.sender, self.key_file, self.keyring_dir, self.passphrase_file)


def passphrase(file: Path | None, *, confirm: bool = False, what: str = "Passphrase") -> str:
    """Reads the passphrase from the file, or prompts for it."""
    from provider_daemon.chain import keys

    if file is not None:
        with keys.mending(f"passphrase {file}"):
            return keys.read_passphrase(str(file))
    return _asked(what, confirm)


def _asked(what: str, confirm: bool) -> str:
    import warnings

    from provider_daemon.errors import ConfigError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # getpass warns about a pipe, where nothing is displayed anyway
        try:
            return str(typer.prompt(what, hide_input=True, confirmation_prompt=confirm, err=True))
        except typer.Abort:
            raise ConfigError([f"{what.lower()}: no terminal to prompt on; use --passphrase-file"]) from None


def who(sender: str, key_file: Path | None, keyring_dir: Path, passphrase_file: Path | None) -> "Who":
    """Returns the key of --from or --key-file. Raises ConfigError unless exactly one of them is given.

    `--key-file` replaces $PROVD_FROM.
    """
    from provider_daemon.client.identity import Who, once
    from provider_daemon.errors import ConfigError

    if key_file and sender == os.environ.get("PROVD_FROM"):
        sender = ""
    if bool(sender) == bool(key_file):
        raise ConfigError(["exactly one of --from (or $PROVD_FROM) and --key-file is required"])
    name = sender or str(key_file.absolute() if key_file else "")
    return Who(name, keyring_dir, once(lambda: passphrase(passphrase_file)))


def example(command: str) -> str:
    """Returns an epilog whose line breaks are kept."""
    lines: list[str] = []
    line = ""
    for word in re.findall(r'"[^"]*"|\S+', command):
        if line and len(line) + len(word) > EXAMPLE_WIDTH:
            lines, line = [*lines, line], ""
        line = f"{line} {word}" if line else word
    return "\b\nExample:\n  " + " \\\n    ".join([*lines, line])


def with_options(
    function: Callable[..., Any], common: type[Any], then: Callable[[Any, Any], T]
) -> Callable[..., T]:
    """Builds a command with the options of `function` and of the dataclass `common`.

    `then` receives the function's result and the common options.
    """
    own = list(inspect.signature(function, eval_str=True).parameters.values())
    shared = list(inspect.signature(common, eval_str=True).parameters.values())
    names = {parameter.name for parameter in shared}

    @functools.wraps(function)
    def command(**values: Any) -> T:
        options = common(**{name: value for name, value in values.items() if name in names})
        return then(function(**{name: value for name, value in values.items() if name not in names}), options)

    parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own + shared]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command
