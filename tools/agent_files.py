"""Takes out of an installed environment all modules of provd that the node agent does not import.

    python -m tools.agent_files ENVIRONMENT

The builds of the packages for compute nodes call it.
"""

import sys
from pathlib import Path

import grimp

PACKAGE, AGENT = "provider_daemon", "provider_daemon.agent"


def modules() -> set[str]:
    """Returns what the agent imports, also inside of functions, and the packages that contain it."""
    graph = grimp.build_graph(PACKAGE, cache_dir=None)
    found = {AGENT, *graph.find_descendants(AGENT)}
    for module in tuple(found):
        found |= graph.find_upstream_modules(module)
    return {
        ".".join(parts[: count + 1])
        for name in found
        if (parts := name.split("."))
        for count in range(len(parts))
    }


def prune(site_packages: Path, wanted: set[str]) -> None:
    """Deletes the other files, and their lines in the record of what is installed."""
    for path in sorted((site_packages / PACKAGE).rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.suffix != ".py" or _module(path.relative_to(site_packages)) not in wanted:
            path.unlink()
    (record,) = site_packages.glob("provd-*.dist-info/RECORD")
    lines = record.read_text().splitlines(keepends=True)
    record.write_text("".join(line for line in lines if (site_packages / line.split(",")[0]).exists()))


def _module(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


if __name__ == "__main__":
    (found,) = Path(sys.argv[1]).glob("lib/python3.*/site-packages")
    prune(found, modules())
