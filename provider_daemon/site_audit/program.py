"""The command of a probe job: Python with all modules in one argument."""

import base64
import functools
import json
import zlib
from collections.abc import Mapping

from provider_daemon.site_files import bundle

REMOTE = "provider_daemon.site_audit.remote"
# Each module imports only those before it.
MODULES = ("report", "network", "kernel", "resources", "slurm", "leftovers", "roles")
# Lines cannot be in an argument of a job, and the quotes of one line need no escape.
_LOADER = (
    "import base64,json,sys,types,zlib;"
    "texts=json.loads(zlib.decompress(base64.b64decode(sys.argv[1])).decode());"
    "[(sys.modules.__setitem__(name,types.ModuleType(name)),"
    "exec(compile(text,name,'exec'),sys.modules[name].__dict__)) for name,text in texts];"
    f"sys.modules['{REMOTE}.roles'].main(json.loads(base64.b64decode(sys.argv[2]).decode()))"
)


@functools.cache
def _modules() -> str:
    text = json.dumps(bundle.listed(REMOTE, MODULES))
    return base64.b64encode(zlib.compress(text.encode(), 9)).decode("ascii")


def argv(asked: Mapping[str, object], word: str = "") -> tuple[str, ...]:
    """Returns the job's program and arguments. `word` is one more argument, by which the job can be seen."""
    text = base64.b64encode(json.dumps(asked).encode()).decode("ascii")
    return ("python3", "-c", _LOADER, _modules(), text, *([word] if word else []))
