"""Which step is next, over all orders of events, kills and failures."""

from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from provider_daemon.job.transfer import InputState, Results, Transfer
from provider_daemon.mover import plan
from provider_daemon.mover.facts import JobFacts
from provider_daemon.mover.plan import Step
from provider_daemon.transfers.rows import Delivery, JobTransfer

RETENTION = 100.0
WORK_ROOT, STAGED = "/work", "/work/.provd-inputs/ve-1"
JOB = JobFacts("ve-1", "JOB-1", "HPC-1", "ve1customer")
ROW = JobTransfer("ve-1", "HPC-1", "JOB-1", "ve1customer", 0.0)
DIRECTORY = "/scratch/ve-1.00c0ffee"
OVER = replace(JOB, over=True, ran=True, directory=DIRECTORY)
OVER_ROW = replace(ROW, directory=DIRECTORY)
CLOSED = replace(OVER, closed_at=50.0)
SETTLED = replace(
    OVER_ROW, transfer=Transfer(settled=True), closed_at=50.0, expires_at=150.0, results_detail="none"
)


def waiting(**more: object) -> JobTransfer:
    return replace(ROW, transfer=Transfer(inputs=InputState.WAITING), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("job", "row", "now", "expected"),
    [
        (None, ROW, 0.0, None),
        (None, None, 0.0, None),
        (JOB, None, 0.0, Step.ADD),
        (JOB, ROW, 0.0, None),
        (replace(JOB, stageable=True), ROW, 0.0, None),
        (replace(JOB, stageable=True), replace(ROW, staging=STAGED), 0.0, None),
        (replace(JOB, stageable=True, user="u1"), replace(ROW, staging=STAGED), 0.0, Step.STAGE),
        (replace(JOB, stageable=True), waiting(), 0.0, Step.STAGE),
        (JOB, waiting(), 0.0, None),
        (replace(JOB, directory=DIRECTORY), ROW, 0.0, Step.NOTE),
        (OVER, OVER_ROW, 0.0, Step.MANIFEST),
        (replace(JOB, over=True), ROW, 0.0, Step.NO_MANIFEST),
        (CLOSED, OVER_ROW, 60.0, Step.NOTE),
        (CLOSED, replace(OVER_ROW, closed_at=50.0, expires_at=150.0), 60.0, Step.MANIFEST),
        (CLOSED, replace(OVER_ROW, closed_at=50.0, expires_at=150.0), 150.0, Step.NO_MANIFEST),
        (CLOSED, replace(OVER_ROW, closed_at=50.0, expires_at=150.0, staging="/s"), 60.0, Step.UNSTAGE),
        (OVER, replace(OVER_ROW, results_detail="none"), 0.0, Step.SETTLE),
        (
            OVER,
            replace(OVER_ROW, results_detail="none", delivery=Delivery.WAITING),
            0.0,
            Step.NO_DELIVERY,
        ),
        (
            OVER,
            replace(OVER_ROW, transfer=Transfer(results=Results("r", 1, 1)), delivery=Delivery.WAITING),
            0.0,
            Step.DELIVER,
        ),
        (CLOSED, SETTLED, 149.0, None),
        (CLOSED, SETTLED, 150.0, Step.DELETE),
        (CLOSED, replace(SETTLED, deleted_at=151.0), 152.0, None),
        (CLOSED, replace(SETTLED, expires_at=120.0), 130.0, Step.NOTE),  # a longer retention
        (CLOSED, replace(SETTLED, expires_at=900.0), 500.0, None),  # a shorter one
        (OVER, replace(SETTLED, closed_at=None, expires_at=None), 10.0**9, None),
        (OVER, SETTLED, 10.0**9, None),  # a ledger of before the end: noting it would change nothing
        (JOB, SETTLED, 10.0**9, None),
        (replace(JOB, over=True), replace(ROW, transfer=Transfer(settled=True)), 10.0**9, None),
    ],
)
def test_next_step(job: JobFacts | None, row: JobTransfer | None, now: float, expected: Step | None) -> None:
    """One row for each rule of the page in plan.py."""
    assert plan.next_step(job, row, RETENTION, now, WORK_ROOT) is expected


class Life(RuleBasedStateMachine):
    """One job, its ledger and a mover whose steps are done, fail, or are killed before or after their effect.

    `staged` and `files` are what is at the site; `row` is what the mover has stored.
    """

    @initialize(references=st.booleans(), delivery=st.booleans())
    def begin(self, references: bool, delivery: bool) -> None:
        self.now = 0.0
        self.retention = RETENTION
        self.facts: JobFacts | None = replace(
            JOB,
            inputs=int(references),
            outputs_pointer="https://x" if delivery else "",
            stageable=True,
        )
        self.row: JobTransfer | None = None
        self.staged: str = "nothing"  # or "part", "whole"
        self.files = False
        self.promised: float | None = None
        self.delivered = 0
        self.deletions: list[float] = []

    # --- the daemon ---

    @precondition(lambda self: self.facts is not None and self.facts.stageable)
    @rule()
    def submit(self) -> None:
        """The daemon submits only what is ready."""
        assert self.facts is not None
        if self.row is None or self.row.transfer.inputs is not InputState.READY:
            return
        if self.facts.inputs:
            assert self.staged == "whole"
        self.files = True
        self.facts = replace(self.facts, stageable=False, ran=True, running=True, directory=DIRECTORY)

    @precondition(lambda self: self.facts is not None and self.facts.running)
    @rule()
    def finish(self) -> None:
        assert self.facts is not None
        self.facts = replace(self.facts, running=False, over=True, wall_seconds=10)

    @precondition(
        lambda self: (
            self.facts is not None
            and self.facts.closed_at is None
            and (self.facts.over or self.facts.stageable)
        )
    )
    @rule()
    def close(self) -> None:
        assert self.facts is not None
        self.facts = replace(self.facts, stageable=False, over=True, closed_at=self.now)

    @rule(seconds=st.sampled_from([1.0, 60.0, 1000.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(retention=st.sampled_from([10.0, RETENTION, 500.0]))
    def reconfigure(self, retention: float) -> None:
        self.retention = retention

    @precondition(lambda self: self.facts is not None and self.facts.closed_at is not None)
    @rule()
    def drop(self) -> None:
        """The job leaves the ledger."""
        self.facts = None

    # --- the mover ---

    @rule(effect=st.booleans(), stored=st.booleans(), final=st.booleans())
    def step(self, effect: bool, stored: bool, final: bool) -> None:
        """One step; killed before its effect, between effect and row, or done. `final`: it fails for good."""
        step = plan.next_step(self.facts, self.row, self.retention, self.now, WORK_ROOT)
        if step is None or self.facts is None:
            return
        if not effect and step not in plan.QUICK:
            if step is Step.STAGE:
                self.staged = "part"
            return
        if step not in plan.QUICK and not (step is Step.STAGE and final):
            self._effect(step)
        if stored or step in plan.QUICK:
            self.row = self._stored(step, final)

    def _effect(self, step: Step) -> None:
        assert self.row is not None
        if step is Step.STAGE:
            assert self.row.transfer.inputs is InputState.WAITING
            self.staged = "whole"
        elif step is Step.UNSTAGE:
            self.staged = "nothing"
        elif step is Step.DELIVER:
            assert self.files
            self.delivered += 1
        elif step is Step.DELETE:
            self.files = False
            self.deletions.append(self.now)
        else:
            assert self.files, "a manifest of deleted results"

    def _stored(self, step: Step, final: bool) -> JobTransfer:
        facts, row = self.facts, self.row
        assert facts is not None
        if row is None:
            state = InputState.WAITING if facts.inputs else InputState.READY
            delivery = Delivery.WAITING if facts.outputs_pointer else Delivery.NONE
            return replace(ROW, transfer=Transfer(inputs=state), delivery=delivery)
        transfer = row.transfer
        if step is Step.NOTE:
            expires = plan.expiry(facts, row, self.retention)
            return replace(
                row,
                directory=facts.directory or row.directory,
                closed_at=facts.closed_at,
                expires_at=expires,
            )
        if step is Step.STAGE:
            state = InputState.FAILED if final else InputState.READY
            return replace(row, staging=STAGED, transfer=replace(transfer, inputs=state))
        if step is Step.UNSTAGE:
            return replace(row, unstaged_at=self.now)
        if step is Step.MANIFEST and not final:
            return replace(row, transfer=replace(transfer, results=Results("r", 1, 1)))
        if step in (Step.MANIFEST, Step.NO_MANIFEST):
            return replace(row, results_detail="none")
        if step is Step.DELIVER and not final:
            return replace(row, delivery=Delivery.DONE)
        if step in (Step.DELIVER, Step.NO_DELIVERY):
            return replace(row, delivery=Delivery.FAILED)
        if step is Step.SETTLE:
            return replace(row, transfer=replace(transfer, settled=True))
        return replace(row, deleted_at=self.now)

    # --- what holds ---

    @invariant()
    def never_ready_before_whole(self) -> None:
        row = getattr(self, "row", None)
        if row is None or not row.staging or row.transfer.inputs is not InputState.READY:
            return
        assert self.staged == "whole" or (self.facts is None or self.facts.closed_at is not None)

    @invariant()
    def never_deleted_before_the_promise(self) -> None:
        row = getattr(self, "row", None)
        if row is None:
            return
        if row.expires_at is not None:
            assert self.promised is None or row.expires_at >= self.promised, "a promise was shortened"
            self.promised = row.expires_at
        assert all(self.promised is not None and at >= self.promised for at in self.deletions[:1]) or (
            not row.directory
        )

    @invariant()
    def settled_only_when_everything_ended(self) -> None:
        row = getattr(self, "row", None)
        if row is not None and row.transfer.settled:
            assert row.delivery is not Delivery.WAITING
            assert row.transfer.results or row.results_detail

    def teardown(self) -> None:
        """From any state, a mover that is left alone comes to rest, and leaves nothing of a closed job."""
        if not hasattr(self, "row"):
            return
        for _ in range(30):
            if plan.next_step(self.facts, self.row, self.retention, self.now, WORK_ROOT) is None:
                break
            self.step(effect=True, stored=True, final=False)
        else:
            raise AssertionError("the steps never end")
        if self.facts is not None and self.facts.closed_at is not None:
            self.now = self.facts.closed_at + 10_000.0
            for _ in range(30):
                self.step(effect=True, stored=True, final=False)
            assert self.row is not None
            assert self.row.deleted_at is not None
            assert self.row.transfer.settled
            assert not self.files


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
