"""The list of provd's commands, and the options of one command, under headings."""

from typing import Any

from typer.core import TyperCommand, TyperGroup

SECTIONS = {
    "Daemon": (
        "run",
        "gateway",
        "collector",
        "mover",
        "agent",
        "status",
        "top",
        "doctor",
        "site",
        "reconcile",
        "plan",
    ),
    "Operation": ("pause", "resume", "node", "customer", "maintenance"),
    "Jobs": ("jobs", "job", "evidence", "bill", "dispute", "statement", "income"),
    "Customers": ("submit", "logs", "results", "data"),
    "Configuration and data": ("config", "keys", "ledger", "audit", "template"),
    "Chain": ("tx", "query"),
    "Demo and test tools": ("demo", "devnet", "lab"),
}
OTHER = "Options"


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


class GroupedOptions(TyperCommand):
    """Lists the options of a command under their `rich_help_panel`, and the others under Options, last."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        found: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            if (record := parameter.get_help_record(ctx)) is not None:
                argument = parameter.param_type_name == "argument"
                title = "Arguments" if argument else getattr(parameter, "rich_help_panel", None) or OTHER
                found.setdefault(title, []).append(record)
        for title in sorted(found, key=OTHER.__eq__):
            with formatter.section(title):
                formatter.write_dl(found[title])
