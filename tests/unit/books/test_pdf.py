"""Statements as PDF documents."""

import re
import zlib

from hypothesis import given, settings
from hypothesis import strategies as st

from provider_daemon.books.pdf import LINES, as_pdf


def texts(document: bytes) -> list[str]:
    """Returns the shown text of every page, as a reader finds it."""
    streams = re.findall(rb"stream\n(.*?)\nendstream", document, re.DOTALL)
    shown = [re.findall(rb"\((.*?)\) Tj", zlib.decompress(stream), re.DOTALL) for stream in streams]
    return [re.sub(r"\\([()\\])", r"\1", text.decode("ascii")) for page in shown for text in page]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40), max_size=120))
def test_every_line_is_on_a_page(lines: list[str]) -> None:
    """In order, with the pages numbered."""
    found = texts(as_pdf(lines))
    pages = max(1, -(-len(lines) // LINES))
    assert [text for text in found if text][-1] == f"page {pages} of {pages}"
    assert [text for text in found if not re.fullmatch(r"(page \d+ of \d+)?", text)] == [
        line for line in lines if line and not re.fullmatch(r"page \d+ of \d+", line)
    ]


def test_a_reader_opens_it() -> None:
    """Characters that the font lacks are escaped."""
    document = as_pdf(["Queue ☃ (a)"])
    assert document.startswith(b"%PDF-1.7")
    assert texts(document)[0] == r"Queue \u2603 (a)"
