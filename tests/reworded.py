"""A pytest plugin (`-p tests.reworded`) that changes the wording of texts about jobs and endpoints.

These are the texts about parked jobs, endpoints and timelines. Each sentence in the source of MODULES is
imported with its words spelt backwards; only the values in an f-string, and words that stand alone (enum
values, keys), stay as they are. So any test that still passes depends on no wording.
"""

import ast
import re
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType

FUNCTIONS: dict[str, frozenset[str]] = {
    "books.evidence": frozenset({"_entry"}),
    "control.jobs": frozenset({"_decided", "_unpark"}),
    "job.hold": frozenset(),
    "job.lifecycle": frozenset(
        {"_without_claim", "_unseen", "_duplicate", "_overdue", "_learn", "refuse_id"}
    ),
    "job.outcome": frozenset({"finish"}),
    "job.own_slurm_job": frozenset(),
    "loops.advance": frozenset(),
    "loops.customer_slots": frozenset(),
    "loops.disputes": frozenset(),
    "loops.leasing": frozenset(),
    "loops.maintenance_hold": frozenset(),
    "loops.unreadable_rows": frozenset(),
    "loops.rejections": frozenset(),
    "loops.drafts": frozenset({"_shorten"}),
    "loops.chain_changes": frozenset({"_learn"}),
    "loops.intake": frozenset({"_commit"}),
    "loops.job_records": frozenset(),
    "loops.outbox": frozenset({"_confirmed"}),
    "loops.reporting": frozenset(),
    "loops.job_log": frozenset(),
    "ledger.repair": frozenset(),
    "ledger.timeline": frozenset(),
    "chain.agreement": frozenset(),
    "chain.endpoint": frozenset(),
    "chain.endpoints": frozenset(),
}
"""module -> those of its functions that write such texts; none: all of it"""
# a text is parsed there, so that it stays unchanged
SEARCHES = {"startswith", "endswith", "find", "partition", "split", "removeprefix"}
MODULES = frozenset(f"provider_daemon.{name}" for name in FUNCTIONS)


def backwards(text: str) -> str:
    return re.sub(r"[A-Za-z]+", lambda word: word[0][::-1], text)


class Rewording(ast.NodeTransformer):
    def __init__(self, functions: frozenset[str]) -> None:
        self._functions = functions

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self.generic_visit(node) if not self._functions or node.name in self._functions else node

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self.generic_visit(node) if not self._functions or node.name in self._functions else node

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        return node if isinstance(node.value, ast.Constant) else self.generic_visit(node)  # a docstring

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        searches = isinstance(node.func, ast.Attribute) and node.func.attr in SEARCHES
        return node if searches else self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if isinstance(node.value, str) and " " in node.value:
            node.value = backwards(node.value)
        return node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        literals = [part for part in node.values if isinstance(part, ast.Constant)]
        if any(" " in str(part.value) for part in literals):
            for part in literals:
                part.value = backwards(str(part.value))
        return node


class Loader(SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        rewording = Rewording(FUNCTIONS[fullname.removeprefix("provider_daemon.")])
        return compile(
            ast.fix_missing_locations(rewording.visit(ast.parse(self.get_data(path)))), path, "exec"
        )


class Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path) if fullname in MODULES else None
        if spec is not None and spec.origin is not None:
            spec.loader = Loader(fullname, spec.origin)
        return spec


def pytest_load_initial_conftests() -> None:
    """Installs the importer before anything of provd is imported."""
    assert not MODULES & sys.modules.keys()
    sys.meta_path.insert(0, Finder())
