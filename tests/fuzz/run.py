"""Runs all targets, two at a time: `python -m tests.fuzz.run --seconds 60`."""

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.fuzz.targets import TARGETS

ROOT = Path(__file__).parents[2]
AT_ONCE = 2


def fuzz(name: str, seconds: int) -> tuple[str, int, str]:
    """Returns the target's name, exit status and last lines."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.one", name, str(seconds)],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        cwd=ROOT,
    )
    return name, done.returncode, (done.stdout + done.stderr)[-3000:]


def main(argv: Sequence[str] | None = None) -> int:
    """Returns 0 if no target failed."""
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="for each target (60)")
    parser.add_argument("--only", choices=sorted(TARGETS), nargs="+", default=list(TARGETS))
    asked = parser.parse_args(argv)
    began = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        done = list(pool.map(lambda name: fuzz(name, asked.seconds), asked.only))
    for name, code, said in done:
        print(f"{name:16}{'ok' if code == 0 else said}", flush=True)
    bad = sum(code != 0 for _, code, _ in done)
    print(f"{len(done)} targets, {asked.seconds} s each, {bad} failed, {time.monotonic() - began:.0f} s")
    if bad:
        print("the inputs are in tests/fuzz/found: fix the code, and add them to tests/fuzz/corpus/TARGET")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
