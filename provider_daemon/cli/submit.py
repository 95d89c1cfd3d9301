"""`provd submit`: one command from a job file to results on disk."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from provider_daemon.cli.customer import CustomerOptions, client_of, write_out
from provider_daemon.cli.options import example, with_options
from provider_daemon.cli.results import show_fetched
from provider_daemon.text import printable

if TYPE_CHECKING:
    from provider_daemon.client.api import Client, Plan
    from provider_daemon.client.outcome import Ended

LOG_SECONDS = 20.0  # after a job's end, for the rest of its followed log

EPILOG = (
    "Exit status: that of the job's program; 2 usage error or invalid job file (nothing was submitted), "
    "121 results missing or not verified, 122 refused (the job never ran), 123 cancelled, 124 timed out, "
    "125 failure of provd (reason on stderr), 126 failed without an exit code, 130 Ctrl-C (the job "
    "continues)."
    "\n\n" + example("provd submit job.yaml --from bob")
)


@dataclass
class Submission:
    """What was asked, and how far it has come: Ctrl-C may end it at any time."""

    job_file: Path
    offering: str
    yes: bool
    output: Path | None
    detach: bool
    options: CustomerOptions | None = None
    tx_hash: str = field(default="", init=False)
    job_id: str = field(default="", init=False)

    @property
    def directory(self) -> Path:
        return self.output or Path(self.job_id)


def _given(
    job_file: Annotated[Path, typer.Argument(metavar="FILE", help="Job file (YAML or JSON).")],
    offering: Annotated[
        str,
        typer.Option(metavar="OFFERING", help="Offering id, such as OFF-1; default: the first that matches."),
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not prompt for confirmation.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Directory for the results.", show_default="the job's id"),
    ] = None,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return when the job is submitted, and print its id.")
    ] = False,
) -> Submission:
    """Submit a job, follow its log, and fetch and verify its results.

    Prints the price before anything is sent. Ctrl-C leaves the job running."""
    return Submission(job_file, offering, yes, output, detach)


def _run(asked: Submission, options: CustomerOptions) -> None:
    import asyncio

    from provider_daemon.client.outcome import Exit
    from provider_daemon.errors import ConfigError, ProvdError

    asked.options = options
    client = client_of(options)
    try:
        status = asyncio.run(_carried_out(client, asked))
    except KeyboardInterrupt:
        _say("", *_interrupted(asked))
        status = Exit.DETACHED
    except ConfigError:
        raise
    except ProvdError as error:
        _say(f"provd: {error}")
        if asked.job_id:
            _say(*_how_to_continue(asked))
        status = Exit.UNKNOWN if asked.job_id or asked.tx_hash else _before(error)
    sys.exit(status)


submit = with_options(_given, CustomerOptions, _run)


def _before(error: Exception) -> int:
    """Returns the exit status of an error before the job was sent."""
    from provider_daemon.client.outcome import Exit
    from provider_daemon.errors import Refused

    return Exit.REFUSED if isinstance(error, Refused) else Exit.UNKNOWN


def _say(*lines: str) -> None:
    for line in lines:
        typer.echo(printable(line), err=True)


def _confirmed() -> bool:
    """Returns the answer to the prompt; no terminal and Ctrl-C are a no."""
    try:
        return typer.confirm("Submit this job?", err=True)
    except typer.Abort:
        typer.echo(err=True)
        return False


async def _carried_out(client: "Client", asked: Submission) -> int:
    from provider_daemon.client.outcome import Exit

    async with client:
        plan = await client.plan(asked.job_file, offering=asked.offering, say=_say)
        _show(plan)
        if not asked.yes and not _confirmed():
            _say("nothing was submitted")
            return Exit.NOTHING

        def sent(tx_hash: str) -> None:
            asked.tx_hash = tx_hash

        submitted = await client.send(plan, sent=sent)
        asked.job_id = submitted.job_id
        _say(f"{asked.job_id} submitted: transaction {submitted.tx_hash}, fee {submitted.fee}")
        if asked.detach:
            typer.echo(asked.job_id)
            _say(*_how_to_continue(asked))
            return 0
        ended = await _followed(client, asked)
        return await _finished(client, asked, ended)


def _show(plan: "Plan") -> None:
    from provider_daemon.client.durations import text

    choice, size = plan.choice, plan.asked.resources
    _say(
        f"offering {choice.offering.offering_id} ({choice.offering.name}) on cluster "
        f"{choice.cluster.cluster_id}, queue {choice.queue}"
    )
    for name, why in choice.others.items():
        _say(f"  {name}: {why or 'matches too; choose it with --offering'}")
    gpus = f", GPUs {size.gpus_per_node} {size.gpu_type}".rstrip() if size.gpus_per_node else ""
    _say(
        f"nodes {size.nodes}, each: cores {size.cpus_per_node}, memory {size.memory_gb_per_node} GB{gpus}; "
        f"at most {text(plan.asked.max_runtime_seconds)}"
    )
    _say(f"price: at most {plan.escrow}, held in escrow; what the job does not use is refunded")


# --- while it runs ---


async def _followed(client: "Client", asked: Submission) -> "Ended":
    """Shows state changes on stderr and the job's output on stdout until the job has ended."""
    import asyncio

    from provider_daemon.job.signed_words import without_words
    from provider_daemon.job.state import State

    following: list[asyncio.Task[None]] = []

    def changed(state: State, message: str) -> None:
        reason = without_words(message)
        _say(f"{asked.job_id} {state.value}{f': {reason}' if reason else ''}")
        if state is not State.PENDING and not following:
            following.append(asyncio.create_task(_log(client, asked.job_id)))

    try:
        ended = await client.wait(asked.job_id, changed)
        if ended.ran and following:
            await asyncio.wait(following, timeout=LOG_SECONDS)
        return ended
    finally:
        for task in following:
            task.cancel()


async def _log(client: "Client", job_id: str) -> None:
    """Follows the log. What is wrong with it does not stop the wait for the job."""
    from provider_daemon.errors import ProvdError

    try:
        log = await client.log(job_id, write_out)
        await log.follow()
    except ProvdError as error:
        _say(f"the log cannot be followed: {error}")


# --- after its end ---


async def _finished(client: "Client", asked: Submission, ended: "Ended") -> int:
    from provider_daemon.client.outcome import Exit, exit_status

    status = exit_status(ended)
    if not ended.ran:
        return status
    fetched = await _results(client, asked)
    return Exit.UNVERIFIED if status == 0 and not fetched else status


async def _results(client: "Client", asked: Submission) -> bool:
    """Fetches the results. Returns whether they are on disk and verified."""
    from provider_daemon.client.api import MANIFEST_SECONDS
    from provider_daemon.errors import ProvdError

    try:
        fetched = await client.fetch(asked.job_id, asked.directory, patience=MANIFEST_SECONDS)
    except ProvdError as error:
        _say(f"the results cannot be fetched: {error}")
        _say(f"try again with `provd results get {asked.job_id}{_common(asked)}`")
        return False
    show_fetched(fetched, asked.directory)
    return not fetched.problem


# --- interrupted ---


def _interrupted(asked: Submission) -> list[str]:
    if asked.job_id:
        return [f"{asked.job_id} continues.", *_how_to_continue(asked)]
    if asked.tx_hash:
        return [f"transaction {asked.tx_hash} was sent: see `provd query tx {asked.tx_hash}`"]
    return ["nothing was submitted; uploads continue where they were with the next `provd submit`"]


def _how_to_continue(asked: Submission) -> list[str]:
    common = _common(asked)
    return [
        f"  follow it:         provd logs -f {asked.job_id}{common}",
        f"  fetch its results: provd results get {asked.job_id}{common}",
        f"  cancel it:         provd tx hpc cancel-job {asked.job_id}{_sender(asked)}",
    ]


def _sender(asked: Submission) -> str:
    options = asked.options
    if options is None:
        return ""
    return f" --from {options.sender}" if options.sender else f" --key-file {options.key_file}"


def _common(asked: Submission) -> str:
    gateway = asked.options.gateway if asked.options else ""
    return _sender(asked) + (f" --gateway {gateway}" if gateway else "")
