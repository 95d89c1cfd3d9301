"""This tree as the next version.

It has a higher version number, and a ledger whose schema has one more table.
"""

import re
from pathlib import Path

from tests.docs.debian import copy_checkout
from tests.packages.debian import command
from tests.unit.docs import ROOT

VERSION = "99.0.0"
TABLE = "CREATE TABLE of_the_next_version (id INTEGER PRIMARY KEY) STRICT;\n"


def tree(directory: Path) -> Path:
    copy_checkout(directory)
    for tools in (".uv", ".images", ".venv"):
        (ROOT / tools).mkdir(exist_ok=True)
        (directory / tools).symlink_to(ROOT / tools)
    command(ROOT / ".uv/bin/uv", "version", "-q", "--no-sync", "--directory", directory, VERSION)
    module = directory / "provider_daemon/__init__.py"
    module.write_text(re.sub(r'(?m)^__version__ = ".*"$', f'__version__ = "{VERSION}"', module.read_text()))
    changelog = directory / "CHANGELOG.md"
    changelog.write_text(
        re.sub(
            r"(?m)^(?=## \d)",
            f"## {VERSION} - 2099-01-01\n\n- Everything.\n\n",
            changelog.read_text(),
            count=1,
        )
    )
    raise_schema(directory / "provider_daemon/ledger")
    return directory


def raise_schema(ledger: Path) -> None:
    file = ledger / "file.py"
    text = file.read_text()
    number = int(re.findall(r"^SCHEMA_VERSION = (\d+)$", text, re.MULTILINE)[0]) + 1
    file.write_text(re.sub(r"^SCHEMA_VERSION = \d+$", f"SCHEMA_VERSION = {number}", text, flags=re.MULTILINE))
    (ledger / "migrations" / f"{number:04}_next.sql").write_text(TABLE)
    with (ledger / "schema.sql").open("a") as schema:
        schema.write(TABLE)
