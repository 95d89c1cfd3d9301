"""The demo's hostile job, and the check that no shell interpreted any of its strings.

The file name of its program is an attack.
"""

from pathlib import Path

from provider_daemon.chain.records import chain_job
from provider_daemon.demo.environment import Environment
from provider_daemon.demo.jobs import ATTACK, MARKER
from provider_daemon.demo.market import CHAIN_ID
from provider_daemon.demo.sites import DemoSite


def hostile_program(site: DemoSite) -> Path:
    """Creates the program on the site; it prints all its arguments."""
    program = site.work_root / f"say {ATTACK.replace('/', '')}"
    program.write_text(
        '#!/bin/sh\nprintf "program %s\\n" "$0"\nprintf "in %s\\n" "$(pwd)"\nfor word in "$@"; do '
        'printf "word [%s]\\n" "$word"; done\n'
    )
    program.chmod(0o755)
    return program


async def hostile_problems(stage: Environment, job_id: str) -> list[str]:
    """Returns the problems of the hostile job.

    The strings must be in the job's output, and the marker file must not exist anywhere: no shell interpreted
    them.
    """
    record = await stage.market.chain.query.job(job_id)
    assert record is not None
    name = stage.market.slurm_name(chain_job(record, CHAIN_ID).spec)
    output = "".join(
        file.read_text(errors="replace") for file in stage.site.work_root.rglob(f"{name}.*/output.txt")
    )
    plain = ATTACK.replace("/", "")
    wanted = (
        f"image evil/{ATTACK}",
        f"say {plain}",
        f"dir {plain}",
        f"word [{ATTACK}]",
        f"word [--flag={ATTACK}]",
        "word []",
        "word [*]",
    )
    wrong = [f"its output lacks {text!r}" for text in wanted if text not in output]
    return wrong + [f"a hostile string ran: {found}" for found in _markers(stage.directory)]


def _markers(directory: Path) -> list[Path]:
    places = (directory, Path.home(), Path("/tmp"))
    return [
        path
        for place in places
        for path in (place.rglob(MARKER) if place == directory else place.glob(MARKER))
    ]
