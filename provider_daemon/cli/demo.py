"""`provd demo`: eighteen jobs end to end on this machine, in less than three minutes."""

import json
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from provider_daemon.cli.options import AsText, Text

if TYPE_CHECKING:
    from provider_daemon.demo.environment import Environment
    from provider_daemon.demo.sites import DemoSite
    from provider_daemon.demo.verdict import JobVerdict


def demo(
    output: AsText = Text.TEXT,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave everything running, and print commands to explore it.")
    ] = False,
    queries: Annotated[
        str,
        typer.Option(
            metavar="none|published|all", help="Which Query RPCs of the HPC module the chain serves."
        ),
    ] = "published",
    simulated: Annotated[
        bool, typer.Option("--simulated", help="Use the simulated site even if SLURM is installed.")
    ] = False,
) -> None:
    """Start SLURM and a chain, run the daemon, submit eighteen jobs, and show their results."""
    import asyncio

    if queries not in ("none", "published", "all"):
        raise typer.BadParameter("--queries must be none, published or all")
    raise typer.Exit(asyncio.run(_demo(output is Text.JSON, keep, queries, simulated)))


async def _demo(as_json: bool, keep: bool, queries: str, simulated: bool) -> int:
    import asyncio
    import signal

    # Ctrl-C and SIGTERM both cancel the task, so that everything is removed on exit.
    task = asyncio.current_task()
    assert task is not None
    for name in (signal.SIGINT, signal.SIGTERM):
        # A second Ctrl-C must not interrupt the cleanup.
        asyncio.get_running_loop().add_signal_handler(name, lambda: task.cancelling() or task.cancel())
    try:
        return await _run(as_json, keep, queries, simulated)
    except asyncio.CancelledError:
        typer.echo("provd demo: interrupted; all processes stopped", err=True)
        return 130


async def _run(as_json: bool, keep: bool, queries: str, simulated: bool) -> int:
    import os
    import shutil

    from provider_daemon.demo import environment as stages
    from provider_daemon.demo.sites import POOL, choose
    from provider_daemon.lab.places import temporary

    began = time.monotonic()
    directory = temporary("provd-demo.")
    directory.chmod(0o755)
    say = _teller(began)
    kept = False
    stage: Environment | None = None
    site: DemoSite | None = None
    try:
        site = await choose(directory, simulated, say, pool=0 if os.geteuid() else POOL)
        stage = await stages.build(directory, site, queries, say, agents=True)
        ok = await _perform(stage, as_json, began, say)
        if keep:
            _explain(stage)
            kept = stage.site.real
            await _until_interrupted(stage)
        return 0 if ok else 1
    finally:
        if not kept:
            if stage is not None:
                await stage.close()
            elif site is not None:
                await site.down()
            shutil.rmtree(directory, ignore_errors=True)


async def _perform(stage: "Environment", as_json: bool, began: float, say: Callable[[str], None]) -> bool:
    from provider_daemon.demo import verdict
    from provider_daemon.demo.scenario import Scenario

    rows, measured, problems = await Scenario(stage, say).run()
    site = {"real": stage.site.real, "version": stage.site.version}
    document = verdict.document(rows, measured, problems, site, time.monotonic() - began)
    if as_json:
        sys.stdout.write(json.dumps(document, indent=1) + "\n")
    else:
        _print(rows, problems)
    say(f"all {len(rows)} jobs ended as expected" if document["ok"] else "FAILED: see the problems above")
    say(_site_words(stage))
    return bool(document["ok"])


def _print(rows: "list[JobVerdict]", problems: list[str]) -> None:
    from rich.console import Console

    from provider_daemon.demo import report

    console = Console(width=None if sys.stdout.isatty() else report.WIDE)
    console.print(report.table(rows, console.width))
    report.details(console, rows)
    for problem in problems:
        console.print(f"FAILED: {problem}", style="red", highlight=False, markup=False)


def _site_words(stage: "Environment") -> str:
    return (
        f"site: SLURM {stage.site.version}, private" if stage.site.real else "site: SIMULATED, not real SLURM"
    )


async def _until_interrupted(stage: "Environment") -> None:
    """Waits, because the simulated site lives in this process."""
    import asyncio

    if not stage.site.real:
        typer.echo("The simulated site runs in this process; press Ctrl-C to stop everything.", err=True)
        await asyncio.Event().wait()


def _teller(began: float) -> Callable[[str], None]:
    return lambda text: typer.echo(f"[{time.monotonic() - began:6.1f} s] {text}", err=True)


def _explain(stage: "Environment") -> None:
    typer.echo(exploration(stage), err=True)


def exploration(stage: "Environment") -> str:
    """Returns the commands that explore and stop what `--keep` leaves running."""
    from provider_daemon.config.model import load
    from provider_daemon.demo.environment import PASSPHRASE_FILE

    there, node = stage.directory, f"127.0.0.1:{stage.market.port}"
    text = f"""Still running in {there}. To explore:
  http://{load(stage.config).metrics.listen}/ (status page)
  {stage.url}/ (page for customers)
  provd top -c {stage.config}
  provd jobs -c {stage.config}
  provd job explain JOB-1 -c {stage.config}
  provd evidence verify JOB-1 --node {node}
  tail -f {there}/*.log
As a customer:
  export PROVD_NODE={node} PROVD_FROM={there}/customer-1.armor PROVD_PASSPHRASE_FILE={there}/{PASSPHRASE_FILE}
  provd submit docs/examples/hello.yaml"""
    if not stage.site.real:
        return text
    processes = [stage.gateway.pid, stage.mover.pid, stage.daemon.pid, stage.market.devnet.pid]
    if stage.agents:
        processes = [*stage.agents.pids, *processes]
    return f"""{text}
At the site:
  provd lab exec {there}/slurm squeue
  provd node list -c {stage.config}
  provd site audit -c {stage.config} (what a customer's job can reach)
To stop everything:
  kill {" ".join(map(str, processes))}; provd lab down {there}/slurm --purge; rm -rf {there}"""
