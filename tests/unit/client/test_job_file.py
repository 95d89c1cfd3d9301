"""job.yaml: what it means, and every error with its line."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from provider_daemon.client.job_file import parse
from provider_daemon.errors import ConfigError
from tests.unit.docs import DOCS

EXAMPLES = sorted((DOCS / "examples").glob("*.yaml"))
HASH = "a" * 64


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text, "job.yaml")
    return caught.value.problems


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_examples_are_valid(path: Path) -> None:
    parse(path.read_text(), path.name)


def test_there_are_examples() -> None:
    assert [path.stem for path in EXAMPLES] == ["container", "gpu", "hello", "template", "with-inputs"]


def test_a_whole_file() -> None:
    """Numbers are words in commands and variables, durations are seconds, names come from the sources."""
    job = parse(
        "image: a\ncommand: [sleep, 10]\nenvironment: {N: 1, S: x}\nmax_runtime: 1h30m\nmax_price: 5uvirt\n"
        f"inputs:\n  - file: data/a.txt\n  - url: https://h/d/b%20c.txt?x=1\n    sha256: {HASH}\n"
        f"  - upload: {HASH}\n  - dataset: genomes\n  - url: ipfs://bafy\n",
        "job.yaml",
    )
    assert (job.command, job.environment, job.max_runtime) == (["sleep", "10"], {"N": "1", "S": "x"}, 5400)
    assert [given.called for given in job.inputs] == ["a.txt", "b c.txt", HASH, "genomes", "bafy"]


def test_json_is_yaml() -> None:
    assert parse('{"image": "a", "command": "true", "max_runtime": 60}', "job.json").command == ["true"]


def test_every_error_at_once_with_its_line() -> None:
    """A key's own line, also where its value begins below it."""
    assert problems(
        "nme: x\n"  # 1
        "image: a\n"
        "command: a b\n"  # 3
        "inputs:\n"
        "  - fil: x\n"  # 5
        "  - url: ftp://x\n"
        "  - file: .x\n"
        "  - url: https://a/b\n"
        "    sha256: XX\n"  # 9
        "resources:\n"
        "  cpu: 4\n"
        "  nodes: 0\n"  # 12
        "environment: {A: no}\n"
        "max_runtime: 10q\n"
        "max_price: 5\n"  # 15
        "max_price: x\n"
    ) == [
        "job.yaml:1: nme: unknown key; did you mean name?",
        "job.yaml:5: inputs[0].fil: unknown key; did you mean file?",
        "job.yaml:6: inputs[1]: url must begin with one of https://, http://, s3://, ipfs://",
        "job.yaml:7: inputs[2]: invalid name '.x': begins with '-' or '.'; set `name`",
        "job.yaml:9: inputs[3].sha256: must be a SHA-256 of 64 lower-case hex digits",
        "job.yaml:11: resources.cpu: unknown key; did you mean cpus?",
        "job.yaml:12: resources.nodes: Input should be greater than or equal to 1",
        "job.yaml:13: environment.A: must be text: quote it, YAML reads it as false",
        "job.yaml:14: max_runtime: must be seconds, or a duration such as 90s, 10m, 1h30m or 2d",
        "job.yaml:16: max_price is there twice",
        "job.yaml:16: max_price: invalid coin: 'x' must be an integer amount with its denom, such as 5000uve",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "1: must be an object with the keys of a job"),
        ("- a", "1: must be an object with the keys of a job"),
        ("a: [", "1: expected the node content, but found '<stream end>'"),
        ("a: b: c", "1: mapping values are not allowed here"),
        (
            "image: a\nmax_runtime: 60",
            "1: exactly one of command, run, template, workload is required",
        ),
        ("command: a\nmax_runtime: 60", "1: image is required with command"),
        ("image: a\ncommand: a", "1: max_runtime is required, such as 10m"),
        (
            "image: a\nrun: a\ncommand: a\nmax_runtime: 60",
            "2: run: exactly one of command, run, template, workload is required",
        ),
        ("template: t\nimage: a", "2: image: cannot be combined with template"),
        ("workload: w\nset: {a: 1}\nmax_runtime: 60", "2: set: cannot be combined with workload"),
        (
            "image: a\nmax_runtime: 60\ncommand: echo hello",
            "3: command: must be one program name, or a list of it and its arguments; for a shell use `run`",
        ),
        (
            'image: a\nmax_runtime: 60\ncommand:\n  - sh\n  - "a\\nb"',
            "5: command[1]: line breaks and NUL are not allowed: use `run`, or an input file",
        ),
        (
            "image: a\nmax_runtime: 60\nrun: a\ninputs:\n  - file: x\n    dataset: y",
            "5: inputs[0]: exactly one of file, url, upload, dataset is required",
        ),
        (
            "image: a\nmax_runtime: 60\nrun: a\ninputs:\n  - url: https://a/b",
            "5: inputs[0]: sha256 is required with url: run `sha256sum` on the file",
        ),
        (
            "image: a\nmax_runtime: 60\nrun: a\ninputs:\n  - file: x\n    size: 5",
            "5: inputs[0]: sha256 and size are only for url: provd computes those of files",
        ),
        (
            "image: a\nmax_runtime: 60\nrun: a\ninputs: [{file: a/x}, {file: b/x}]",
            "4: inputs[0]: the name 'x' is there twice; set `name`",
        ),
        (
            "image: a\nmax_runtime: 60\nrun: |\n  a\n  b\ninputs: [{file: run.sh}]",
            "6: inputs[0]: the name 'run.sh' is there twice; set `name`",
        ),
        ("image: a\nmax_runtime: 59\nrun: a", "2: max_runtime: Input should be greater than or equal to 60"),
        (
            "image: a\nmax_runtime: 60\nrun: a\nresources: {gpu_type: a100}",
            "4: resources: gpu_type requires gpus",
        ),
        (
            "image: a\nmax_runtime: 60\nrun: a\ninputs:\n  - url: https://a/b#name=c",
            "5: inputs[0]: url must not have a fragment (#): set `name` for the file's name",
        ),
        ("image: 5\nmax_runtime: 60\nrun: a", "1: image: must be text: put it in quotes"),
    ],
)
def test_what_is_refused(text: str, problem: str) -> None:
    assert f"job.yaml:{problem}" in problems(text)


@example("\xa0:")
@given(st.text(max_size=200))
def test_arbitrary_text(text: str) -> None:
    """A job, or lines that name the file."""
    found: list[str] = []
    try:
        parse(text, "job.yaml")
    except ConfigError as error:
        found = error.problems
    assert all(line.startswith("job.yaml:") for line in found)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["file", "url", "nodes", "x", ""]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(["image", "command", "run", "inputs", "resources", "set"]), VALUES))
def test_values_of_any_type(values: dict[str, object]) -> None:
    """Never anything but a job or a ConfigError."""
    import json

    with suppress(ConfigError):
        parse(json.dumps(values), "job.yaml")
