"""Pages as the Cosmos SDK makes them (`query.FilteredPaginate`).

A page is over one kind of record in store order, with a filter. A page's key is the id of its first record,
as in the store without the prefix. No I/O.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from google.protobuf.message import Message

from provider_daemon.chain.proto.cosmos.base.query.v1beta1.pagination_pb2 import PageRequest, PageResponse

DEFAULT_LIMIT = 100  # if no limit is requested; the total is counted then, too

M = TypeVar("M", bound=Message)
Row = tuple[bytes, M]


def paginate(
    rows: Sequence[Row[M]], wanted: Callable[[M], bool], page: PageRequest
) -> tuple[list[M], PageResponse]:
    """Returns a page.

    `rows`: id and record, sorted by id. Raises ValueError for a page that is requested by key and offset
    together. By key there is no total, because a key only continues a listing; by offset there is one if it
    is requested.
    """
    if page.key and page.offset:
        raise ValueError("invalid request, either offset or key is expected, got both")
    limit = page.limit or DEFAULT_LIMIT
    found = [row for row in _from(page.key, _ordered(rows, page.reverse), page.reverse) if wanted(row[1])]
    start = page.offset
    following = found[start + limit][0] if start + limit < len(found) else b""
    counted = not page.key and (page.count_total or not page.limit)
    records = [record for _, record in found[start : start + limit]]
    return records, PageResponse(next_key=following, total=len(found) if counted else 0)


def _ordered(rows: Sequence[Row[M]], reverse: bool) -> Iterable[Row[M]]:
    return reversed(rows) if reverse else rows


def _from(key: bytes, rows: Iterable[Row[M]], reverse: bool) -> Iterable[Row[M]]:
    if not key:
        return rows
    return (row for row in rows if (row[0] <= key if reverse else row[0] >= key))
