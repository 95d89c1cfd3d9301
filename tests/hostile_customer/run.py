"""Submits attacks as a customer's jobs to the real daemon over a private SLURM site, and judges whether each
was held off.

    python -m tests.hostile_customer.run [--only NAME]... [--short]

One row an attack: what was tried, what happened, held off or not. Exit 0 only when all were.
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
