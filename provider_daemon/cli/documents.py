"""Input files of commands: JSON, YAML or TOML by file name extension; `-` is JSON or YAML on stdin."""

import json
import sys
import tomllib
from pathlib import Path

from provider_daemon.errors import ConfigError


def read(path: Path) -> object:
    """Returns plain values; raises ConfigError, with the position, if the file cannot be read or parsed."""
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
        return _parse(text, path.suffix.lower())
    except OSError as error:
        raise ConfigError([f"{path} cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path} cannot be read: not UTF-8 text"]) from error
    except ValueError as error:
        raise ConfigError([f"{path}: {' '.join(str(error).split())}"]) from error


def _parse(text: str, suffix: str) -> object:
    if suffix == ".toml":
        return tomllib.loads(text)
    if suffix == ".json":
        return json.loads(text)
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(error) from error
