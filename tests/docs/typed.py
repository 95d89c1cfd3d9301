"""The commands of a page, one after another, as a reader types them.

On the pages that are run, a block ```sh is typed and a block ```console is shown: it has a prompt, or is the
output of a program.
"""

import re
from collections.abc import Iterator
from pathlib import Path

_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HERE = re.compile(r"<<-?\s*['\"]?(\w+)")


def commands(page: Path) -> list[str]:
    """Returns each command with its continuation lines.

    These follow a backslash, or are input up to its end mark.
    """
    return [command for block in _BLOCK.findall(page.read_text()) for command in split(block)]


def split(block: str) -> Iterator[str]:
    lines = iter(block.splitlines())
    for line in lines:
        whole = line
        while line.endswith("\\"):
            line = next(lines)
            whole += f"\n{line}"
        if found := _HERE.search(whole):
            for line in lines:
                whole += f"\n{line}"
                if line.strip() == found[1]:
                    break
        if whole.strip():
            yield whole
