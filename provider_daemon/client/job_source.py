"""Reads a job from a file, from text or from plain values, and finds the template that it names."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from provider_daemon.client import job_file
from provider_daemon.client.job_file import JobFile
from provider_daemon.errors import ConfigError
from provider_daemon.template import document, library
from provider_daemon.template.model import Template

JobSource = JobFile | Mapping[str, Any] | str | Path
"""A job: checked, plain values, or the path of a job file."""


def read(job: JobSource) -> tuple[JobFile, Path]:
    """Returns the job and the directory that its local files are relative to. Raises ConfigError."""
    if isinstance(job, JobFile):
        return job, Path()
    if isinstance(job, Mapping):
        return job_file.parse(json.dumps(job), "job"), Path()
    path = Path(job)
    try:
        return job_file.parse(path.read_bytes().decode(), path.name), path.parent
    except UnicodeDecodeError:
        raise ConfigError([f"{path} cannot be read: not UTF-8 text"]) from None
    except OSError as error:
        raise ConfigError([f"{path} cannot be read: {error.strerror}"]) from None


def template(which: str, directory: Path) -> Template:
    """Returns a shipped template by its id, or the one in a .yaml or .json file. Raises ConfigError."""
    if not which.endswith((".yaml", ".yml", ".json")):
        known = library.shipped()
        if which not in known:
            raise ConfigError(
                [f"unknown template: {which!r}; shipped templates: {', '.join(known)}; or name a .yaml file"]
            )
        return known[which]
    try:
        return document.read((directory / which).read_text())
    except OSError as error:
        raise ConfigError([f"{directory / which} cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError:
        raise ConfigError([f"{directory / which} cannot be read: not UTF-8 text"]) from None
