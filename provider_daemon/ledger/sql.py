"""Loads named queries: each .sql file of this package has `-- name: word` above each statement."""

import re
from importlib import resources


def load(file_name: str) -> dict[str, str]:
    """Returns name -> statement."""
    text = resources.files(__package__).joinpath(file_name).read_text()
    return {
        name: body.strip()
        for name, body in re.findall(r"-- name: (\w+)\n(.*?)(?=\n-- name: |\Z)", text, re.DOTALL)
    }
