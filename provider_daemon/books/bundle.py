"""The evidence of an answer to a dispute: a zip file with a signed manifest. Pure.

`manifest.json` names every other file with its size and SHA-256, who answers which dispute, and the answer's
text. `signature.json` has the SHA-256 of the manifest, the provider's signature over the manifest (as over
all evidence, chain/evidence.py) and its public key, from which the provider's address follows.
"""

import base64
import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from provider_daemon.chain import signed_documents
from provider_daemon.chain.keys import Signer

VERSION = 1
MANIFEST, SIGNATURE = "manifest.json", "signature.json"
MAX_BYTES = 64 * 2**20  # of all files of an archive that is checked
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the time of every file in the archive: equal contents are equal archives


@dataclass(frozen=True, slots=True)
class Answer:
    """What the manifest says besides the files. `answered_at` is in seconds since the epoch."""

    chain_id: str
    dispute_id: str
    job_id: str
    provider: str
    customer: str
    answered_at: int
    text: str


@dataclass(frozen=True, slots=True)
class Checked:
    """A checked archive. `problems` is empty if every file is as it was signed by `provider`."""

    manifest: Mapping[str, Any]
    manifest_hash: str
    provider: str
    problems: tuple[str, ...]


def build(answer: Answer, files: Mapping[str, bytes], signer: Signer) -> tuple[bytes, str]:
    """Returns the archive and the SHA-256 of its manifest."""
    manifest = signed_documents.canonical(
        {
            "version": VERSION,
            **asdict(answer),
            "files": [
                {"name": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
                for name, data in sorted(files.items())
            ],
        }
    )
    digest = hashlib.sha256(manifest).hexdigest()
    signature = {
        "manifest_sha256": digest,
        "provider": signer.address,
        "public_key": base64.b64encode(signer.public_key).decode(),
        "signature": signed_documents.sign_document(manifest, signer),
    }
    return _archive({MANIFEST: manifest, SIGNATURE: as_json(signature), **files}), digest


def check(archive: bytes) -> Checked:
    """Checks the signature and every file. Raises ValueError for a file that is not such an archive."""
    files = _files(archive)
    if MANIFEST not in files or SIGNATURE not in files:
        raise ValueError(f"it has no {MANIFEST} or no {SIGNATURE}")
    manifest, signature = _object(files, MANIFEST), _object(files, SIGNATURE)
    digest = hashlib.sha256(files[MANIFEST]).hexdigest()
    provider = str(manifest.get("provider", ""))
    problems = [] if _signed(files[MANIFEST], signature, provider) else [f"{provider} has not signed it"]
    listed = {str(each["name"]): str(each["sha256"]) for each in manifest.get("files", [])}
    for name in sorted({*listed, *files} - {MANIFEST, SIGNATURE}):
        if name not in files:
            problems.append(f"{name}: missing")
        elif hashlib.sha256(files[name]).hexdigest() != listed.get(name):
            problems.append(f"{name}: {'changed' if name in listed else 'not in the manifest'}")
    return Checked(manifest, digest, provider, tuple(problems))


def as_json(value: object) -> bytes:
    """Returns JSON for people and programs, with sorted keys."""
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False).encode()


def _signed(manifest: bytes, signature: Mapping[str, Any], provider: str) -> bool:
    try:
        key = base64.b64decode(str(signature.get("public_key", "")), validate=True)
    except ValueError:
        return False
    return signed_documents.verify_document(manifest, str(signature.get("signature", "")), provider, key)


def _archive(files: Mapping[str, bytes]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), data, zipfile.ZIP_DEFLATED)
    return written.getvalue()


def _files(archive: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            if sum(each.file_size for each in opened.infolist()) > MAX_BYTES:
                raise ValueError(f"its files have more than {MAX_BYTES} bytes")
            return {each.filename: opened.read(each) for each in opened.infolist()}
    except (zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError, OSError) as error:
        raise ValueError(f"it is not a zip file that can be read: {error}") from error


def _object(files: Mapping[str, bytes], name: str) -> Mapping[str, Any]:
    """Raises ValueError for anything but a JSON object."""
    found = json.loads(files[name])
    if not isinstance(found, dict):
        raise ValueError(f"{name} is not a JSON object")
    return found
