"""The committed generated code is what the committed .proto files give."""

import os
import sys
from pathlib import Path

import pytest

from tools import ROOT, compile_protos

PROTO = Path("provider_daemon/chain/proto")


def generated(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in (root / PROTO).rglob("*_pb2*")
        if path.suffix in (".py", ".pyi")
    }


def test_generated_code_is_committed_as_it_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiling again changes no byte of any file, and there is no file that compiling does not make."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    compile_protos.generate(tmp_path)
    made, committed = generated(tmp_path), generated(ROOT)
    assert len(made) == 4 * len(compile_protos.proto_files())
    assert made.keys() == committed.keys()
    assert [name for name in made if made[name] != committed[name]] == []
