"""Jobs that run in an image of the cache, on a real site with the real launchers."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from provider_daemon.demo.environment import Environment
from provider_daemon.demo.jobs import DemoJob, shell
from provider_daemon.demo.market import order
from provider_daemon.demo.scenario import Scenario
from provider_daemon.demo.verdict import read
from provider_daemon.job.images import IMAGES, directory_name
from provider_daemon.job.state import State
from tests.fakes.registry import layer, registry

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

LAUNCHERS = {"bubblewrap": "bwrap", "charliecloud": "ch-run"}
NEEDED = ("umoci", *LAUNCHERS.values())
ASKS = "read -r word </image-word; echo $word $PWD; echo >/image-word || echo read-only; echo >here"


def files_of_a_shell() -> Iterator[tuple[str, bytes]]:
    """This machine's own shell as /bin/sh of an image, with its libraries."""
    yield "bin/sh", Path("/bin/sh").read_bytes()
    needed = subprocess.run(["ldd", "/bin/sh"], capture_output=True, text=True, check=True).stdout
    for path in re.findall(r"(/\S+) \(0x", needed):
        yield path.removeprefix("/"), Path(path).read_bytes()


def configure(stage: Environment, host: str) -> None:
    """Each launcher runs the repository of its name."""
    tables = "".join(
        f'[[clusters.images]]\npattern = "{host}/{name}:*"\nlauncher = "{name}"\n\n' for name in LAUNCHERS
    )
    text = stage.config.read_text().replace("[[clusters.images]]", f"{tables}[[clusters.images]]", 1)
    stage.config.write_text(text.replace("[data]\n", f'[data]\nregistries = ["http://{host}"]\n', 1))
    for process, started in ((stage.daemon, "provd_started"), (stage.mover, "mover_started")):
        process.stop()
        process.start()
        process.wait_for(started)


@pytest.mark.skipif(
    any(shutil.which(name) is None for name in NEEDED), reason=f"it needs {', '.join(NEEDED)}"
)
async def test_jobs_run_in_their_image(stage: Environment) -> None:
    """The image is pulled once for both launchers. A job sees its files, cannot change them, writes into its
    own directory, and its signed report names the digest of the image."""
    async with registry() as far_end:
        content = layer(dict(files_of_a_shell()) | {"image-word": b"from-the-image\n"})
        digests = {far_end.push(name, "1", [content]) for name in LAUNCHERS}
        (digest,) = digests
        configure(stage, far_end.host)
        jobs = [
            DemoJob(name, 0, State.COMPLETED, 0, image=f"{far_end.host}/{name}:1", arguments=shell(ASKS))
            for name in LAUNCHERS
        ]
        customer = stage.market.customers[0]
        ordered = {(await order(customer, job))[0]: job for job in jobs}
        assert await Scenario(stage, lambda _: None, jobs=ordered, limit=90).watch() == []
        assert len([path for path in far_end.requests if "/blobs/" in path]) == 2  # the config and one layer
    assert [path.name for path in (stage.site.work_root / IMAGES).iterdir()] == [directory_name(digest)]
    for job_id, job in ordered.items():
        row = await read(stage.market, job, job_id, stage.site.accounting())
        assert row.problems == []
        (directory,) = stage.site.work_root.glob(f"*-{job_id}.*")
        assert (directory / "output.txt").read_text().split() == ["from-the-image", "/work", "read-only"]
        assert (directory / "here").exists()
        record = await stage.market.chain.query.job(job_id)
        assert record is not None
        assert f"image={digest}" in record.status_message
