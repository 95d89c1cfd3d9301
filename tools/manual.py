"""Generates the manual pages, which packages install.

    python -m tools.manual provd 2026-01-31
    python -m tools.manual provd.toml 2026-01-31 docs/operators-guide.md

provd(1) is generated from the commands, as docs/cli.md is; provd.toml(5) from the table of keys in that
document, and the default file.
"""

from collections.abc import Iterator

from provider_daemon import __version__
from provider_daemon.config.model import default_toml
from tools import cli_reference, roff

KEYS = "| key | default | meaning |"
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
        *_files(),
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
        *_keys(guide),
        ".SH EXAMPLE",
        "The default configuration:",
        *roff.code(default_toml().splitlines()),
        ".SH SEE ALSO",
        "provd(1), slurm.conf(5)",
    )
    return roff.page(lines)


def _files() -> Iterator[str]:
    for path, what in FILES.items():
        yield from roff.tagged(f".I {roff.escaped(path)}", roff.inline(what))


def _keys(guide: str) -> Iterator[str]:
    """Yields every row of the table; a default is added after the meaning."""
    rows = guide.partition(KEYS)[2].splitlines()[2:]
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
    sys.stdout.write(
        configuration_page(date, Path(guide[0]).read_text()) if name == "provd.toml" else commands_page(date)
    )
