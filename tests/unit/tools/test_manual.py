"""The manual pages: every command, option and key stands in them, and nothing in a text is read as roff."""

import re

from hypothesis import given
from hypothesis import strategies as st

from provider_daemon import __version__
from provider_daemon.config.model import default_toml
from tests.unit.docs import column, page
from tools import cli_reference, manual, roff

DATE = "2026-01-31"


def plain(page_text: str) -> str:
    """What a reader sees of a page, its line breaks apart."""
    return re.sub(r"\\f[BRI]", "", page_text).replace("\\-", "-").replace("\\&", "").replace("\\e", "\\")


def test_every_command_and_option_stands_in_the_page() -> None:
    """What docs/cli.md has, provd(1) has."""
    shown = plain(manual.commands_page(DATE))
    text = cli_reference.text()
    for command in re.findall(r"^###? (provd .+)$", text, re.MULTILINE):
        assert f'.SS "{command}"' in shown
    for option in re.findall(r"^\| `(--[a-z-]+)`", text, re.MULTILINE):
        assert f"\n{option}" in shown


def test_every_key_stands_in_the_page() -> None:
    """provd.toml(5) has each key of the guide's table, and the whole default file."""
    shown = plain(manual.configuration_page(DATE, page("operators-guide.md")))
    for key in column(page("operators-guide.md"), "key"):
        assert f".TP\n{key}\n" in shown
    assert "\n".join(line for line in default_toml().splitlines()) in shown


def test_every_key_of_the_agent_stands_in_the_page() -> None:
    """provd-agent(8) has each key of the table in docs/agent.md."""
    shown = plain(manual.agent_page(DATE, page("agent.md")))
    for key in column(page("agent.md"), "key of agent.toml"):
        assert f".TP\n{key}\n" in shown


def test_pages_say_version_and_date() -> None:
    for shown, name in (
        (manual.commands_page(DATE), "PROVD 1"),
        (manual.configuration_page(DATE, ""), "PROVD.TOML 5"),
        (manual.agent_page(DATE, ""), "PROVD-AGENT 8"),
    ):
        assert plain(shown).startswith(f'.TH {name} {DATE} "provd {__version__}"')


def test_markdown() -> None:
    """Headings, a paragraph over two lines, a table without its head, code."""
    table = "| option | meaning |\n|---|---|\n| `--a-b`, `-a` | this \\| that |\n"
    text = f"## Do `it`\n\nOne [word](x.md)\nand **two**.\n\n{table}\n```sh\nprovd -x\n```\n"
    assert list(roff.body(text)) == [
        '.SH "Do `it`"',
        *(".PP", "One word and \\fBtwo\\fR."),
        *(".TP", "\\fB\\-\\-a\\-b\\fR, \\fB\\-a\\fR", "this | that"),
        *(".PP", ".nf", ".RS 4", "provd \\-x", ".RE", ".fi"),
    ]


@given(st.text(st.characters(blacklist_categories=["Cc", "Cs"])))
def test_no_text_is_a_request(text: str) -> None:
    """Whatever a help text says, no line of it begins a request, and no backslash of it an escape."""
    written = roff.escaped(text)
    assert not written.startswith((".", "'"))
    assert plain(written) == text or "\\" in text
