"""Template documents: what is read, what is refused and why, and who vouches for it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.template import library
from provider_daemon.template.document import TemplateError, canonical, content_hash, json_schema, read, write
from provider_daemon.template.model import Template
from provider_daemon.template.signature import public_key, sign, verify
from tests.unit.docs import DOCS, page

SEED = b"s" * 32
PUBLIC = public_key(SEED)
SMALL = """
schema_version: 1.0.0
template:
  template_id: hello
  name: Hello
  version: 0.1.0
  type: custom
  entrypoint: {command: echo, default_args: ["{what}"]}
  parameter_schema: [{name: what, default: world}]
"""


def small() -> Template:
    return read(SMALL)


def problems(text: str) -> list[str]:
    with pytest.raises(TemplateError) as caught:
        read(text)
    return caught.value.problems


def test_json_is_yaml() -> None:
    """The same document as JSON is the same template."""
    assert (
        read(json.dumps({"schema_version": "1.0.0", "template": small().model_dump(mode="json")})) == small()
    )


@pytest.mark.parametrize("template_id", sorted(library.shipped()))
def test_shipped_templates_are_whole_and_signed(template_id: str) -> None:
    """Each of the five reads, is written again as itself, is approved, and carries the signature of the
    publisher that we name."""
    template = library.shipped()[template_id]
    assert read(write(template)) == template
    assert template.approval_status == "approved"
    assert verify(template, [library.PUBLISHER]) == library.PUBLISHER


def test_what_is_shipped() -> None:
    """One of each kind that a customer can use: nothing leads to the port of an interactive one."""
    assert sorted(library.shipped()) == [
        "batch-array",
        "container",
        "gpu-compute",
        "mpi-standard",
    ]


def test_every_mistake_at_once() -> None:
    """A line for each, with its field."""
    text = (
        SMALL.replace("hello", "Hello!")
        .replace("0.1.0", "1")
        .replace("custom", "magic")
        .replace("name: Hello", "nom: Hello")
    )
    assert [line.split(":")[0] for line in problems(text)] == [
        "template.template_id", "template.name", "template.version", "template.type", "template.nom",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("{what}", "{whom}", "template.entrypoint.default_args: {whom} is no parameter"),
        ("name: what", "name: nodes",
        "template.parameter_schema.nodes: the name stands for what a job asks for anyway"),
        ("default: world", "required: true, default: x",
        "template.parameter_schema.what: a required parameter has no default"),
        ("default: world", "type: integer, default: x",
        "template.parameter_schema.what: parameter what: 'x' is not of type integer"),
        ("default: world", "pattern: '(', default: x",
        "template.parameter_schema.what: pattern: missing ), unterminated subpattern"),
        ("default: world", "description: x",
        "template.parameter_schema.what: neither required nor with a default"),
        ("type: custom", "type: custom\n  runtime: {container_image: x/y}",
        "a container image goes with a container runtime"),
        ("type: custom", "type: custom\n  modules: ['a; id']",
        "template.modules.0: String should match pattern"),
        ("echo", '"a\\nb"', "template.entrypoint.command: String should match pattern"),
        ("type: custom", "type: custom\n  environment: {A: '{nobody}'}",
        "template.environment.A: {nobody} is no parameter"),
    ],
)  # fmt: skip
def test_what_cannot_hold(old: str, new: str, said: str) -> None:
    """Beyond the form of a field: places that lead nowhere, defaults that the schema itself refuses, images
    without a runtime."""
    assert any(said in line for line in problems(SMALL.replace(old, new))), problems(SMALL.replace(old, new))


@pytest.mark.parametrize(
    ("security", "said"),
    [
        ("allowed_registries: [quay.io]", "from none of the allowed registries"),
        ("allowed_images: ['quay.io/*']", "none of the allowed images"),
        ("blocked_images: ['docker.io/library/deb*']", "is blocked"),
        ("require_image_digest: true", "asks for one"),
    ],
)
def test_images_that_security_forbids(security: str, said: str) -> None:
    """A template cannot name an image that its own security part does not let through."""
    runtime = "runtime: {container_image: docker.io/library/debian, runtime_type: apptainer}"
    text = SMALL.replace("type: custom", f"type: custom\n  {runtime}\n  security: {{{security}}}")
    assert any(said in line for line in problems(text))


@pytest.mark.parametrize(
    ("path", "said"),
    [("/data/../etc", "below none"), ("/database", "below none"), ("/data/x", ""), ("/data", "")],
)
def test_bindings_stay_below_what_is_allowed(path: str, said: str) -> None:
    """A host directory is bound only below an allowed one, and never by a way around."""
    runtime = "runtime: {container_image: docker.io/library/debian, runtime_type: apptainer}"
    security = "security: {allow_host_mounts: true, allowed_host_paths: [/data]}"
    binding = f"data_bindings: [{{name: d, host_path: {path}, mount_path: /d}}]"
    text = SMALL.replace("type: custom", f"type: custom\n  {runtime}\n  {security}\n  {binding}")
    assert (any(said in line for line in problems(text))) if said else read(text)


def test_a_changed_template_says_so() -> None:
    """One changed word: the content hash no longer fits, and the reason is that the content changed."""
    changed = sign(small(), SEED, "2026-01-01T00:00:00Z").model_copy(update={"name": "Hallo"})
    with pytest.raises(TemplateError, match="content was changed after signing"):
        verify(changed, [PUBLIC])


def test_a_hash_that_was_made_to_fit() -> None:
    """Content and hash changed together: the signature is over the old hash."""
    signed = sign(small(), SEED, "2026-01-01T00:00:00Z")
    changed = signed.model_copy(update={"name": "Hallo"})
    assert signed.signature is not None
    forged = changed.model_copy(
        update={"signature": signed.signature.model_copy(update={"content_hash": content_hash(changed)})}
    )
    with pytest.raises(TemplateError, match="the signature does not match"):
        verify(forged, [PUBLIC])


def test_only_trusted_signers() -> None:
    """A good signature by a stranger, or by one whom the template itself does not name, is none."""
    signed = sign(small(), SEED, "2026-01-01T00:00:00Z")
    assert verify(signed, [PUBLIC]) == PUBLIC
    with pytest.raises(TemplateError, match="not a trusted signer"):
        verify(signed, ["00" * 32])
    with pytest.raises(TemplateError, match="is not signed"):
        verify(small(), [PUBLIC])
    named = small().model_copy(
        update={"security": small().security.model_copy(update={"trusted_signers": ("00" * 32,)})}
    )
    with pytest.raises(TemplateError, match="not a trusted signer"):
        verify(sign(named, SEED, "2026-01-01T00:00:00Z"), [PUBLIC])


def test_the_hash_is_of_the_content_alone() -> None:
    """Field order, comments and the signature do not matter; the canonical form is sorted JSON without
    spaces."""
    assert content_hash(read("# a comment\n" + SMALL)) == content_hash(
        sign(small(), SEED, "2026-01-01T00:00:00Z")
    )
    assert json.loads(canonical(small()))["template_id"] == "hello"
    assert b": " not in canonical(small())


@given(st.text())
def test_any_text_is_a_template_or_a_reason(text: str) -> None:
    """Nothing but TemplateError ever comes of a document."""
    try:
        read(text)
    except TemplateError as error:
        assert error.problems  # noqa: PT017 - which texts are templates is not known beforehand


def test_the_schema_is_json() -> None:
    """Editors can check a document by it."""
    schema = json.loads(json_schema())
    assert schema["properties"]["schema_version"]["const"] == "1.0.0"
    assert schema["$schema"].startswith("https://json-schema.org/")


def test_the_published_schema_is_this_one() -> None:
    """docs/template.schema.json is what `provd template schema` prints."""
    assert (DOCS / "template.schema.json").read_text() == json_schema()


def test_the_guide_lists_what_is_shipped() -> None:
    """docs/templates.md shows the list as it is printed, and the publisher's key."""
    text = page("templates.md")
    assert library.PUBLISHER in text
    for template in library.shipped().values():
        assert (
            f"{template.template_id:<16} {template.version:<9} {template.type:<12} {template.name}\n" in text
        )
