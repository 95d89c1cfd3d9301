"""Converts the Markdown of our documents to roff for man(7).

It supports headings, paragraphs, tables of two columns or more, and fenced code.
"""

import re
from collections.abc import Iterable, Iterator

_TABLE_HEAD = re.compile(r"^\|.*\|\n\|[-| ]+\|\n", re.MULTILINE)
_INLINE = re.compile(r"`(?P<code>[^`]+)`|\[(?P<words>[^\]]+)\]\([^)]*\)|\*\*(?P<strong>[^*]+)\*\*")


def heading(name: str, section: int, date: str, version: str) -> str:
    """Returns the first line of a page; `date` is YYYY-MM-DD."""
    return f'.TH {escaped(name.upper())} {section} {date} "provd {version}" "provd manual"'


def page(lines: Iterable[str]) -> str:
    """Joins the lines of the page. A heading needs no .PP after it."""
    kept: list[str] = []
    for line in lines:
        if line != ".PP" or not kept[-1].startswith((".SH", ".SS")):
            kept.append(line)
    return "\n".join(kept) + "\n"


def escaped(text: str) -> str:
    """Escapes running text: roff reads no byte of it as a request or an escape."""
    return _no_request(_literal(text))


def _literal(text: str) -> str:
    return text.replace("\\", "\\e").replace("-", "\\-")


def _no_request(line: str) -> str:
    return f"\\&{line}" if line.startswith((".", "'")) else line


def inline(markdown: str) -> str:
    """Converts inline Markdown: code and strong text in bold, links as their text."""
    plain = markdown.replace("\\|", "|").replace("&lt;", "<")
    parts, end = list[str](), 0
    for found in _INLINE.finditer(plain):
        bold = found["code"] or found["strong"]
        parts += [
            _literal(plain[end : found.start()]),
            f"\\fB{_literal(bold)}\\fR" if bold else _literal(found["words"]),
        ]
        end = found.end()
    return _no_request("".join([*parts, _literal(plain[end:])]))


def body(markdown: str) -> Iterator[str]:
    """Converts a body.

    `##` becomes .SH, `###` becomes .SS, a table's rows become tagged paragraphs; the lines of a paragraph are
    joined.
    """
    lines = iter(_TABLE_HEAD.sub("", markdown).splitlines())
    paragraph: list[str] = []
    for line in lines:
        if re.match(r"#|\||```|$", line) and paragraph:
            yield from _paragraph(paragraph)
            paragraph = []
        if line.startswith("```"):
            yield from code(_fenced(lines))
        elif line.startswith("#"):
            marks, _, words = line.partition(" ")
            yield f'{".SH" if len(marks) < 3 else ".SS"} "{escaped(words)}"'
        elif line.startswith("|"):
            first, *cells = cells_of(line)
            yield from tagged(inline(first), inline(" ".join(cells)))
        elif line:
            paragraph.append(line)
    yield from _paragraph(paragraph)


def code(lines: Iterable[str]) -> Iterator[str]:
    yield from (".PP", ".nf", ".RS 4", *map(escaped, lines), ".RE", ".fi")


def tagged(tag: str, text: str) -> Iterator[str]:
    yield from (".TP", tag, text)


def _fenced(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        if line.startswith("```"):
            return
        yield line


def _paragraph(lines: list[str]) -> Iterator[str]:
    if lines:
        yield from (".PP", inline(" ".join(lines)))


def cells_of(row: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", row.strip().strip("|"))]
