"""Generates the manual pages, which packages install.

    python -m tools.manual provd 2026-01-31
    python -m tools.manual provd.toml 2026-01-31 docs/operators-guide.md
    python -m tools.manual provd-agent 2026-01-31 docs/agent.md

provd(1) is generated from the commands, as docs/cli.md is; provd.toml(5) from the table of keys in that
document, and the default file; provd-agent(8) from the table of its keys.
"""

from collections.abc import Iterator, Mapping

from provider_daemon import __version__
from provider_daemon.config.model import default_toml
from tools import cli_reference, roff

KEYS = "| key | default | meaning |"
AGENT_KEYS = "| key of agent.toml | default | meaning |"
FILES = {
    "/etc/provd/provd.toml": "The configuration, see provd.toml(5).",
    "/var/lib/provd/ledger.sqlite": (
        "The ledger, provd's only durable state. Back it up with `provd ledger backup`."
    ),
    "~/.provd": "The keyring of `provd keys`, in the layout of an SDK `file` keyring.",
}
CONFIGURATION = """## DESCRIPTION

One TOML file, by default `/etc/provd/provd.toml`. Unknown keys are errors. `provd config validate` reports
every error at once, with its line. `provd config show` prints the configuration in effect,
`provd config schema` a JSON schema for editors. At SIGHUP the daemon reads the file again, and logs which
changes need a restart.
"""
AGENT_FILES = {
    "/etc/provd-agent/agent.toml": "The configuration.",
    "/var/lib/provd-agent": "The agent's key, and the numbers of its last heartbeat and command.",
    "/var/lib/provd-agent/token": "The node token, until the node is registered.",
}
AGENT = """## DESCRIPTION

Reports to the provider's collector what SLURM does not know of a compute node: the hardware, utilisation,
temperatures, latency to neighbours, and the health of each GPU. It registers the node with a token of
`provd node token`, and executes signed commands of the provider from a fixed list. It holds no key of the
chain.

## CONFIGURATION

One TOML file, by default `/etc/provd-agent/agent.toml`. Unknown keys are errors. The agent reads it at its
start.
"""


def commands_page(date: str) -> str:
    """Returns provd(1)."""
    about, _, commands = cli_reference.text().partition("\n### ")
    _, _, codes = about.rpartition("Exit status: ")
    lines = (
        roff.heading("provd", 1, date, __version__),
        ".SH NAME",
        "provd \\- sell an HPC site's SLURM compute on the VirtEngine chain",
        ".SH SYNOPSIS",
        ".B provd",
        '.RI [ OPTION "]... " COMMAND " [" ARGUMENT ]...',
        ".SH DESCRIPTION",
        (
            "Takes jobs from the chain, runs each of them once on SLURM, and reports the result to the "
            "chain, signed."
        ),
        "Every command explains itself with",
        f"\\fB{roff.escaped('--help')}\\fR.",
        ".SH COMMANDS",
        *roff.body(f"### {commands}".replace("\n## ", "\n### ")),
        ".SH EXIT STATUS",
        *roff.body(codes),
        ".SH FILES",
        *_files(FILES),
        ".SH SEE ALSO",
        "provd.toml(5), sbatch(1), sacct(1), systemd.service(5)",
    )
    return roff.page(lines)


def configuration_page(date: str, guide: str) -> str:
    """Returns provd.toml(5); `guide` is the document with the table of keys."""
    lines = (
        roff.heading("provd.toml", 5, date, __version__),
        ".SH NAME",
        "provd.toml \\- configuration of provd",
        *roff.body(CONFIGURATION),
        ".SH KEYS",
        *_keys(guide, KEYS),
        ".SH EXAMPLE",
        "The default configuration:",
        *roff.code(default_toml().splitlines()),
        ".SH SEE ALSO",
        "provd(1), slurm.conf(5)",
    )
    return roff.page(lines)


def agent_page(date: str, document: str) -> str:
    """Returns provd-agent(8); `document` is the one with the table of the agent's keys."""
    lines = (
        roff.heading("provd-agent", 8, date, __version__),
        ".SH NAME",
        "provd-agent \\- report the health of a compute node to its HPC provider",
        ".SH SYNOPSIS",
        ".B provd-agent",
        '.RI [ --config " FILE]"',
        *roff.body(AGENT),
        *_keys(document, AGENT_KEYS),
        ".SH EXIT STATUS",
        "0 success, 1 failure, 2 usage or configuration error.",
        ".SH FILES",
        *_files(AGENT_FILES),
        ".SH SEE ALSO",
        "slurmd(8), systemd.service(5)",
    )
    return roff.page(lines)


def _files(files: Mapping[str, str]) -> Iterator[str]:
    for path, what in files.items():
        yield from roff.tagged(f".I {roff.escaped(path)}", roff.inline(what))


def _keys(guide: str, heading: str) -> Iterator[str]:
    """Yields every row of the table with this heading; a default is added after the meaning."""
    rows = guide.partition(heading)[2].splitlines()[2:]
    for row in rows[
        : next((number for number, line in enumerate(rows) if not line.startswith("|")), len(rows))
    ]:
        key, default, meaning = roff.cells_of(row)
        yield from roff.tagged(
            f"\\fB{roff.escaped(key)}\\fR",
            roff.inline(f"{meaning} (default {default})" if default else meaning),
        )


if __name__ == "__main__":
    import sys
    from pathlib import Path

    name, date, *guide = sys.argv[1:]
    of_documents = {"provd.toml": configuration_page, "provd-agent": agent_page}
    sys.stdout.write(
        of_documents[name](date, Path(guide[0]).read_text()) if name in of_documents else commands_page(date)
    )
