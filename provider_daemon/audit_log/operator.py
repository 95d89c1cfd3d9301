"""Acts of operators: commands record them before they change anything.

Some of the commands are customers' too, and run on hosts without a daemon. Those record what is done by a
user who may write the log of a daemon on this machine.
"""

import getpass
import os
import time
from collections.abc import Sequence
from pathlib import Path

from provider_daemon.audit_log.places import audit_files, places
from provider_daemon.audit_log.records import Action, Actor, ActorKind, Deed, Process
from provider_daemon.config.model import Config, load
from provider_daemon.errors import ConfigError, LedgerError


def record(
    config: Config, action: Action, *, job: str = "", thing: str = "", detail: str = "", operator: str = ""
) -> None:
    """Records one act. Raises as `record_all`.

    `operator`: who asked the daemon over its control socket; "" for who runs this command.
    """
    record_all(config, [Deed(action, Actor(ActorKind.OPERATOR, operator or user()), job, thing, detail)])


def record_all(config: Config, deeds: Sequence[Deed]) -> None:
    """Raises LedgerError if the records cannot be written: then the command must do nothing."""
    try:
        audit_files(config, Process.DAEMON).append(deeds, time.time(), sync=True)
    except (OSError, ValueError) as error:
        where = Path(config.ledger.path).parent / "audit"
        why = getattr(error, "strerror", None) or str(error)
        raise LedgerError(
            f"the audit log in {where} cannot be written: {why}; nothing was changed"
        ) from error


def record_beside_a_daemon(config_file: Path, action: Action, *, thing: str, detail: str = "") -> None:
    """Records nothing where the configuration or the log cannot be accessed. Raises as `record`."""
    try:
        config = load(config_file)
    except ConfigError:
        return
    if os.access(places(config)[Process.DAEMON].parent, os.W_OK):
        record(config, action, thing=thing, detail=detail)


def user() -> str:
    """Returns the operator's Unix user: behind sudo, the one who called it."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = str(os.getuid())
    caller = os.environ.get("SUDO_USER", "")
    return f"{name} ({caller})" if caller and caller != name else name
