"""Lines of text as a PDF document: A4 across, in a typewriter face. Pure."""

import io
from collections.abc import Sequence

import pydyf

WIDTH, HEIGHT = 842, 595  # A4 across, in points
MARGIN, SIZE, LEADING = 36, 9, 12
LINES = (HEIGHT - 2 * MARGIN) // LEADING - 2  # the last two are for the number of the page
FONT = "Courier"  # one of the fonts that every reader has


def as_pdf(lines: Sequence[str]) -> bytes:
    """Returns the document. Characters beyond ASCII are written as escapes, because the font lacks most."""
    pdf = pydyf.PDF()
    font = pydyf.Dictionary({"Type": "/Font", "Subtype": "/Type1", "BaseFont": f"/{FONT}"})
    pdf.add_object(font)
    pages = [lines[start : start + LINES] for start in range(0, max(1, len(lines)), LINES)]
    for number, page in enumerate(pages, start=1):
        content = _content([*page, *[""] * (LINES - len(page)), "", f"page {number} of {len(pages)}"])
        pdf.add_object(content)
        pdf.add_page(
            pydyf.Dictionary(
                {
                    "Type": "/Page",
                    "Parent": pdf.pages.reference,
                    "MediaBox": pydyf.Array([0, 0, WIDTH, HEIGHT]),
                    "Contents": content.reference,
                    "Resources": pydyf.Dictionary({"Font": pydyf.Dictionary({FONT: font.reference})}),
                }
            )
        )
    written = io.BytesIO()
    pdf.write(written)
    return written.getvalue()


def _content(lines: Sequence[str]) -> pydyf.Stream:
    stream = pydyf.Stream(compress=True)
    stream.begin_text()
    stream.set_font_size(FONT, SIZE)
    stream.move_text_to(MARGIN, HEIGHT - MARGIN - SIZE)
    for line in lines:
        stream.show_text_string(line.encode("ascii", "backslashreplace").decode())
        stream.move_text_to(0, -LEADING)
    stream.end_text()
    return stream
