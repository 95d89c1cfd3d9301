"""`provd template`: what a publisher and an operator type."""

from pathlib import Path

from typer.testing import CliRunner, Result

from provider_daemon.cli.app import app
from provider_daemon.template import library


def provd(*words: str | Path) -> Result:
    return CliRunner().invoke(app, ["template", *map(str, words)])


def test_list_and_show() -> None:
    """A line for each that is shipped; shown as a document that is valid again."""
    lines = provd("list").stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == sorted(library.shipped())
    assert provd("show", "container").stdout.startswith(
        "schema_version: 1.0.0\ntemplate:\n  template_id: container\n"
    )


def test_from_a_key_to_a_verified_template(tmp_path: Path) -> None:
    """keygen, sign, verify; one changed word is noticed; nobody else can read the key, and it is never
    replaced."""
    key, signed = tmp_path / "publisher.key", tmp_path / "mine.yaml"
    public = provd("keygen", key).stdout.strip()
    assert key.stat().st_mode & 0o077 == 0
    assert "File exists" in str(provd("keygen", key).exception)
    signed.write_text(provd("sign", "container", "--key-file", key).stdout)
    assert (
        provd("verify", signed, "--signer", public).stdout
        == f"container 1.0.0: valid signature by {public}\n"
    )
    assert "not a trusted signer" in str(provd("verify", signed).exception)
    signed.write_text(signed.read_text().replace("small Debian", "large Debian"))
    assert "content was changed" in str(provd("verify", signed, "--signer", public).exception)


def test_a_key_that_is_none(tmp_path: Path) -> None:
    """One line that does not quote the file."""
    key = tmp_path / "key"
    key.write_text("abcd")
    key.chmod(0o600)
    error = provd("sign", "container", "--key-file", key).exception
    assert str(key) in str(error)
    assert "abcd" not in str(error)


def test_validate_names_what_is_wrong(tmp_path: Path) -> None:
    """A problem for each mistake; a file or a template that is not there is one line."""
    broken = tmp_path / "x.yaml"
    broken.write_text(provd("show", "container").stdout.replace("type: custom", "type: magic"))
    assert "template.type" in str(provd("validate", broken).exception)
    assert provd("validate", "mpi-standard").stdout == "mpi-standard 1.0.0: valid\n"
    assert "cannot be read" in str(provd("validate", tmp_path / "none.yaml").exception)
    assert "unknown template" in str(provd("validate", "none").exception)


def test_render_prints_the_script() -> None:
    """Directives first, the site's launcher, the customer's value as one quoted word."""
    script = provd("render", "container", "--set", "program=echo", "--set", "argument=$(id) 'x'").stdout
    assert script.startswith("#!/bin/bash\n#SBATCH --job-name=ve-")
    assert script.endswith(r"""'echo' '$(id) '\''x'\'''""" + "\n")
    assert provd("render", "container", "--set", "program").exit_code == 2
