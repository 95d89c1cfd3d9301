"""Adds wrappers and settings of real sites to a private site, one by one, and judges provd's results.

    python -m tests.site_quirks.run [--only NAME]... [--short]

It prints one row per case: what was set, what was expected, what happened. It exits with 0 only if every row
is right.
"""

import sys

from tests.cases import Run
from tests.site_quirks import login_cases, query_cases, setting_cases, submission_cases
from tests.site_quirks.stage import Stage, staged

CASES = (*query_cases.CASES, *setting_cases.CASES, *submission_cases.CASES, *login_cases.CASES)

RUN = Run(
    kind="case",
    headings=("what the site has", "expected", "what happened", "verdict"),
    widths=(42, 56, 90),
    right="right",
    wrong="WRONG",
    count="right",
    seconds=90.0,
    staged=staged,
    around=Stage.restored,
)

if __name__ == "__main__":
    sys.exit(RUN.main(__doc__, CASES, {}))
