"""Compiles every .proto file of provider_daemon/chain/proto.

Run it with `make proto`, or `python -m tools.compile_protos OUTPUT_ROOT`. The include path is the project
root, so the generated modules import each other by absolute package path and no top-level `cosmos` package
exists that another Cosmos library could collide with. The generated code is committed; a test compiles again
into a temporary folder and compares.
"""

import sys
from importlib import resources
from pathlib import Path

from tools import ROOT

PROTOS = ROOT / "provider_daemon/chain/proto"


def proto_files() -> list[str]:
    """Returns paths relative to the project root, sorted."""
    return sorted(str(path.relative_to(ROOT)) for path in PROTOS.rglob("*.proto"))


def generate(output_root: Path) -> None:
    """Writes *_pb2.py, *_pb2.pyi and *_pb2_grpc.py below output_root.

    Raises RuntimeError if protoc rejects a file.
    """
    from grpc_tools import protoc

    well_known = str(resources.files("grpc_tools") / "_proto")
    outputs = [
        f"--{kind}={output_root}" for kind in ("python_out", "mypy_out", "grpc_python_out", "mypy_grpc_out")
    ]
    if protoc.main(["protoc", f"-I{ROOT}", f"-I{well_known}", *outputs, *proto_files()]) != 0:
        raise RuntimeError("protoc refused a file: see its message above")


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT)
