"""Submits attacks as a customer's jobs to the real daemon over a private SLURM site, and judges each.

    python -m tests.hostile_customer.run [--only NAME]... [--short]

It prints one row per attack: what was tried, what happened, held off or not. It exits with 0 only if all were
held off.
"""

import sys

from tests.cases import Run
from tests.hostile_customer.attacks import ATTACKS
from tests.hostile_customer.stage import staged

RUN = Run(
    kind="attack",
    headings=("attack", "what was tried", "what happened", "held off"),
    widths=(30, 46, 96),
    right="yes",
    wrong="NO",
    count="held off",
    seconds=180.0,
    staged=staged,
)

if __name__ == "__main__":
    sys.exit(RUN.main(__doc__, ATTACKS, {"bwrap": "bubblewrap"}))
