"""Submits attacks as a customer's jobs to the real daemon over a private SLURM site, and judges whether each was held off.

    python -m tests.hostile_customer.run [--only NAME]... [--short]

One row an attack: what was tried, what happened, held off or not. Exit 0 only when all were.
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
from tests.hostile_customer.attacks import ATTACKS, Attack
from tests.hostile_customer.stage import Stage, staged

WIDTHS = (30, 46, 96)
ATTACK_SECONDS = 180.0


async def play(attacks: Sequence[Attack]) -> int:
    """How many were not held off."""
    directory = Path(tempfile.mkdtemp(prefix="provd-hostile."))
    directory.chmod(0o755)
    failed = 0
    try:
        async with staged(directory) as stage:
            _show("attack", "what was tried", "what happened", "held off")
            for attack in attacks:
                happened, held = await _judged(attack, stage)
                _show(attack.name, attack.tried, happened, "yes" if held else "NO")
                failed += not held
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return failed


async def _judged(attack: Attack, stage: Stage) -> tuple[str, bool]:
    try:
        async with asyncio.timeout(ATTACK_SECONDS):
            return await attack.play(stage), True
    except (Wrong, ProvdError) as error:
        return str(error), False
    except TimeoutError:
        return f"no result within {ATTACK_SECONDS:.0f} s", False


def _show(*cells: str) -> None:
    *texts, verdict = (printable(cell) for cell in cells)
    shown = [text if len(text) <= width else f"{text[: width - 3]}..." for text, width in zip(texts, WIDTHS, strict=True)]
    print(" | ".join([*(text.ljust(width) for text, width in zip(shown, WIDTHS, strict=True)), verdict]), flush=True)
    if verdict == "NO":
        print(f"    {texts[-1]}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="part of an attack's name; repeatable")
    parser.add_argument("--short", action="store_true", help="only the attacks that `make test` plays")
    options = parser.parse_args()
    chosen = [attack for attack in ATTACKS if not options.only or any(name in attack.name for name in options.only)]
    chosen = [attack for attack in chosen if attack.short or not options.short]
    if not chosen:
        parser.error("no such attack; there are: " + ", ".join(attack.name for attack in ATTACKS))
    if shutil.which("bwrap") is None:
        parser.error("bwrap is not installed: apt-get install bubblewrap")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    began = time.monotonic()
    failed = asyncio.run(until_told(play(chosen)))
    print(f"{len(chosen) - failed} of {len(chosen)} held off, {time.monotonic() - began:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
