"""Paths of files in a job's directory, as they stand in a URL. Pure.

The site refuses whatever leaves the directory; these checks refuse it earlier, and in every encoded form.
"""

from urllib.parse import unquote_to_bytes

from provider_daemon.gateway.errors import ApiError, Code

MAX_PATH, MAX_NAME = 4096, 255  # bytes, as in Linux


def from_url(raw: str) -> str:
    """Returns the path in a URL's undecoded part. It is decoded once.

    Names on disk are bytes: those that are not UTF-8 are decoded with surrogateescape. Raises ApiError for an
    empty or absolute path, for `.`, `..` and empty names, for an encoded slash, and for NUL.
    """
    names = [unquote_to_bytes(part.encode(errors="surrogateescape")) for part in raw.split("/")]
    if any(b"/" in name for name in names):
        raise ApiError(Code.BAD_PATH, "A name in the path contains an encoded slash.")
    return checked(b"/".join(names).decode(errors="surrogateescape"))


def checked(path: str) -> str:
    """Returns the path; raises ApiError as `from_url`."""
    names = path.split("/")
    if any(name in ("", ".", "..") for name in names) or "\0" in path:
        raise ApiError(Code.BAD_PATH, "The path must be relative, without empty names, '.' and '..'.")
    encoded = path.encode(errors="surrogateescape")
    if len(encoded) > MAX_PATH or any(
        len(name.encode(errors="surrogateescape")) > MAX_NAME for name in names
    ):
        raise ApiError(Code.BAD_PATH, "The path or a name in it is too long.")
    return path


def prefix(text: str) -> str:
    """Returns a directory's path, "" for the job's directory itself. Raises ApiError as `from_url`."""
    return checked(text.removesuffix("/")) if text.removesuffix("/") else ""
