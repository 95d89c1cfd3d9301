"""What the tests of the documentation read: Markdown, and the source as a syntax tree."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "provider_daemon"
DOCS = ROOT / "docs"
LEVELS = {"debug": "debug", "info": "info", "warning": "warning", "error": "error", "exception": "error"}
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])


def page(name: str) -> str:
    return (DOCS / name).read_text()


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def table(text: str, first_heading: str) -> list[list[str]]:
    """The rows, without heading, of the table whose first column is headed so."""
    lines = text.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {first_heading} |"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def column(text: str, first_heading: str) -> list[str]:
    return [row[0] for row in table(text, first_heading)]


def numbers(text: str, first_heading: str) -> dict[str, int]:
    """First column -> second column."""
    return {row[0]: int(row[1]) for row in table(text, first_heading)}


def sources() -> Iterator[ast.Module]:
    """Every module of the package but generated code."""
    for path in PACKAGE.rglob("*.py"):
        if "proto" not in path.parts:
            yield ast.parse(path.read_text())


def log_events() -> dict[str, set[str]]:
    """Event word -> the levels at which `log.<level>(word, ...)` writes it."""
    found: dict[str, set[str]] = {}
    for module in sources():
        for call in calls(module):
            if (
                isinstance(call.func, ast.Attribute)
                and ast.unparse(call.func.value) == "log"
                and call.func.attr in LEVELS
            ):
                for word in words(call.args[0], module):
                    found.setdefault(word, set()).add(LEVELS[call.func.attr])
    return found


def raised(name: str, module: ast.Module) -> list[str]:
    """The longest constant part of each text that is raised as exception `name`."""
    texts = []
    for call in calls(module):
        if isinstance(call.func, ast.Name) and call.func.id == name and call.args:
            parts = [
                part.value
                for part in ast.walk(call.args[0])
                if isinstance(part, ast.Constant) and isinstance(part.value, str)
            ]
            texts += [max(parts, key=len).strip()] if parts else []
    return texts


def calls(module: ast.Module) -> Iterator[ast.Call]:
    return (node for node in ast.walk(module) if isinstance(node, ast.Call))


def words(value: ast.expr, module: ast.Module) -> list[str]:
    """The strings that an expression can be: a constant, a choice between two, or a name that is given
    one."""
    if isinstance(value, ast.Constant):
        return [str(value.value)]
    if isinstance(value, ast.IfExp):
        return words(value.body, module) + words(value.orelse, module)
    if isinstance(value, ast.Name):
        assigned = [node for node in ast.walk(module) if isinstance(node, ast.Assign)]
        return [
            word
            for node in assigned
            if any(isinstance(target, ast.Name) and target.id == value.id for target in node.targets)
            for word in words(node.value, module)
        ]
    if isinstance(value, ast.Attribute) and value.attr == "value":
        return [word for kind in annotations(value.value, module) for word in members(kind, module)]
    return []


def annotations(value: ast.expr, module: ast.Module) -> set[str]:
    """The types that parameters of that name are annotated with."""
    parameters = (
        node for node in ast.walk(module) if isinstance(node, ast.arg) and node.annotation is not None
    )
    return {
        ast.unparse(each.annotation)
        for each in parameters
        if isinstance(value, ast.Name) and each.arg == value.id and each.annotation
    }


def members(kind: str, module: ast.Module) -> list[str]:
    """The values of an enumeration that the module defines."""
    classes = (node for node in ast.walk(module) if isinstance(node, ast.ClassDef) and node.name == kind)
    return [
        str(ast.literal_eval(line.value))
        for each in classes
        for line in each.body
        if isinstance(line, ast.Assign)
    ]
