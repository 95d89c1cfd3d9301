"""Mutation tests of the pure money files: `python -m tests.money_mutants`.

Each mutant has one small error, which the unit tests must detect: another comparison, operator, boolean or
bound, a number one off, a condition negated or left out, a value not returned, an error of another class.
Decorators and texts are left alone. Each mutant is loaded in a child process in place of its module, and the
module's own tests run first. Mutants that no test can detect are listed in money_survivors.tsv with the
reason. The run fails on any other survivor, and on a listed one that is detected or gone.
"""

import ast
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, ModuleType

MONEY = Path(__file__).parents[1] / "provider_daemon" / "money"
TESTS = Path(__file__).parent / "unit" / "money"
SURVIVORS = Path(__file__).with_name("money_survivors.tsv")
SECONDS = 60  # tests that take longer hang
AT_ONCE = 2
OTHER: dict[type[ast.AST], list[type[ast.AST]]] = {
    ast.Lt: [ast.LtE, ast.GtE],
    ast.LtE: [ast.Lt, ast.Gt],
    ast.Gt: [ast.GtE, ast.LtE],
    ast.GtE: [ast.Gt, ast.Lt],
    ast.Eq: [ast.NotEq],
    ast.NotEq: [ast.Eq],
    ast.Is: [ast.IsNot],
    ast.IsNot: [ast.Is],
    ast.In: [ast.NotIn],
    ast.NotIn: [ast.In],
    ast.Add: [ast.Sub],
    ast.Sub: [ast.Add],
    ast.Mult: [ast.FloorDiv],
    ast.FloorDiv: [ast.Mult],
    ast.Mod: [ast.Mult],
    ast.Pow: [ast.Mult],
    ast.And: [ast.Or],
    ast.Or: [ast.And],
    ast.USub: [ast.UAdd],
}
NAMES = {"min": "max", "max": "min", "all": "any", "any": "all"}


@dataclass(frozen=True)
class Mutant:
    """A mutant.

    `place`: module and function; `line`: the statement's first line; `change`: what was replaced with what.
    """

    module: str
    place: str
    line: str
    change: str
    code: CodeType

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.place, self.line, self.change)


def mutants(path: Path) -> Iterator[Mutant]:
    source, seen = path.read_text(), Counter[tuple[str, str, str]]()
    for index, (node, place, statement) in enumerate(_spots(ast.parse(source), path.stem)):
        for variant in range(len(_mistakes(node))):
            tree = ast.parse(source)
            wrong = list(_spots(tree, path.stem))[index][0]
            before, (field, value) = ast.unparse(wrong), _mistakes(wrong)[variant]
            setattr(wrong, field, value)
            change = " ".join(f"{before} -> {ast.unparse(wrong)}".split())
            line = ast.unparse(statement).splitlines()[0]
            seen[place, line, change] += 1
            twin = f" ({seen[place, line, change]})" if seen[place, line, change] > 1 else ""
            yield Mutant(
                path.stem,
                place,
                line,
                change + twin,
                compile(ast.fix_missing_locations(tree), str(path), "exec"),
            )


def unchanged() -> Mutant:
    path = MONEY / "bill.py"
    return Mutant(path.stem, "", "", "", compile(path.read_text(), str(path), "exec"))


def _spots(
    node: ast.AST, place: str, statement: ast.stmt | None = None
) -> Iterator[tuple[ast.AST, str, ast.stmt]]:
    """Yields every node but decorators, in a fixed order, with its function and its statement."""
    for field, value in ast.iter_fields(node):
        for child in (value if isinstance(value, list) else [value]) if field != "decorator_list" else []:
            if isinstance(child, ast.AST):
                around = child if isinstance(child, ast.stmt) else statement
                inside = (
                    f"{place}.{child.name}" if isinstance(child, ast.FunctionDef | ast.ClassDef) else place
                )
                if around is not None:
                    yield child, inside, around
                yield from _spots(child, inside, around)


def _mistakes(node: ast.AST) -> list[tuple[str, object]]:
    """Yields each mutation as the field to set and its value."""
    match node:
        case ast.Compare(ops=[first, *rest]):
            return [("ops", [other(), *rest]) for other in OTHER.get(type(first), [])]
        case ast.BinOp() | ast.BoolOp() | ast.AugAssign() | ast.UnaryOp(op=ast.USub()):
            return [("op", other()) for other in OTHER.get(type(node.op), [])]
        case ast.UnaryOp(op=ast.Not()):
            return [("operand", ast.UnaryOp(ast.Not(), node.operand))]
        case ast.Constant(value=bool(known)):
            return [("value", not known)]
        case ast.Constant(value=int(known)):
            return [("value", known + 1), ("value", known - 1)]
        case ast.If() | ast.IfExp():
            return [("test", ast.UnaryOp(ast.Not(), node.test))]
        case ast.comprehension(ifs=[_, *_]):
            return [("ifs", [])]
        case ast.Return(value=ast.expr()):
            return [("value", ast.Constant(None))]
        case ast.Raise(exc=ast.expr()):
            return [("exc", ast.Name("AssertionError", ast.Load()))]
        case ast.Name(id=name, ctx=ast.Load()) if name in NAMES:
            return [("id", NAMES[name])]
    return []


# --- one mutant against the tests ---


@dataclass(frozen=True)
class InPlaceOf(MetaPathFinder, Loader):
    """Imports the mutant in place of its module."""

    mutant: Mutant

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return (
            ModuleSpec(fullname, self) if fullname == f"provider_daemon.money.{self.mutant.module}" else None
        )

    def exec_module(self, module: ModuleType) -> None:
        exec(self.mutant.code, module.__dict__)


def survivors(found: Sequence[Mutant]) -> Iterator[Mutant]:
    """Returns the mutants that no test detects, run two at a time. A crash or a hang counts as detected."""
    running: dict[int, Mutant] = {}
    for mutant in found:
        if len(running) == AT_ONCE:
            yield from _one_ended(running)
        child = os.fork()
        if not child:
            os._exit(_meet_tests(mutant))
        running[child] = mutant
    while running:
        yield from _one_ended(running)


def _one_ended(running: dict[int, Mutant]) -> Iterator[Mutant]:
    child, status = os.wait()
    mutant = running.pop(child)
    if not status:
        yield mutant


def _meet_tests(mutant: Mutant) -> int:
    import signal

    import pytest

    signal.alarm(SECONDS)
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    sys.meta_path.insert(0, InPlaceOf(mutant))
    own = TESTS / f"test_{mutant.module}.py"
    others = [path for path in sorted(TESTS.glob("test_*.py")) if path != own]
    options = ["-x", "-q", "--noconftest", "-p", "no:cacheprovider", "-W", "ignore"]
    return int(pytest.main([*options, str(own)]) or pytest.main([*options, *map(str, others)]))


def main() -> int:
    """Returns 0 if every mutant is detected or listed in the file."""
    import hypothesis
    import pytest  # noqa: F401 here, before any fork: children find them loaded

    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    hypothesis.settings.register_profile(
        "mutants", max_examples=20, derandomize=True, database=None, deadline=None
    )
    hypothesis.settings.load_profile("mutants")
    assert not any(name.startswith("provider_daemon.money.") for name in sys.modules)
    rows = [line.split("\t") for line in SURVIVORS.read_text().splitlines()]
    listed = {(place, line, change) for place, line, change, _ in rows}
    found = [mutant for path in sorted(MONEY.glob("*.py")) for mutant in mutants(path)]
    if not list(survivors([unchanged()])):
        print("the tests fail without any mistake: run them first")
        return 1
    survived = {mutant.key for mutant in survivors(found)}
    for key in sorted(survived - listed):
        print("not noticed:", "\t".join(key), sep="\t")
    for key in sorted(listed - survived):
        print("listed, but noticed or gone:", "\t".join(key), sep="\t")
    print(
        f"{len(found)} mutants, {len(found) - len(survived)} noticed, {len(survived & listed)} listed "
        "with a reason"
    )
    return 1 if survived ^ listed else 0


if __name__ == "__main__":
    sys.exit(main())
