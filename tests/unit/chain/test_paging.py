"""Pages as the Cosmos SDK makes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.chain.paging import paginate
from provider_daemon.chain.proto.cosmos.base.query.v1beta1.pagination_pb2 import PageRequest
from provider_daemon.chain.proto.virtengine.hpc.v1.types_pb2 import HPCJob


def rows(count: int) -> list[tuple[bytes, HPCJob]]:
    """In store order, so JOB-10 stands before JOB-2."""
    ids = sorted(f"JOB-{number}" for number in range(1, count + 1))
    return [
        (job_id.encode(), HPCJob(job_id=job_id, queue_name="even" if int(job_id[4:]) % 2 == 0 else "odd"))
        for job_id in ids
    ]


def page(count: int, wanted: str = "", **asked: object) -> tuple[list[str], bytes, int]:
    found, answer = paginate(rows(count), lambda job: wanted in ("", job.queue_name), PageRequest(**asked))  # type: ignore[arg-type]
    return [job.job_id for job in found], answer.next_key, answer.total


def test_a_page_without_a_limit_is_a_hundred_and_counts() -> None:
    """As the SDK does for an empty request."""
    found, following, total = page(150)
    assert (len(found), total) == (100, 150)
    assert following == sorted(f"JOB-{number}".encode() for number in range(1, 151))[100]


def test_a_limit_does_not_count_unless_asked() -> None:
    """The total costs a walk through everything."""
    assert page(5, limit=2) == (["JOB-1", "JOB-2"], b"JOB-3", 0)
    assert page(5, limit=2, count_total=True) == (["JOB-1", "JOB-2"], b"JOB-3", 5)


def test_offset_and_key_lead_to_the_same_page() -> None:
    """By key there is no total, whatever is asked."""
    assert page(5, limit=2, offset=2) == (["JOB-3", "JOB-4"], b"JOB-5", 0)
    assert page(5, limit=2, key=b"JOB-3", count_total=True) == (["JOB-3", "JOB-4"], b"JOB-5", 0)
    assert page(5, limit=2, key=b"JOB-5") == (["JOB-5"], b"", 0)


def test_key_and_offset_together_are_refused() -> None:
    with pytest.raises(ValueError, match="either offset or key is expected, got both"):
        page(5, key=b"JOB-1", offset=1)


def test_reverse() -> None:
    """The last record first, and the key leads further back."""
    assert page(5, limit=2, reverse=True) == (["JOB-5", "JOB-4"], b"JOB-3", 0)
    assert page(5, limit=2, reverse=True, key=b"JOB-3") == (["JOB-3", "JOB-2"], b"JOB-1", 0)


def test_pages_are_of_what_the_filter_lets_through() -> None:
    """Offset, limit and total count hits only, and the next key is that of the next hit."""
    assert page(8, "even", limit=2, offset=1, count_total=True) == (["JOB-4", "JOB-6"], b"JOB-8", 4)


def test_beyond_the_end() -> None:
    assert page(3, offset=7, count_total=True) == ([], b"", 3)
    assert page(3, key=b"JOB-9") == ([], b"", 0)


@given(
    count=st.integers(0, 40),
    limit=st.integers(1, 12),
    reverse=st.booleans(),
    wanted=st.sampled_from(["", "even", "odd"]),
)
def test_following_the_keys_meets_every_record_once(
    count: int, limit: int, reverse: bool, wanted: str
) -> None:
    met: list[str] = []
    found, following, _ = page(count, wanted, limit=limit, reverse=reverse)
    met += found
    while following:
        found, following, _ = page(count, wanted, limit=limit, reverse=reverse, key=following)
        met += found
    every = [job.job_id for _, job in rows(count) if wanted in ("", job.queue_name)]
    assert met == (every[::-1] if reverse else every)
