"""README and docs say what the code does: every command, key, event, metric and message in them is compared
with it."""

import ast
import itertools
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import typer
from pydantic import BaseModel

from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2
from provider_daemon.cli.app import app
from provider_daemon.config.model import Config, default_toml, parse
from provider_daemon.demo.jobs import demo_jobs
from provider_daemon.job.parking import ParkReason
from provider_daemon.job.words import unsafe_word
from provider_daemon.ledger.event_kind import EventKind
from provider_daemon.metrics import catalog
from provider_daemon.slurm.failures import REFUSALS
from provider_daemon.slurm.states import HOPELESS_REASONS
from tests.unit.docs import DOCS, PACKAGE, PAGES, ROOT, blocks, column, log_events, page, raised, table

PROVD: Any = typer.main.get_command(app)
README = ROOT / "README.md"


def ids(path: Path) -> str:
    return str(path.relative_to(ROOT))


# --- what can be run ---


def command_lines(text: str) -> Iterator[list[str]]:
    """The words after `provd` in code: inline, or at the start of a line of a block."""
    in_blocks = "".join(blocks(text, r"\w*"))
    at_line_starts = re.findall(
        r"^(?:\$ |/opt/provd/bin/|docker compose exec \w+ )?(provd .*)$", in_blocks, re.MULTILINE
    )
    for code in [*re.findall(r"`(provd [^`\n]+)`", text), *at_line_starts]:
        yield code.split()[1:]


@pytest.mark.parametrize("path", PAGES, ids=ids)
def test_commands_exist(path: Path) -> None:
    """Every `provd ...` in code names a command, and only options that it has."""
    for words in command_lines(path.read_text()):
        check_command(words)


def check_command(words: list[str]) -> None:
    command = PROVD
    remaining = itertools.takewhile(lambda word: word not in (">", "2>", "|"), words)
    for word in remaining:
        subcommands = getattr(command, "commands", {})
        if subcommands and not word.startswith("-"):
            assert word in subcommands, f"provd {' '.join(words)}: {word} is no command"
            command = subcommands[word]
        elif word.startswith("-") and word != "-":
            flags = {"--help": True} | {
                option: getattr(parameter, "is_flag", False)
                for parameter in command.params
                for option in [*parameter.opts, *parameter.secondary_opts]
            }
            name, _, value = word.partition("=")
            assert name in flags, f"provd {' '.join(words)}: no option {name}"
            if subcommands and not flags[name] and not value:
                next(remaining)  # the option's value


@pytest.mark.parametrize("path", PAGES, ids=ids)
def test_make_targets_exist(path: Path) -> None:
    """Every `make ...` in code is a target that `make help` lists."""
    targets = set(re.findall(r"^([a-z0-9-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z0-9-]+)", path.read_text())) <= targets


@pytest.mark.parametrize("path", PAGES, ids=ids)
def test_links_lead_somewhere(path: Path) -> None:
    """Relative links name files that exist, and headings of theirs."""
    for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        name, _, heading = link.partition("#")
        if "://" not in link:
            assert (path.parent / name).exists(), link
            assert not heading or heading in anchors(path.parent / name if name else path), link


def anchors(path: Path) -> set[str]:
    """As a repository's page and the site both make them of headings."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_paths_exist() -> None:
    """Every path of the repository that is named in code exists."""
    for path in PAGES:
        for name in re.findall(r"`((?:provider_daemon|tests|tools|docs|deploy)/[\w./-]*)`", path.read_text()):
            assert (ROOT / name).exists(), f"{ids(path)}: {name}"


def test_demo_table() -> None:
    """The README's jobs are the demo's, each in the state where it must end."""
    shown = re.findall(r"^JOB-\d+ +(.+?) +[-\d]+ +([a-z]+) ", README.read_text(), re.MULTILINE)
    played = {
        (job.title, job.state) for job in demo_jobs("program", defaultdict(types_pb2.DataReference), "")
    }
    assert len(shown) == 10
    assert set(shown) <= played


# --- configuration ---


@pytest.mark.parametrize("path", [path for path in PAGES if blocks(path.read_text(), "toml")], ids=ids)
def test_configurations_load(path: Path) -> None:
    """Each toml block is a whole provd.toml without mistakes."""
    for text in blocks(path.read_text(), "toml"):
        parse(text, path.name)


def test_readme_configuration_is_the_default_one() -> None:
    """The README's short provd.toml means what `provd config print-default` prints."""
    (text,) = blocks(README.read_text(), "toml")
    assert parse(text, "README.md") == parse(default_toml(), "default")


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Dotted key -> its default, of everything that a provd.toml can hold."""
    for name, field in model.model_fields.items():
        inner = [
            part
            for part in (field.annotation, *get_args(field.annotation))
            if isinstance(part, type) and issubclass(part, BaseModel)
        ]
        dotted = f"{prefix}{name}.NAME" if name == "keys" else f"{prefix}{name}"
        if inner:
            yield from keys(inner[0], f"{dotted}.")
        else:
            yield dotted, field.default


def test_every_key_is_explained() -> None:
    """The guide's table has each key of the configuration once, with its default."""
    rows = {row[0]: row[1] for row in table(page("operators-guide.md"), "key")}
    wanted = dict(keys(Config))
    assert sorted(column(page("operators-guide.md"), "key")) == sorted(wanted)
    for key, said in rows.items():
        if said:
            assert str(wanted[key]).removesuffix(".0") == said, key


# --- what the daemon says ---


def test_every_log_event_is_explained() -> None:
    """The guide's table has each event word of the code, at its level, and no other."""
    said = {row[0]: {row[1]} for row in table(page("operators-guide.md"), "event")}
    assert said == log_events()


def test_every_timeline_word_is_explained() -> None:
    """The guide's table has each kind of event that a job's timeline can have, and no other."""
    assert sorted(column(page("operators-guide.md"), "word in the timeline")) == sorted(EventKind)


def test_every_reason_to_park_is_explained() -> None:
    """The guide's table has each reason that parks a job, and no other."""
    assert sorted(column(page("operators-guide.md"), "reason")) == sorted(ParkReason)


def test_every_trouble_is_one_of_ours() -> None:
    """What the guide quotes as a text to look for is an event word or a text of the code."""
    quoted = re.findall(r"^\*\*`([^`]+)`", page("operators-guide.md"), re.MULTILINE)
    code = "".join(path.read_text() for path in PACKAGE.rglob("*.py"))
    assert quoted
    for text in quoted:
        assert re.split(r" n s| \.\.\.", text)[0] in code, text


def test_every_typed_word_is_in_the_glossary() -> None:
    """Reasons to park or hold a job, and the states of an endpoint, as metrics and logs have them."""
    terms = set(re.findall(r"^\| ([^|]+) \|", page("glossary.md"), re.MULTILINE))
    assert {*catalog.PARKED, *catalog.HOLDS, *catalog.ENDPOINT_STATES} <= terms


@pytest.mark.parametrize(
    ("place", "exception"), [("job/admission.py", "Inadmissible"), ("slurm/script.py", "Refused")]
)
def test_every_refusal_is_explained(place: str, exception: str) -> None:
    """A customer finds the text of each refusal."""
    text = page("customers.md")
    for words in raised(exception, ast.parse((PACKAGE / place).read_text())):
        assert words in text, words


def test_every_rule_of_words_is_explained() -> None:
    """What a command may not look like, sentence by sentence."""
    text = page("customers.md")
    for argv in (("",), ("-x",), ("x", ":")):
        assert re.sub(r"'(-x)?'", "'x'", unsafe_word(argv, launched=True)) in text


def test_every_word_of_slurm_is_explained() -> None:
    """Refusals of sbatch, and reasons that never go away, with the sentence that the customer reads."""
    assert {
        row[1]: row[0] for row in table(page("customers.md").split("Refused by SLURM")[1], "message")
    } == REFUSALS
    assert {
        row[1]: row[0] for row in table(page("customers.md").split("### Can never start")[1], "message")
    } == HOPELESS_REASONS


# --- housekeeping ---


def test_decisions_are_numbered() -> None:
    """One page each, 1 to n without a gap, and the heading says the number."""
    for number, path in enumerate(sorted((DOCS / "decisions").glob("*.md")), 1):
        assert path.name.startswith(f"{number:04}-")
        assert path.read_text().startswith(f"# {number}. ")
