"""Uploads: resumable, checked, counted, and readable by the data mover."""

import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from provider_daemon.gateway import uploads as module
from provider_daemon.gateway.uploads import KEEP_SECONDS, PART_SECONDS, Uploads
from tests.fakes.chain import ALICE, BOB
from tests.unit.gateway.conftest import QUOTA, Running

CONTENT = os.urandom(400_000)
HASH = hashlib.sha256(CONTENT).hexdigest()
PATH = f"/v1/uploads/{HASH}"


def offset(at: int, length: int | None = len(CONTENT)) -> dict[str, str]:
    return {"Upload-Offset": str(at), **({"Upload-Length": str(length)} if length is not None else {})}


def stored(running: Running, who: str = ALICE.address) -> Path:
    return running.gateway.uploads._directory / who / HASH


async def test_all_at_once(running: Running) -> None:
    """The file has the content's hash as its name, and the mover's group can read it."""
    status, _, headers = await running.ask("PUT", PATH, data=CONTENT)
    assert (status, headers["Upload-Complete"]) == (201, "?1")
    assert stored(running).read_bytes() == CONTENT
    assert stored(running).stat().st_mode & 0o777 == 0o640
    assert stored(running).parent.stat().st_mode & 0o777 == 0o750
    assert (await running.ask("PUT", PATH, data=CONTENT))[0] == 201


@pytest.mark.parametrize("restarted", [False, True])
async def test_in_parts(running: Running, restarted: bool) -> None:
    """Each part begins where the last one ended, also after a restart of the gateway."""
    assert (await running.ask("PATCH", PATH, headers=offset(0), data=CONTENT[:150_000]))[0] == 204
    _, _, headers = await running.ask("HEAD", PATH)
    assert (headers["Upload-Offset"], headers["Upload-Length"]) == ("150000", "400000")
    assert headers["Upload-Complete"] == "?0"
    if restarted:
        running.gateway.uploads._hashers.clear()
        running.gateway.uploads.open()
    later = offset(150_000, None)
    assert (await running.ask("PATCH", PATH, headers=later, data=CONTENT[150_000:]))[0] == 201
    assert stored(running).read_bytes() == CONTENT


async def test_another_customer_has_his_own(running: Running) -> None:
    """The same content of two customers is two uploads: nobody learns what others have."""
    await running.ask("PUT", PATH, data=CONTENT)
    assert await running.refusal("DELETE", PATH, BOB) == (404, "not_found")
    assert (await running.ask("HEAD", PATH, BOB))[0] == 404
    assert (await running.ask("PUT", PATH, BOB, data=CONTENT))[0] == 201
    assert (await running.ask("DELETE", PATH, BOB))[0] == 204
    assert stored(running).exists()


async def test_fetched_again(running: Running) -> None:
    """Whole or from a byte on, by its owner, once it is complete."""
    assert (await running.ask("PATCH", PATH, headers=offset(0), data=CONTENT[:10]))[0] == 204
    assert await running.refusal("GET", PATH) == (404, "not_found")
    await running.ask("PUT", PATH, data=CONTENT)
    assert await running.refusal("GET", PATH, BOB) == (404, "not_found")
    status, found, headers = await running.ask("GET", PATH)
    assert (status, found, headers["ETag"]) == (200, CONTENT, f'"{HASH}"')
    status, found, headers = await running.ask("GET", PATH, headers={"Range": "bytes=399000-"})
    assert (status, found, headers["Content-Range"]) == (206, CONTENT[399_000:], "bytes 399000-399999/400000")
    assert await running.refusal("GET", "/v1/uploads/..%2fx") == (400, "bad_request")


async def test_the_list_and_the_quota(running: Running) -> None:
    """A part counts with its whole length: what is promised is reserved."""
    await running.ask("PATCH", PATH, headers=offset(0), data=CONTENT[:10])
    _, found, _ = await running.ask("GET", "/v1/uploads")
    assert (found["quota_bytes"], found["used_bytes"]) == (QUOTA, len(CONTENT))
    (only,) = found["uploads"]
    assert (only["sha256"], only["offset"], only["length"], only["whole"]) == (HASH, 10, 400_000, False)
    await running.ask("DELETE", PATH)
    _, found, _ = await running.ask("GET", "/v1/uploads")
    assert (found["used_bytes"], found["uploads"]) == (0, [])


async def test_put_starts_again(running: Running) -> None:
    """What had arrived of an interrupted upload does not stay in front of it."""
    await running.ask("PATCH", PATH, headers=offset(0), data=b"other bytes")
    assert (await running.ask("PUT", PATH, data=CONTENT))[0] == 201


async def test_an_empty_upload(running: Running) -> None:
    """Nothing is a content too."""
    name = hashlib.sha256(b"").hexdigest()
    assert (await running.ask("PUT", f"/v1/uploads/{name}", data=b""))[0] == 201


async def test_the_first_part_names_the_length(running: Running) -> None:
    """Otherwise nothing could be reserved, and nobody would know when it is whole."""
    assert await running.refusal("PATCH", PATH, headers=offset(0, None), data=b"x") == (
        411,
        "length_required",
    )
    assert await running.refusal("PATCH", PATH, data=b"x") == (400, "bad_request")


@pytest.mark.parametrize("content", [CONTENT, bytes(len(CONTENT))])
async def test_all_bytes_and_no_check(running: Running, content: bytes) -> None:
    """A gateway that was killed before the check makes up for it when it is asked how much has arrived."""
    await running.ask("PATCH", PATH, headers=offset(0), data=content[:-1])
    (part,) = stored(running).parent.iterdir()
    part.write_bytes(content)
    running.gateway.uploads._hashers.clear()
    status, _, headers = await running.ask("HEAD", PATH)
    assert (status, headers.get("Upload-Complete")) == (200, "?1") if content == CONTENT else (422, None)
    assert stored(running).exists() == (content == CONTENT)


async def test_a_full_disk(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """An upload that does not fit is refused before its first byte."""
    monkeypatch.setattr(module, "SPARE_BYTES", 2**60)
    assert await running.refusal("PUT", PATH, data=CONTENT) == (507, "storage_full")


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def test_old_uploads_are_deleted(tmp_path: Path) -> None:
    """Whole ones after a month, parts that nobody continues after two days; newer ones stay."""
    store = Uploads(tmp_path / "uploads", 10**9, 10**9)
    store.open()
    await store.append("ve1aaaaaa", HASH, 0, len(CONTENT), chunks(CONTENT))
    other = hashlib.sha256(b"other").hexdigest()
    await store.append("ve1aaaaaa", other, 0, 5, chunks(b"ot"))
    began = max(upload.modified_at for upload in store.of("ve1aaaaaa"))
    assert store.expire(began + PART_SECONDS - 60) == 0
    assert store.expire(began + PART_SECONDS + 60) == 1
    assert [upload.sha256 for upload in store.of("ve1aaaaaa")] == [HASH]
    assert store.expire(began + KEEP_SECONDS + 60) == 1
    assert store.used == 0


async def test_one_of_many_is_found_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request about one upload does not read the customer's directory, which may have ten thousand."""
    store = Uploads(tmp_path / "uploads", 10**9, 10**9)
    store.open()
    other = hashlib.sha256(b"other").hexdigest()
    await store.append("ve1aaaaaa", other, 0, 5, chunks(b"ot"))

    def scandir(path: Path) -> None:
        raise AssertionError(f"{path} was read")

    monkeypatch.setattr(os, "scandir", scandir)
    assert store.find("ve1aaaaaa", HASH) is None
    await store.append("ve1aaaaaa", HASH, 0, len(CONTENT), chunks(CONTENT))
    found, part = store.find("ve1aaaaaa", HASH), store.find("ve1aaaaaa", other)
    assert found is not None
    assert part is not None
    assert (found.whole, found.length, part.whole, part.offset, part.length) == (
        True,
        len(CONTENT),
        False,
        2,
        5,
    )
    assert store.used == len(CONTENT) + 5
    store.remove("ve1aaaaaa", other)
    store.remove("ve1aaaaaa", HASH)
    assert (store.used, store.find("ve1aaaaaa", HASH), store.find("ve1aaaaaa", other)) == (0, None, None)


async def test_foreign_files_are_left_alone(tmp_path: Path) -> None:
    """What is not an upload is neither counted nor deleted."""
    folder = tmp_path / "uploads" / "ve1aaaaaa"
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("x")
    (tmp_path / "uploads" / "lost+found").mkdir()
    store = Uploads(tmp_path / "uploads", 10**9, 10**9)
    store.open()
    assert (store.used, store.of("ve1aaaaaa"), store.expire(10**12)) == (0, [], 0)
    assert (folder / "notes.txt").exists()
