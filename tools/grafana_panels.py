"""Panels and boards: a panel is a title, a unit and its queries, and all else is the same for all of them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Panel:
    """A panel.

    `queries`: (expression, legend). `kind`: timeseries, or stat for the current value of a number. `about`:
    what the help texts of its metrics do not say. The unit `coins` is for amounts with a label `denom`, which
    are shown in whole coins, with the label `coin`.
    """

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    kind: str = "timeseries"
    about: str = ""


COINS = "coins"


@dataclass(frozen=True)
class Board:
    name: str
    title: str
    rows: dict[str, tuple[Panel, ...]]


def stat(title: str, unit: str, query: str, legend: str = "", about: str = "") -> Panel:
    return Panel(title, unit, ((query, legend),), "stat", about)


def graph(title: str, unit: str, *queries: tuple[str, str], about: str = "") -> Panel:
    return Panel(title, unit, queries, about=about)


def quantiles(title: str, bucket: str, legend: str, window: str = "1h", about: str = "") -> Panel:
    """Returns the median and 95th percentile of a histogram."""
    return Panel(
        title,
        "s",
        tuple(
            (f"histogram_quantile({share}, rate({bucket}[{window}]))", f"{word} {legend}".strip())
            for share, word in ((0.5, "median"), (0.95, "95%"))
        ),
        about=about,
    )
