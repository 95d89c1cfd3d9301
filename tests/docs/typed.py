"""The commands of a page, one after another, as a reader types them.

On the pages that are run, a block ```sh is typed and a block ```console is shown: it has a prompt, or is what
a program prints."""

import re
from collections.abc import Iterator
from pathlib import Path

_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HERE = re.compile(r"<<-?\s*['\"]?(\w+)")


def commands(page: Path) -> list[str]:
    """Each with the lines that it goes on in: after a backslash, or up to the end of what it is given to
    read."""
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
