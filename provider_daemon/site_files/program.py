"""The text that starts the remote program: sh finds an interpreter, which reads the modules from stdin."""

import functools
import json

from provider_daemon.site_files import bundle

REMOTE = "provider_daemon.site_files.remote"
# Each module imports only those before it.
MODULES = ("wire", "beneath", "reading", "walking", "archive", "writing", "batch", "serve")
INTERPRETERS = ("python3", "/usr/libexec/platform-python")
NO_PYTHON = "provd-no-python"
NO_PYTHON_EXIT = 96

# Executes the modules of a JSON object from stdin, and continues with the same stdin.
_LOADER = """
import sys
def load(size):
    import json, types
    for name, text in json.loads(sys.stdin.buffer.read(size).decode("ascii")):
        module = sys.modules[name] = types.ModuleType(name)
        exec(compile(text, name, "exec"), module.__dict__)
load(%d)
sys.modules["%s.serve"].main(sys.stdin.buffer, 1)
"""


@functools.cache
def modules() -> bytes:
    """Returns [[full name, text], ...] with the parent packages as empty modules."""
    return json.dumps(bundle.listed(REMOTE, MODULES), separators=(",", ":")).encode("ascii")


def shell() -> str:
    """Returns POSIX sh that runs the loader with the first interpreter of Python 3.6 or newer.

    -I and -S: nothing of the account's environment, home or installed packages is imported.
    """
    loader = _LOADER % (len(modules()), REMOTE)
    check = "import sys; sys.exit(sys.version_info < (3, 6))"
    return (
        f"for python in {' '.join(INTERPRETERS)}; do\n"
        f"\"$python\" -I -S -c '{check}' </dev/null >/dev/null 2>&1 || continue\n"
        f"exec \"$python\" -I -S -c '{loader}'\n"
        f"done\necho {NO_PYTHON} >&2\nexit {NO_PYTHON_EXIT}\n"
    )
