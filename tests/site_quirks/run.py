"""Puts what real sites have in front of SLURM, one thing after another, on a private site, and judges what provd makes of it.

    python -m tests.site_quirks.run [--only NAME]... [--short]

One row a case: what was set, what was expected, what happened. Exit 0 only when every row is right.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import structlog

from provider_daemon.errors import ProvdError
from provider_daemon.text import printable
from tests.ending import until_told
from tests.expect import Wrong
from tests.site_quirks import login_cases, query_cases, setting_cases, submission_cases
from tests.site_quirks.case import Case
from tests.site_quirks.stage import Stage, staged

CASES: tuple[Case, ...] = (*query_cases.CASES, *setting_cases.CASES, *submission_cases.CASES, *login_cases.CASES)
WIDTHS = (42, 56, 90)
CASE_SECONDS = 90.0


async def play(cases: Sequence[Case]) -> int:
    """How many cases went wrong."""
    directory = Path(tempfile.mkdtemp(prefix="provd-quirks."))
    directory.chmod(0o755)
    wrong = 0
    try:
        async with staged(directory) as stage:
            _show("what the site has", "expected", "what happened", "verdict")
            for case in cases:
                happened, right = await _judged(case, stage)
                _show(case.name, case.expected, happened, "right" if right else "WRONG")
                wrong += not right
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return wrong


async def _judged(case: Case, stage: Stage) -> tuple[str, bool]:
    since = stage.since
    try:
        async with asyncio.timeout(CASE_SECONDS):
            return await case.play(stage), True
    except (Wrong, ProvdError) as error:
        return str(error), False
    except TimeoutError:
        return f"no result within {CASE_SECONDS:.0f} s", False
    finally:
        stage.since = since
        await stage.restore()


def _show(*cells: str) -> None:
    *texts, verdict = (printable(cell) for cell in cells)
    shown = [text if len(text) <= width else f"{text[: width - 3]}..." for text, width in zip(texts, WIDTHS, strict=True)]
    print(" | ".join([*(text.ljust(width) for text, width in zip(shown, WIDTHS, strict=True)), verdict]), flush=True)
    if verdict == "WRONG" and len(texts[-1]) > WIDTHS[-1]:
        print(f"    {texts[-1]}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="part of a case's name; repeatable")
    parser.add_argument("--short", action="store_true", help="only the cases that `make test` plays")
    options = parser.parse_args()
    chosen = [case for case in CASES if not options.only or any(name in case.name for name in options.only)]
    chosen = [case for case in chosen if case.short or not options.short]
    if not chosen:
        parser.error("no such case; there are: " + ", ".join(case.name for case in CASES))
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    began = time.monotonic()
    wrong = asyncio.run(until_told(play(chosen)))
    print(f"{len(chosen) - wrong} of {len(chosen)} right, {time.monotonic() - began:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
