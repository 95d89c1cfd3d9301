"""The list of provd's commands, under headings."""

from typing import Any

from typer.core import TyperGroup

SECTIONS = {
    "Daemon": ("run", "gateway", "mover", "status", "top", "doctor", "site", "reconcile"),
    "Jobs": ("jobs", "job", "evidence", "bill"),
    "Customers": ("submit", "logs", "results", "data"),
    "Configuration and data": ("config", "keys", "ledger", "audit", "template"),
    "Chain": ("tx", "query"),
    "Demo and test tools": ("demo", "devnet", "lab"),
}


class Sections(TyperGroup):
    """Groups the commands into sections, in the order in which a site needs them."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [name for names in SECTIONS.values() for name in names]

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        width = max(map(len, self.commands))
        limit = formatter.width - 6 - width
        for title, names in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl(
                    [(name.ljust(width), self.commands[name].get_short_help_str(limit)) for name in names]
                )
