"""Gathers the facts about the control socket of the running daemon."""

import grp
from pathlib import Path

from provider_daemon.client.control import of_config
from provider_daemon.config.control import possible_sockets
from provider_daemon.config.model import Config
from provider_daemon.control.peer import user_name
from provider_daemon.doctor.facts import NOT_RUNNING, ControlFacts
from provider_daemon.doctor.finding import Unknown


def gather(config: Config, holder: int | Unknown) -> ControlFacts | Unknown:
    """`holder`: the process of the running daemon, 0 if none runs."""
    if isinstance(holder, Unknown) or not holder:
        return NOT_RUNNING
    if (found := of_config(config)) is not None:
        return _file(found.path, answers=True)
    paths = [Path(each) for each in possible_sockets(config.control, config.ledger.path)]
    existing = next((path for path in paths if path.exists()), None)
    return _file(existing, answers=False) if existing else ControlFacts(str(paths[0]), 0, "", "", False)


def _file(path: Path, *, answers: bool) -> ControlFacts | Unknown:
    try:
        status = path.stat()
    except OSError as error:
        return Unknown(f"{path}: {error.strerror}")
    return ControlFacts(
        str(path), status.st_mode & 0o777, user_name(status.st_uid), _group(status.st_gid), answers
    )


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
