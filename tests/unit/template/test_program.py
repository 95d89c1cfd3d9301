"""From a template and what a customer set to the program, and to the script that bash reads."""

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from provider_daemon.config.model import ImageConfig, default_toml, parse
from provider_daemon.dry_run.preview import preview
from provider_daemon.errors import ConfigError
from provider_daemon.job.admission import (
    Image,
    Inadmissible,
    PreconfiguredWorkload,
    Program,
    QueueOption,
    SitePolicy,
    Terms,
    admit,
)
from provider_daemon.job.claim import CLAIMS
from provider_daemon.job.containment import MOUNTING, Launcher
from provider_daemon.job.spec import Resources, Spec, Workload
from provider_daemon.template import library
from provider_daemon.template.document import TemplateError, read, write
from provider_daemon.template.model import Template
from provider_daemon.template.order import order
from provider_daemon.template.program import program_of
from provider_daemon.template.signature import public_key, sign
from provider_daemon.template.trusted import trusted
from provider_daemon.template.values import BadValue, chosen
from tests.unit.job.jobs import JOB

CLUSTER = parse(default_toml(), "example").clusters[0]
MPI, GPU, ARRAY = (library.shipped()[name] for name in ("mpi-standard", "gpu-compute", "batch-array"))
ECHO = read(
    """
schema_version: 1.0.0
template:
  template_id: echo
  name: Echo
  version: 1.0.0
  type: custom
  entrypoint:
    command: printf
    default_args: ["[%s]", "{what}", "x{what}y", "{maybe}"]
    working_directory: "in/{where}"
    pre_run_script: |
      before=1
    post_run_script: |
      echo after $before
  environment: {GREETING: "{what}"}
  parameter_schema:
    - {name: what, required: true}
    - {name: maybe, default: ""}
    - {name: where, default: here, pattern: "[a-z]+"}
"""
)


def spec(*arguments: str, **resources: int | str) -> Spec:
    asked = Resources(**{"nodes": 2, "cpus_per_node": 4, "memory_gb_per_node": 4, **resources})  # type: ignore[arg-type]
    return replace(
        JOB.spec,
        workload=Workload(arguments=arguments, is_preconfigured=True),
        resources=asked,
        max_runtime_seconds=3600,
    )


def with_variables(asked: Spec, *variables: tuple[str, str]) -> Spec:
    return replace(asked, workload=replace(asked.workload, environment=variables))


def test_an_mpi_program_is_started_on_every_core() -> None:
    """srun outside, as many tasks as nodes times cores, one core a task; what was not given is no empty
    argument."""
    program = program_of(MPI, spec("program=./a.out", "threads=2"))
    assert program == Program(
        "", (), ("./a.out",), ("srun", "--ntasks", "8"), (("OMP_NUM_THREADS", "2"),),
        prologue=("ulimit -n 4096",), tasks_per_node=4
    )  # fmt: skip


def test_mpirun_where_the_publisher_wants_it() -> None:
    """The same tasks, by the MPI's own starter."""
    template = MPI.model_copy(update={"entrypoint": MPI.entrypoint.model_copy(update={"use_mpirun": True})})
    assert program_of(template, spec("program=x")).wrapper == ("mpirun", "-n", "8")


@pytest.mark.parametrize(
    ("template", "asked", "said"),
    [
        (MPI, spec("program=x", nodes=65), "65 nodes requested, allowed are 1 to 64"),
        (
            MPI,
            spec("program=x", memory_gb_per_node=0),
            "0 MB of memory per node requested, allowed are 1024 or more",
        ),
        (MPI, spec(), "parameter program is required"),
        (MPI, spec("program=x", "nodes=3"), "unknown parameter: nodes"),
        (MPI, spec("program=x", "program=y"), "each name may be given once"),
        (MPI, spec("a.out"), "'a.out' must be name=value"),
        (MPI, spec("program=$(id)"), "does not match"),
        (
            MPI,
            with_variables(spec("program=x"), ("PYTHONPATH", "/scratch/mine")),
            "must not set environment variables",
        ),
        (MPI, spec("program=x", "threads=0"), "parameter threads: 0, the minimum is 1"),
        (MPI, spec("program=x", "threads=two"), "threads must be an integer: 'two'"),
        (MPI, spec("program=x", "threads=٣"), "must be an integer"),
        (
            GPU,
            spec("script=t.py", nodes=1, cpus_per_node=1, gpus_per_node=1, gpu_type="rx580"),
            "gpu_type 'rx580' is not one of",
        ),
        (ECHO, spec("what=a\nb", nodes=1), "must not contain line breaks or NUL"),
        (ECHO, spec("what=" + "x" * 1025, nodes=1), "1025 characters, the maximum is 1024"),
    ],
)
def test_what_a_template_does_not_take(template: Template, asked: Spec, said: str) -> None:
    """Refused at intake, with a sentence that names the template and what it takes."""
    with pytest.raises(Inadmissible) as caught:
        program_of(template, asked)
    assert said in str(caught.value)
    assert template.template_id in str(caught.value)


def run(script: str, tmp_path: object) -> subprocess.CompletedProcess[str]:
    root = Path(f"{tmp_path}.root")
    shutil.rmtree(root, ignore_errors=True)
    (root / CLAIMS).mkdir(parents=True)
    return subprocess.run(
        ["bash", "-s"],
        input=script.replace(CLUSTER.work_root, str(root)),
        capture_output=True,
        text=True,
        cwd=str(tmp_path),
        env=os.environ | {"SLURM_JOB_ID": "7"},
        check=False,
    )


HOSTILE = st.text(st.characters(exclude_characters="\0\r\n", exclude_categories=["Cs"]), max_size=60).filter(
    lambda text: not text.startswith("-")
)


@settings(max_examples=60, deadline=None)
@given(HOSTILE)
@example("$(touch pwned)")
@example("'; touch pwned; '")
@example("`touch pwned`")
@example('"$HOME"')
@example("{maybe}{what}{nodes}")
@example("x -n")
def test_no_value_reaches_the_shell(tmp_path_factory: pytest.TempPathFactory, what: str) -> None:
    """Whatever a customer sets arrives as that very text, in its own argument and once, and nothing else
    happens."""
    assume(what != ":")  # a lone colon is refused: test_no_parameter_becomes_an_option
    place = tmp_path_factory.mktemp("run")
    done = run(preview(ECHO, {"what": what}, CLUSTER, "chain-1"), place)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"[{what}][x{what}y]after 1\n" if what else "[xy]after 1\n"
    assert sorted(path.name for path in place.rglob("*")) == ["here", "in"]


def test_the_exit_code_is_the_programs(tmp_path: object) -> None:
    """What the publisher runs afterwards does not hide that the program failed."""
    failing = ECHO.model_copy(update={"entrypoint": ECHO.entrypoint.model_copy(update={"command": "false"})})
    done = run(preview(failing, {"what": "x"}, CLUSTER, "chain-1"), tmp_path)
    assert (done.returncode, done.stdout) == (1, "after 1\n")


def test_an_array_runs_each_index_once(tmp_path: object) -> None:
    """The shipped one, under a real shell: every index, and the failure of one is the job's."""
    done = run(preview(ARRAY, {"program": "echo", "count": "5"}, CLUSTER, "chain-1"), tmp_path)
    assert sorted(done.stdout.split()) == ["0", "1", "2", "3", "4"]
    assert (
        run(preview(ARRAY, {"program": "false", "count": "2"}, CLUSTER, "chain-1"), tmp_path).returncode != 0
    )


def test_modules_limits_and_binds_are_the_publishers() -> None:
    """Lines of the script before the program, in this order."""
    template = read(
        write(ECHO).replace(
            "  type: custom",
            (
                "  type: custom\n  modules: [gcc/12.2, openmpi]\n  security: {max_open_files: 64, "
                "max_processes: 9}"
            ),
        )
    )
    script = preview(template, {"what": "x"}, CLUSTER, "chain-1").splitlines()
    lines = [
        "module load gcc/12.2 || exit 73",
        "module load openmpi || exit 73",
        "ulimit -n 64",
        "ulimit -u 9",
        "before=1",
    ]
    assert [line for line in script if line in lines] == lines


def test_a_container_runs_as_the_site_says() -> None:
    """The image, pinned by its digest, under the launcher of the first pattern that fits it; an image of no
    pattern is refused."""
    template = library.shipped()["container"]
    pinned = template.model_copy(
        update={"runtime": template.runtime.model_copy(update={"image_digest": "sha256:" + "a" * 64})}
    )
    entry = ImageConfig(pattern="docker.io/library/*", run=["apptainer", "exec", "docker://{image}"])
    own = CLUSTER.model_copy(update={"images": [entry]})
    assert f"'docker://docker.io/library/debian:12-slim@sha256:{'a' * 64}' 'true'" in preview(
        pinned, {"program": "true"}, own, "c"
    )
    assert "'provd-bubblewrap'" in preview(pinned, {"program": "true"}, CLUSTER, "c")
    with pytest.raises(ConfigError, match="is not allowed on this site"):
        preview(GPU, {"script": "x.py"}, CLUSTER, "c")


@pytest.mark.parametrize("launcher", Launcher)
def test_a_launcher_mounts_bindings_or_the_job_is_refused(launcher: Launcher) -> None:
    """No job starts in a container without a directory that its template needs."""
    template = read(
        write(ECHO).replace(
            "  type: custom",
            "  type: custom\n  runtime: {container_image: docker.io/library/x, runtime_type: apptainer}\n"
            "  security: {allow_host_mounts: true, allowed_host_paths: [/data]}\n"
            "  data_bindings: [{name: genomes, host_path: /data/genomes, mount_path: /genomes}]",
        )
    )
    entry = ImageConfig.model_validate(
        {"pattern": "docker.io/library/*", "launcher": launcher, "network": launcher is Launcher.PYXIS}
    )
    own = CLUSTER.model_copy(update={"images": [entry]})
    if launcher in MOUNTING:
        script = preview(template, {"what": "x"}, own, "c")
        assert "export APPTAINER_BIND=/data/genomes:/genomes:ro" in script
    else:
        with pytest.raises(ConfigError, match=f"needs /data/genomes of the site .* with {launcher}"):
            preview(template, {"what": "x"}, own, "c")


# --- ordering by --set ---


def test_an_order_takes_defaults_and_settings() -> None:
    """Resources and parameters under one flag; memory in whole GB, rounded up."""
    made = order(GPU, {"script": "t.py", "gpus_per_node": "2", "memory_mb_per_node": "4097"})
    assert made.resources == Resources(1, 8, 5, 2, "nvidia-a100")
    assert (made.max_runtime_seconds, made.arguments) == (7200, ("script=t.py",))
    with pytest.raises(BadValue, match="nodes must be an integer: 'two'"):
        order(MPI, {"nodes": "two"})
    with pytest.raises(BadValue, match="unknown parameter: color"):
        order(MPI, {"program": "x", "color": "red"})


@given(st.dictionaries(st.sampled_from(["program", "arguments", "threads", "other"]), st.text(max_size=8)))
def test_values_are_checked_or_refused(given_values: dict[str, str]) -> None:
    """Any set of texts gives every parameter a value that its own schema allows, or a BadValue."""
    try:
        found = chosen(MPI.parameter_schema, given_values)
    except BadValue:
        return
    assert set(found) == {"program", "arguments", "threads"}
    assert 1 <= int(found["threads"]) <= 256


# --- what a site allows ---

SEED = b"k" * 32


def test_a_site_lets_in_what_it_named_and_trusts(tmp_path: object) -> None:
    """Its own file before the shipped one of that name; every reason against one is told at once."""
    signed = sign(ECHO.model_copy(update={"approval_status": "approved"}), SEED, "2026-01-01T00:00:00Z")
    for name, template in (
        ("echo.yaml", signed),
        ("pending.yaml", ECHO.model_copy(update={"template_id": "pending"})),
    ):
        (tmp_path / name).write_text(write(template))  # type: ignore[operator]
    assert list(trusted(["echo"], str(tmp_path), [public_key(SEED)])) == ["echo"]
    assert list(trusted(["mpi-standard"], "", [library.PUBLISHER])) == ["mpi-standard"]
    assert trusted([], "/does/not/matter", []) == {}
    with pytest.raises(TemplateError) as caught:
        trusted(["echo", "pending", "nothing", "mpi-standard"], str(tmp_path), [])
    said = caught.value.problems
    assert [line.split(":")[0] for line in said] == ["echo", "pending", "nothing", "mpi-standard"]
    assert "approval_status is pending" in said[1]
    assert "known templates: batch-array" in said[2]


def test_a_directory_with_a_broken_file(tmp_path: object) -> None:
    """The file is named before its mistakes; a directory that is not there is one line."""
    (tmp_path / "x.yml").write_text("schema_version: 2")  # type: ignore[operator]
    with pytest.raises(TemplateError, match=r"x\.yml: schema_version"):
        trusted(["echo"], str(tmp_path), [])
    with pytest.raises(TemplateError, match="No such file"):
        trusted(["echo"], "/no/such/directory", [])


@pytest.mark.parametrize("program", ["-S", "-0", "-", "--"])
def test_no_parameter_becomes_an_option(program: str) -> None:
    """A text that begins an argument of the template's own program: `sh`'s words are handed to env(1)
    there."""
    with pytest.raises(Inadmissible, match="cannot begin with '-'"):
        program_of(ARRAY, spec(f"program={program}", "count=2", nodes=1))
    with pytest.raises(Inadmissible, match="cannot begin with '-'"):
        program_of(
            GPU,
            spec(
                "script=-c",
                nodes=1,
                cpus_per_node=8,
                memory_gb_per_node=32,
                gpus_per_node=1,
                gpu_type="nvidia-a100",
            ),
        )


@pytest.mark.parametrize("template_id", ["mpi-standard", "container"])
def test_a_program_parameter_is_never_an_option(template_id: str) -> None:
    """Where the customer names the program, srun, mpirun or the container's launcher stand before it."""
    template = library.shipped()[template_id]
    terms = Terms((QueueOption(JOB.spec.queue),), (PreconfiguredWorkload(template_id, "", ()),))
    site = SitePolicy(
        images=(Image("*", ("srun",)),), templates={template_id: lambda spec: program_of(template, spec)}
    )
    asked = spec("program=--output", nodes=1)
    asked = replace(asked, workload=replace(asked.workload, preconfigured_id=template_id))
    with pytest.raises(Inadmissible, match="cannot begin with '-'"):
        admit(asked, terms, site)


def test_no_place_inside_a_shells_text() -> None:
    """A customer's text there would be commands: the template is refused."""
    text = write(ECHO).replace("command: printf", "command: sh").replace("'[%s]'", "-c")
    with pytest.raises(TemplateError, match="inside the text of sh"):
        read(text)
