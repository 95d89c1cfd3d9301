"""The bill of materials of provd's packages: CycloneDX 1.5, of what uv.lock installs at run time.

The same lock gives the same bytes. `python -m tools.sbom FILE` is called by `make dist` and the builds of
both packages.
"""

import json
import re
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

from provider_daemon import __version__
from tools import ROOT

COMMAND = (
    "export",
    "-q",
    "--locked",
    "--no-default-groups",
    "--format",
    "cyclonedx1.5",
    "--preview-features",
    "sbom-export",
)


def exported() -> dict[str, Any]:
    done = subprocess.run(
        [ROOT / ".uv/bin/uv", *COMMAND], cwd=ROOT, capture_output=True, text=True, check=True
    )
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def text(document: dict[str, Any], date: str) -> str:
    """Returns the document. Its time is the release's, and its serial number is derived from its content."""
    document["metadata"]["timestamp"] = f"{date}T00:00:00Z"
    document.pop("serialNumber", None)
    document["serialNumber"] = (
        f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(document, sort_keys=True))}"
    )
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


def release_date() -> str:
    found = re.search(
        rf"^## {re.escape(__version__)} - (\S+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE
    )
    if found is None:
        raise SystemExit(f"CHANGELOG.md has no entry '## {__version__} - DATE'")
    return found[1]


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text(exported(), release_date()))
