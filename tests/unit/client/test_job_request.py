"""From a job file to the fields of MsgSubmitJob."""

from typing import Any

import pytest

from provider_daemon.client import checks, draft, job_request
from provider_daemon.client.job_file import parse
from provider_daemon.client.job_request import LocalFile
from provider_daemon.client.job_source import template
from provider_daemon.errors import ConfigError
from provider_daemon.job.references import DataReference
from tests.unit.client.test_job_file import EXAMPLES, HASH

HEAD = "image: a\nmax_runtime: 60\n"


def made(text: str) -> Any:
    job = parse(text, "job.yaml")
    found = template(job.template, EXAMPLES[0].parent) if job.template else None
    return job_request.request(job, found)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_examples_can_be_signed(path: Any) -> None:
    """They make messages without problems."""
    asked = job_request.with_files(made(path.read_text()), {"x": LocalFile("x", "x", 5, HASH)})
    message: Any = draft.message("MsgSubmitJob", job_request.fields(asked, "OFF-1", "cpu", "5uvirt"))
    assert checks.problems(message) == []
    assert message.data_references[0].uri == f"upload:{HASH}"


def test_defaults() -> None:
    """One node with one core and one GB."""
    size = made(HEAD + "command: a").resources
    assert (size.nodes, size.cpus_per_node, size.memory_gb_per_node, size.gpus_per_node) == (1, 1, 1, 0)


@pytest.mark.parametrize(
    ("text", "argv"),
    [
        ("command: [a, -b, c d]", ("a", "-b", "c d")),
        ("run: a | b > c", ("/bin/sh", "-c", "a | b > c")),
        ("run: |\n  a | b\n", ("/bin/sh", "-c", "a | b")),
        ("run: |\n  a\n  b\n", ("/bin/sh", "inputs/run.sh")),
        ("working_directory: ./x/y/\nrun: |\n  a\n  b\n", ("/bin/sh", "../../inputs/run.sh")),
    ],
)
def test_programs(text: str, argv: tuple[str, ...]) -> None:
    """A script is named from the program's working directory."""
    workload = made(HEAD + text).workload
    assert (workload.command, *workload.arguments) == argv


def test_a_preconfigured_workload() -> None:
    workload = made("workload: w\narguments: [1, x]\nmax_runtime: 60").workload
    assert (workload.preconfigured_id, workload.is_preconfigured, workload.arguments) == (
        "w",
        True,
        ("1", "x"),
    )


def test_a_template() -> None:
    """Its defaults, what the file sets, and the run time rounded up to minutes for its limits only."""
    asked = made(
        "template: batch-array\nset: {program: ./x, count: 8}\nresources: {cpus: 2}\nmax_runtime: 90"
    )
    assert asked.workload.arguments == ("program=./x", "count=8")
    assert (asked.resources.cpus_per_node, asked.resources.memory_gb_per_node) == (2, 4)
    assert asked.max_runtime_seconds == 90


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("template: batch-array", "template batch-array: parameter program is required"),
        ("template: nothing", "unknown template: 'nothing'; shipped templates: batch-array"),
        ("template: none.yaml", "none.yaml cannot be read: No such file or directory"),
    ],
)
def test_templates_that_do_not_fit(text: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        made(text)


def test_inputs() -> None:
    """In the order of the file; what the site needs to fetch and check them."""
    asked = made(
        HEAD
        + "run: a\noutputs: s3://site/bucket/key\ninputs:\n"
        + f"  - url: https://h/a.txt\n    sha256: {HASH}\n    size: 7\n    encrypted: true\n"
        + f"  - upload: {HASH}\n    name: b\n  - dataset: genomes\n  - file: local\n"
    )
    assert asked.inputs == (
        DataReference("a.txt", "https", "https://h/a.txt", True, f"sha256:{HASH}", 7),
        DataReference("b", "upload", f"upload:{HASH}", False, f"sha256:{HASH}", 0),
        DataReference("genomes", "site", "site:genomes", False, "", 0),
    )
    fields = job_request.fields(asked, "OFF-1", "cpu", "5uvirt")
    assert fields["encrypted_outputs_pointer"] == "s3://site/bucket/key"
