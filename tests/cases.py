"""Runs cases one after another on one stage, prints a row for each, and judges them."""

import argparse
import asyncio
import contextlib
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import structlog

from provider_daemon.errors import ProvdError
from provider_daemon.text import printable
from tests.ending import until_told
from tests.expect import NotTried, Wrong

S = TypeVar("S")

NOT_TRIED = "not tried"


@dataclass(frozen=True, slots=True)
class Case(Generic[S]):
    """A case.

    `play` returns a short text about what happened, and raises Wrong if that is not as expected, or NotTried.
    `about`: what is tried or expected. `short`: also run in `make test`.
    """

    name: str
    about: str
    play: Callable[[S], Awaitable[str]]
    short: bool = False


@dataclass(frozen=True, slots=True)
class Run(Generic[S]):
    """A run of cases.

    `kind`: what a case is called. `right` and `wrong` are verdicts, `count` names the right ones in the last
    line. `staged` creates the stage in a new directory; `around` is entered for each case.
    """

    kind: str
    headings: tuple[str, str, str, str]
    widths: tuple[int, int, int]
    right: str
    wrong: str
    count: str
    seconds: float
    staged: Callable[[Path], AbstractAsyncContextManager[S]]
    around: Callable[[S], AbstractAsyncContextManager[Any]] = contextlib.nullcontext

    async def play(self, cases: Sequence[Case[S]]) -> Counter[str]:
        """Returns verdict -> number of cases."""
        directory = Path(tempfile.mkdtemp(prefix=f"provd-{self.kind}."))
        directory.chmod(0o755)
        verdicts = Counter[str]()
        try:
            async with self.staged(directory) as stage:
                self._show(*self.headings)
                for case in cases:
                    happened, verdict = await self._judged(case, stage)
                    self._show(case.name, case.about, happened, verdict)
                    verdicts[verdict] += 1
        finally:
            shutil.rmtree(directory, ignore_errors=True)
        return verdicts

    async def _judged(self, case: Case[S], stage: S) -> tuple[str, str]:
        async with self.around(stage):
            try:
                async with asyncio.timeout(self.seconds):
                    return await case.play(stage), self.right
            except (Wrong, ProvdError) as error:
                return str(error), self.wrong
            except NotTried as error:
                return str(error), NOT_TRIED
            except TimeoutError:
                return f"no result within {self.seconds:.0f} s", self.wrong

    def _show(self, *cells: str) -> None:
        *texts, verdict = (printable(cell) for cell in cells)
        sized = list(zip(texts, self.widths, strict=True))
        shown = [text if len(text) <= width else f"{text[: width - 3]}..." for text, width in sized]
        padded = (text.ljust(width) for text, width in zip(shown, self.widths, strict=True))
        print(" | ".join([*padded, verdict]), flush=True)
        if verdict == self.wrong and shown[-1] != texts[-1]:
            print(f"    {texts[-1]}", flush=True)

    def main(self, text: str | None, cases: Sequence[Case[S]], needed: dict[str, str]) -> int:
        """Returns the exit status.

        `text` is the text of --help; `needed` maps programs to their Debian packages.
        """
        parser = argparse.ArgumentParser(
            description=text, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        parser.add_argument(
            "--only", action="append", default=[], metavar="NAME", help="part of a name; repeatable"
        )
        parser.add_argument(
            "--short", action="store_true", help=f"only each {self.kind} that `make test` plays"
        )
        options = parser.parse_args()
        chosen = [
            case for case in cases if not options.only or any(name in case.name for name in options.only)
        ]
        chosen = [case for case in chosen if case.short or not options.short]
        if not chosen:
            parser.error(f"no such {self.kind}; there are: {', '.join(case.name for case in cases)}")
        for program, package in needed.items():
            if shutil.which(program) is None:
                parser.error(f"{program} is not installed: apt-get install {package}")
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
        began = time.monotonic()
        found = asyncio.run(until_told(self.play(chosen)))
        missing = f", {found[NOT_TRIED]} not tried" if found[NOT_TRIED] else ""
        seconds = time.monotonic() - began
        print(f"{found[self.right]} of {len(chosen)} {self.count}{missing}, {seconds:.0f} s")
        return 1 if found[self.wrong] else 0
