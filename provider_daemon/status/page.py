"""The status page: one file. Its policy allows only its own style and script, by their hashes."""

import hashlib
import re
from base64 import b64encode
from importlib import resources


def load() -> str:
    return resources.files(__package__).joinpath("page.html").read_text()


def policy(page: str) -> str:
    """Returns the page's Content-Security-Policy."""
    style, script = (
        _hash(re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)[0]) for tag in ("style", "script")
    )
    return (
        f"default-src 'none'; script-src {script}; style-src {style}; img-src data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for "
        "'script'; trusted-types 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
