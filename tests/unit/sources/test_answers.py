"""Headers of an answer that must not be believed are refused; the connection's part is in test_https."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.errors import Transient
from provider_daemon.sources.answers import Body, read_answer
from provider_daemon.sources.refusals import InputRefusal, InputRefused


@pytest.mark.parametrize(
    ("status", "headers", "offset", "body"),
    [
        (200, {}, 0, Body(0, None)),
        (200, {"Content-Length": "7"}, 0, Body(0, 7)),
        (200, {"Content-Length": "7", "Content-Encoding": "Identity"}, 0, Body(0, 7)),
        (200, {"Content-Length": "7"}, 3, Body(0, 7)),
        (200, {"Content-Length": "7", "Content-Range": "bytes 0-6/7"}, 0, Body(0, 7)),
        (200, {"Content-Length": "4", "Content-Range": "bytes 3-6/7"}, 3, Body(3, 7)),
        (206, {"Content-Length": "4", "Content-Range": "bytes 3-6/7"}, 3, Body(3, 7)),
        (206, {"Content-Range": "bytes 3-6/*"}, 3, Body(3, 7)),
    ],
)
def test_bodies(status: int, headers: dict[str, str], offset: int, body: Body) -> None:
    """Where the body starts in the content, and how large the content is."""
    assert read_answer(status, headers, offset, "u") == body


@pytest.mark.parametrize(
    ("status", "headers", "offset"),
    [
        (200, {"Content-Encoding": "gzip"}, 0),
        (200, {"Content-Encoding": "identity, br"}, 0),
        (200, {"Content-Length": "-1"}, 0),
        (200, {"Content-Length": "1e3"}, 0),
        (200, {"Content-Length": "9" * 30}, 0),
        (206, {"Content-Range": "bytes 0-6/7"}, 0),
        (206, {}, 3),
        (200, {"Content-Range": "bytes 2-6/7"}, 3),
        (206, {"Content-Range": "bytes 4-6/7"}, 3),
        (206, {"Content-Range": "bytes 3-5/7"}, 3),
        (206, {"Content-Range": "bytes 3-2/3"}, 3),
        (206, {"Content-Range": "bytes 3-6/7", "Content-Length": "9"}, 3),
        (206, {"Content-Type": "multipart/byteranges", "Content-Range": ""}, 3),
        (206, {"Content-Encoding": "gzip", "Content-Range": "bytes 3-6/7"}, 3),
    ],
)
def test_refused(status: int, headers: dict[str, str], offset: int) -> None:
    """Compressed content, sizes that are none, and other parts than the requested one."""
    with pytest.raises(InputRefused) as caught:
        read_answer(status, headers, offset, "u")
    assert caught.value.reason is InputRefusal.RESPONSE


@given(
    st.integers(100, 599),
    st.dictionaries(st.sampled_from(["Content-Length", "Content-Range", "Content-Encoding"]), st.text()),
    st.integers(0, 2**40),
)
def test_any_answer(status: int, headers: dict[str, str], offset: int) -> None:
    """Any answer is a body that begins at 0 or at the offset, or one of the two errors."""
    with suppress(InputRefused, Transient):
        assert read_answer(status, headers, offset, "u").start in (0, offset)
