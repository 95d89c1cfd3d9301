"""SLURM's programs over the model: command line in; stdout, stderr and exit code out."""

from collections.abc import Sequence

from provider_daemon.job.site_trouble import SiteTrouble
from provider_daemon.lab.simulated.submission import directives
from provider_daemon.ports import Submission
from tests.simulation.site import Site
from tests.simulation.wire import texts
from tests.simulation.wire.faults import Wire
from tests.simulation.wire.shell import Said
from tests.simulation.world import World

FAILED = "sbatch: error: Batch job submission failed: "
UNREACHABLE = "Unable to contact slurm controller (connect failure)"
NO_DATABASE = "sacct: error: Problem talking to the database: Connection refused\n"
_DOWN = {
    "squeue": (f"slurm_load_jobs error: {UNREACHABLE}\n", 1),
    "scontrol": (f"slurm_load_node error: {UNREACHABLE}\n", 1),
    "scancel": (f"scancel: error: Kill job error on job id 1: {UNREACHABLE}\n", 8),
    "sdiag": (f"slurm_get_statistics: {UNREACHABLE}\n", 255),
    "sbatch": (f"{FAILED}{UNREACHABLE}\n", 1),
}
# Temporary errors, in the words of SLURM's programs; the last is one that is not in any list.
TROUBLES = (
    "slurm_load_jobs error: Socket timed out on send/recv operation\n",
    "error: slurm_receive_msgs: [[login1]:6817] failed: Zero Bytes were transmitted or received\n",
    "error: If munged is up, restart with --num-threads=10\nerror: Munge encode failed: Failed to "
    "access munge.socket\n"
    "error: authentication: Protocol authentication error\n",
    "error: Rate limit exceeded, please retry. 12 of 20 tokens used by uid 1002\n",
    "error: Slurm temporarily unable to accept job, sleeping and retrying (30)\n",
    "fatal: pthread_create error Resource temporarily unavailable\n",
    "error: resolve_ctls_from_dns_srv: res_nsearch error: Unknown host 4711\n",
)
# What wrappers, module systems and plugins print among the rows; the last ones without a line break.
BANNERS = (
    "NOTICE: maintenance on Friday, see the news page\n",
    "sacct: your query is being checked by the site's wrapper\n\n",
    "4711\n",
    "ve-0123456789ab-JOB-1 RUNNING 99\n",
    "quota: 77 ",
    "1",
)
DAY = 86_400
_REFUSALS = {
    "account may not use": f"{FAILED}Invalid account or account/partition combination specified\n",
    "no node of the site has": "sbatch: error: Memory specification can not be satisfied\n"
    f"{FAILED}Requested node configuration is not available\n",
}
_FULL = (
    "sbatch: error: AssocMaxSubmitJobLimit\n"
    f"{FAILED}Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)\n"
)


class Slurm:
    def __init__(self, world: World, wire: Wire, site: Site) -> None:
        self._world = world
        self._wire = wire
        self._site = site
        self._sick_until = 0.0
        self._query_range = DAY if wire.strikes("wire_query_range") else 0  # the site's MaxQueryTimeRange

    def _in_trouble(self) -> bool:
        if self._wire.strikes("wire_sick"):
            self._sick_until = self._world.now() + self._world.broken_for(20, 150)
        return self._wire.strikes("wire_trouble") or (
            self._world.now() < self._sick_until and self._wire.dice.random() < 0.5
        )

    def run(self, words: Sequence[str]) -> Said:
        """Runs a program. It raises nothing: errors are reported in SLURM's words."""
        name = words[0]
        if self._world.strikes("slurm_down"):
            self._site.down_until = self._world.now() + self._world.broken_for(10, 200)
        if name in _DOWN and (
            self._site.down_until > self._world.now()
            or (name == "squeue" and self._world.strikes("squeue_down"))
        ):
            text, code = _DOWN[name]
            return Said("", text, code)
        if self._in_trouble():
            return Said(
                "", f"{name}: {self._wire.dice.choice(TROUBLES)}", self._wire.dice.choice((1, 2, 255))
            )
        if words[1:3] == ["write", "batch_script"]:
            return Said(self._site.script(words[3]))
        said: Said = getattr(self, f"_{name}")(_options(words[1:]))
        warned = self._wire.strikes("wire_warnings")
        return (
            Said(
                said.stdout,
                f"{name}: warning: slurm.conf line 17 is deprecated\n{said.stderr}",
                said.exit_code,
            )
            if warned
            else said
        )

    # --- queries ---

    def _squeue(self, asked: dict[str, str]) -> Said:
        if self._wire.strikes("wire_exit_0_failure"):
            return Said(texts.squeue(asked["-O"], [])[0] + "\n", "squeue: error: Invalid user: 997\n")
        return Said(self._around(texts.squeue(asked["-O"], self._site.squeue())))

    def _sacct(self, asked: dict[str, str]) -> Said:
        if self._world.strikes("sacct_down"):
            return Said("", NO_DATABASE, 1)
        ids, names = (
            frozenset(filter(None, asked.get(option, "").split(","))) for option in ("-j", "--name")
        )
        since = int(asked.get("-S", "uts0").removeprefix("uts"))
        until = (
            int(asked["-E"].removeprefix("uts"))
            if asked.get("-E", "").startswith("uts")
            else self._world.now() + DAY
        )
        if self._query_range and "-S" in asked and until - since >= self._query_range:
            return Said(
                texts.sacct(asked["-o"], asked["--delimiter"], [])[0],
                "sacct: error: Too wide of a date range in query\n",
                95,
            )
        rows = [
            row
            for row in self._site.sacct(ids, names)
            if (not row.ended_at or row.ended_at >= since) and row.submitted_at <= until
        ]
        if self._wire.strikes("wire_no_header"):
            return Said()
        text = self._around(texts.sacct(asked["-o"], asked["--delimiter"], rows))
        if text and self._wire.strikes("wire_slurmdbd_dies"):
            some = text[: self._wire.dice.randrange(len(text))]
            if self._wire.dice.random() < 0.5:
                some = some[: some.rfind("\n") + 1]
            return Said(
                some, "sacct: error: slurm_persist_conn_recv: Connection reset by peer\n" + NO_DATABASE, 1
            )
        return Said(text)

    def _around(self, lines: list[str]) -> str:
        """Returns a table with a wrapper's output before, between and after its lines.

        One of its lines may be damaged.
        """
        lines = list(lines)
        if len(lines) > 1 and self._world.strikes("record_unreadable"):
            number = self._wire.dice.randrange(1, len(lines))
            kept = self._wire.dice.randrange(1, max(2, len(lines[number])))
            damaged = lines[number][:kept] + "\n"
            self._world.note(f"row damaged: {damaged!r}")
            lines[number] = damaged
        for fault, place in (
            ("wire_banner_before", 0),
            ("wire_banner_between", len(lines) // 2),
            ("wire_banner_after", len(lines)),
        ):
            if self._wire.strikes(fault):
                lines.insert(place, self._wire.dice.choice(BANNERS))
        return "".join(lines)

    def _sdiag(self, asked: dict[str, str]) -> Said:
        return Said(texts.sdiag(self._site.backlog()))

    def _sacctmgr(self, asked: dict[str, str]) -> Said:
        return Said(self._around(texts.database(self._query_range).splitlines(keepends=True)))

    def _scontrol(self, asked: dict[str, str]) -> Said:
        return Said(self._around(texts.nodes().splitlines(keepends=True)))

    def claims(self, names: Sequence[str]) -> dict[str, str]:
        return self._site.claims.of(names)

    # --- changes ---

    def _scancel(self, asked: dict[str, str]) -> Said:
        self._site.scancel(asked["-Q"].split())
        return Said()

    def sbatch(self, script: bytes, directory: str, inputs: str) -> Said:
        """Runs `sbatch --parsable` with the script on stdin, whose directives contain the job's name."""
        if self._site.down_until > self._world.now():
            text, code = _DOWN["sbatch"]
            return Said("", text, code)
        if self._in_trouble():
            return Said("", f"sbatch: {self._wire.dice.choice(TROUBLES)}", 1)
        receipt = self._site.sbatch(
            Submission(directives(script)["job-name"], script.decode(), directory, inputs)
        )
        if receipt.refusal:
            return Said("", next(text for words, text in _REFUSALS.items() if words in receipt.refusal), 1)
        if receipt.trouble:
            return Said(
                "", _FULL if receipt.trouble is SiteTrouble.FULL else f"{self._site.outage.words}\n", 1
            )
        if self._wire.strikes("wire_sbatch_socket_timeout"):
            return Said("", f"{FAILED}Socket timed out on send/recv operation\n", 1)
        cluster = ";alpha" if self._wire.strikes("wire_other_cluster_id") else ""
        banner = self._wire.dice.choice(BANNERS[:5]) if self._wire.strikes("wire_sbatch_banner") else ""
        return Said(f"{banner}{receipt.slurm_id}{cluster}\n")


def _options(words: Sequence[str]) -> dict[str, str]:
    """Returns each option with the word after it, or after its equals sign.

    For a flag that word is the next option, which no caller uses.
    """
    options: dict[str, str] = {}
    for word, following in zip(words, [*words, ""][1:], strict=True):
        name, equals, value = word.partition("=")
        if word.startswith("-"):
            options[name] = value if equals else following
    return options
