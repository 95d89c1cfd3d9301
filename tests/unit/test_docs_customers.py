"""docs/customers.md and docs/python-client.md: job files, keys, exit statuses, programs and methods."""

import ast
import inspect

import pytest

from provider_daemon.client import api, blocking
from provider_daemon.client.job_file import Input, JobFile, Resources, parse
from provider_daemon.client.outcome import Exit
from tests.unit.docs import DOCS, blocks, column, page, table

JOBS = blocks(page("customers.md"), "yaml")
PROGRAMS = blocks(page("python-client.md"), "python")


def test_job_files_are_the_examples() -> None:
    """Those of the tutorial mean what docs/examples/ has."""
    for text, name in zip(JOBS, ("hello.yaml", "with-inputs.yaml"), strict=True):
        assert parse(text, name) == parse((DOCS / "examples" / name).read_text(), name)


def test_every_key_of_a_job_file_is_explained() -> None:
    """And no other. A row may have two keys of one table."""
    said = set()
    for row in table(page("customers.md"), "key"):
        names = [name.strip().strip("`") for name in row[0].split(",")]
        place = names[0].rpartition(".")[0]
        said |= {names[0], *(f"{place}.{name}" if place else name for name in names[1:])}
    wanted = {name for name in JobFile.model_fields if name not in ("resources", "inputs")}
    wanted |= {f"resources.{name}" for name in Resources.model_fields}
    wanted |= {f"inputs[].{name}" for name in Input.model_fields}
    assert said == wanted


def test_every_exit_status_is_explained() -> None:
    said = {int(row) for row in column(page("customers.md"), "exit status") if row.isdigit()}
    assert said == {0, 2, *map(int, Exit)}


@pytest.mark.parametrize("text", PROGRAMS)
def test_programs_use_what_exists(text: str) -> None:
    """They are valid Python, and call only methods of the client, with arguments that these have."""
    kind = blocking.Client if "blocking" in text else api.Client
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    used = [
        (node.func.attr, [word.arg for word in node.keywords if word.arg])
        for node in calls
        if isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) in ("client", "Client")
    ]
    assert len(used) >= 4
    for name, words in used:
        signature = inspect.signature(getattr(kind, name)).parameters
        assert set(words) <= set(signature) or "options" in signature, name


def test_every_method_is_explained() -> None:
    """Both classes have it."""
    said = {
        name.split("(")[0].strip("` ")
        for row in column(page("python-client.md"), "method")
        for name in row.split("`, `")
    }
    for kind in (api.Client, blocking.Client):
        assert {name for name in said if not hasattr(kind, name)} == set()
