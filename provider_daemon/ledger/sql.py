"""Named queries: each .sql file of this room holds `-- name: word` and the statement below it."""

import re
from importlib import resources


def load(file_name: str) -> dict[str, str]:
    """Name -> statement."""
    text = resources.files(__package__).joinpath(file_name).read_text()
    return {
        name: body.strip()
        for name, body in re.findall(r"-- name: (\w+)\n(.*?)(?=\n-- name: |\Z)", text, re.DOTALL)
    }
