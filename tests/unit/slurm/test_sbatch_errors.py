"""The table of sbatch's errors: every message has a class, and the class decides what becomes of the job."""

import os

import pytest

from provider_daemon.job.site_trouble import SiteTrouble
from provider_daemon.slurm import failures
from provider_daemon.slurm.parse import Submitted
from provider_daemon.slurm.sbatch_errors import FAILED, LIBC, Class, Known, find, table

LIBRARY = (
    "sbatch: error: If munged is up, restart with --num-threads=10",
    "sbatch: error: Munge encode failed: Failed to access munge.socket",
    "sbatch: error: slurm_receive_msg [127.0.0.1:6817]: Unspecified error",
    "sbatch: error: auth_g_verify: REQUEST_SUBMIT_BATCH_JOB has authentication error",
)


def said(message: str, *before: str) -> str:
    return " ".join([*before, f"sbatch: error: {FAILED}{message}"])


def receipt(stderr: str, code: int = 1, slurm_id: str = ""):  # type: ignore[no-untyped-def]
    return failures.receipt(Submitted("ve-1", code, slurm_id, stderr))


@pytest.mark.parametrize("known", table().values(), ids=lambda known: known.message[:40])
def test_every_message_of_the_table(known: Known) -> None:
    """Refused: the customer reads it. Deferred: nothing was queued. Unsure: looked for, no attempt used.
    Else: an attempt."""
    found = receipt(said(known.message))
    match known.kind:
        case Class.REFUSED:
            assert found.refusal
            assert found.trouble is None
        case Class.DEFERRED:
            assert found.deferral
            assert found.trouble is known.trouble is not None
        case Class.UNSURE:
            assert known.message in found.unknown
            assert found.trouble is known.trouble is not None
        case Class.UNRELATED:
            assert found.unknown
            assert found.trouble is None


@pytest.mark.parametrize("version", ["22.05", "23.11", "24.11", "25.11", "26.05"])
def test_each_release_is_in_the_table(version: str) -> None:
    """What sites most often meet has its class in every release."""
    of_it = {known.message: known.kind for known in table().values() if version in known.versions}
    assert len(of_it) > 250 if version != "22.05" else len(of_it) > 180
    assert of_it["I/O error writing script/environment to file"] is Class.DEFERRED
    assert of_it["Requested nodes are busy"] is Class.DEFERRED
    assert of_it["Slurm backup controller in standby mode"] is Class.DEFERRED
    assert of_it["Unable to contact slurm controller (connect failure)"] is Class.UNSURE
    assert of_it["Protocol authentication error"] is Class.UNSURE
    assert of_it["Requested node configuration is not available"] is Class.REFUSED


def test_libc_words_are_the_machines_own() -> None:
    """SLURM prints errno's text as it is: each of the table's is one that this C library has."""
    texts = {os.strerror(number) for number in range(1, 134)} | {
        "Name or service not known",
        "Temporary failure in name resolution",
    }
    assert {known.message for known in table().values() if known.versions == (LIBC,)} <= texts


@pytest.mark.parametrize("line", LIBRARY)
@pytest.mark.parametrize("message", ["Unspecified error", "Access/permission denied"])
def test_a_line_of_slurms_library_is_not_the_sites_no(line: str, message: str) -> None:
    """What the library prints before the closing line never makes a refusal: the job may exist."""
    assert not receipt(said(message, line)).refusal


def test_the_site_refuses_in_its_own_words() -> None:
    """job_submit.lua: slurm.log_user, then slurm.ERROR. The customer reads the site's words, on one line,
    bounded."""
    words = "jobs in partition gpu must ask for a GPU: see the site's handbook, chapter 3"
    found = receipt(said("Unspecified error", f"sbatch: error: {words}"))
    assert found.refusal == f"the site refused it; the site's words: {words}"
    assert found.trouble is None
    long = receipt(said("Unspecified error", "sbatch: error: no\x1b[31m\x07 " + "x" * 700)).refusal
    assert long.isprintable()
    assert len(long) < 400


def test_an_error_without_words_is_not_the_sites_no() -> None:
    """`Unspecified error` alone may be anything: it is looked for, and five of them ask the operator."""
    found = receipt(said("Unspecified error"))
    assert found.unknown
    assert found.trouble is None


def test_a_known_refusal_keeps_the_sites_words() -> None:
    """Beside SLURM's own message."""
    found = receipt(said("Invalid qos specification", "sbatch: error: qos night needs the reservation"))
    assert "Invalid qos specification" in found.refusal
    assert "qos night needs the reservation" in found.refusal


def test_a_welcome_does_not_hide_the_id() -> None:
    """slurm.log_user with slurm.SUCCESS prints on stderr; the id is read."""
    assert receipt("sbatch: welcome, your job goes to standard", 0, "42").slurm_id == "42"


def test_an_id_beside_a_failure_is_a_doubt() -> None:
    """Whatever the words say: a job of that id may exist."""
    for message in table():
        found = receipt(said(message), 1, "42")
        assert found.unknown
        assert not found.slurm_id


@pytest.mark.parametrize("code", [124, 137, 143])
@pytest.mark.parametrize(
    ("words", "trouble"),
    [
        ("sbatch: error: Slurm job queue full, sleeping and retrying", SiteTrouble.BUSY),
        ("sbatch: Job creation temporarily disabled, retrying", SiteTrouble.BUSY),
        ("", SiteTrouble.SLOW),
    ],
)
def test_sbatch_ended_by_our_bound(code: int, words: str, trouble: SiteTrouble) -> None:
    """It may have been accepted at the last moment: looked for, but no attempt is used."""
    found = receipt(words, code)
    assert found.unknown
    assert found.trouble is trouble


def test_a_message_with_other_brackets_is_the_same() -> None:
    """Releases change what stands in brackets."""
    assert find(f"{FAILED}Unable to contact slurm controller (anything)") is not None
