"""The evidence of an answer: what is signed, and what a change of it looks like."""

import io
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provider_daemon.books.bundle import MANIFEST, SIGNATURE, Answer, build, check
from tests.fakes.chain import ALICE, PROVIDER

ANSWER = Answer("test-1", "hpc-dispute-2", "JOB-1", PROVIDER.address, ALICE.address, 5, "both were in use")
NAMES = st.text(st.sampled_from("abc/.-"), min_size=1, max_size=8).filter(lambda name: not name.endswith("/"))
FILES = st.dictionaries(NAMES, st.binary(max_size=50), max_size=5)
ARCHIVE, HASH = build(ANSWER, {"reports.json": b"[]", "chain/job.json": b"{}"}, PROVIDER)


def changed(archive: bytes, **files: bytes | None) -> bytes:
    """Returns the archive with other contents of files; None leaves one out. `__` stands for a dot."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        found: dict[str, bytes | None] = {each: opened.read(each) for each in opened.namelist()}
    found |= {name.replace("__", "."): data for name, data in files.items()}
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as target:
        for name, data in found.items():
            if data is not None:
                target.writestr(name, data)
    return written.getvalue()


@settings(max_examples=30, deadline=None)
@given(FILES, st.text(st.characters(exclude_categories=["Cs"]), max_size=50))
def test_what_was_signed_is_verified(files: dict[str, bytes], text: str) -> None:
    """Whatever the files hold; equal contents are equal archives."""
    answer = Answer("test-1", "hpc-dispute-2", "JOB-1", PROVIDER.address, ALICE.address, 5, text)
    archive, digest = build(answer, files, PROVIDER)
    checked = check(archive)
    assert (checked.problems, checked.manifest_hash, checked.provider) == ((), digest, PROVIDER.address)
    assert checked.manifest["text"] == text
    assert build(answer, files, PROVIDER) == (archive, digest)


@pytest.mark.parametrize(
    ("files", "problems"),
    [
        ({"reports__json": b"[1]"}, ("reports.json: changed",)),
        ({"reports__json": None}, ("reports.json: missing",)),
        ({"more__json": b"1"}, ("more.json: not in the manifest",)),
    ],
)
def test_a_changed_file(files: dict[str, bytes | None], problems: tuple[str, ...]) -> None:
    """Each is named."""
    assert check(changed(ARCHIVE, **files)).problems == problems


def test_a_changed_manifest_or_another_signer() -> None:
    """Neither is signed by the provider that the manifest names."""
    with zipfile.ZipFile(io.BytesIO(ARCHIVE)) as opened:
        manifest = opened.read(MANIFEST)
    edited = changed(ARCHIVE, manifest__json=manifest.replace(b"both were", b"none were"))
    assert check(edited).problems == (f"{PROVIDER.address} has not signed it",)
    forged, _ = build(ANSWER, {}, ALICE)
    assert check(forged).problems == (f"{PROVIDER.address} has not signed it",)


@pytest.mark.parametrize(
    "archive",
    [
        b"",
        b"PK\x03\x04",
        changed(ARCHIVE, **{SIGNATURE.replace(".", "__"): None}),
        changed(ARCHIVE, manifest__json=b"[]"),
    ],
    ids=["empty", "cut", "without signature", "no object"],
)
def test_what_is_no_evidence(archive: bytes) -> None:
    """It is refused with a reason, and never with another error."""
    with pytest.raises(ValueError, match=r"it |manifest"):
        check(archive)


@given(st.binary(max_size=300))
def test_arbitrary_bytes(data: bytes) -> None:
    """A file of a stranger."""
    with pytest.raises(ValueError, match="it "):
        check(data)
