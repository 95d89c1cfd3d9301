"""The verdicts of the audit."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.site_audit.answers import Answer, Answers, Outcome
from provider_daemon.site_audit.observations import Effects, observations, with_out_of_memory
from provider_daemon.site_audit.rows import AFTER, ATTACK, CONTROL, CREDENTIALS, PLANTED, ROWS, SLURMCTLD
from provider_daemon.site_audit.verdicts import Judged, Observation, Verdict, judge
from provider_daemon.slurm.shown_job import ShownJob

OTHER = ShownJob("7", "other", "RUNNING", "n1", 900, 1, "None")
OWN = ShownJob("8", "own", "COMPLETED", "n1", 300, 1, "None")
EFFECTS = Effects(OTHER, OTHER, (300, 300), (), OWN, (12, 12))
DENIED = Answers(
    {question: Answer(Outcome.REFUSED, "denied") for question in (*ATTACK, *AFTER)}
    | {question: Answer(Outcome.REACHED) for question in (CONTROL, PLANTED)}
    | {"cpu.affinity": Answer(Outcome.REFUSED, "1 core", 1)}
)


def changed(**outcomes: Outcome | None) -> Answers:
    """The denials, with other answers; None takes one away. `_` stands for a dot."""
    found = dict(DENIED.found)
    for name, outcome in outcomes.items():
        question = name.replace("_", ".")
        del found[question]
        if outcome is not None:
            found[question] = Answer(outcome, "said")
    return Answers(found)


def verdicts(
    answers: Answers = DENIED, effects: Effects = EFFECTS, uncontained: bool = False
) -> dict[str, Judged]:
    rows = judge(answers, observations(effects, answers), uncontained=uncontained)
    return {row.name: row for row in rows}


def not_closed(rows: dict[str, Judged]) -> dict[str, Verdict]:
    return {name: row.verdict for name, row in rows.items() if row.verdict is not Verdict.CLOSED}


def test_everything_denied_is_closed() -> None:
    """And nothing is to be done."""
    rows = verdicts()
    assert not not_closed(rows)
    assert not any(row.todo for row in rows.values())
    assert len(rows) == len(ROWS)


@pytest.mark.parametrize("question", [each for each in (*ATTACK, *AFTER) if each not in (CONTROL, PLANTED)])
def test_one_thing_reached_opens_exactly_its_row(question: str) -> None:
    """With advice."""
    (row,) = [each for each in ROWS if question in each.questions]
    rows = verdicts(changed(**{question.replace(".", "_"): Outcome.REACHED}))
    found = not_closed(rows)
    if question == "cpu.affinity":
        found[row.name] = Verdict.OPEN  # it answers with a number: below
    assert found == {row.name: Verdict.OPEN}
    assert rows[row.name].todo


@pytest.mark.parametrize("question", [*ATTACK, *AFTER])
@pytest.mark.parametrize("outcome", [None, Outcome.SKIPPED])
def test_what_was_not_answered_is_not_closed(question: str, outcome: Outcome | None) -> None:
    """Missing and skipped answers leave their rows untried; without its control, the whole job's."""
    found = not_closed(verdicts(changed(**{question.replace(".", "_"): outcome})))
    concerned = {
        each.name
        for each in ROWS
        if question in each.questions or question == CONTROL or (each.planted and question == PLANTED)
    }
    assert found == dict.fromkeys(concerned, Verdict.NOT_TRIED)


def test_no_answers_at_all() -> None:
    """Nothing is closed, and the reason is that of the audit's early end."""
    rows = judge(Answers(), {}, uncontained=False, failure="the first probe job is PENDING")
    assert {(row.verdict, row.seen) for row in rows} == {
        (Verdict.NOT_TRIED, "the first probe job is PENDING")
    }


@given(st.dictionaries(st.sampled_from([*ATTACK, *AFTER]), st.sampled_from(Outcome)))
def test_closed_needs_every_denial(outcomes: dict[str, Outcome]) -> None:
    """Whatever the answers are."""
    answers = Answers({question: Answer(outcome, "said", 1) for question, outcome in outcomes.items()})
    for row in judge(answers, observations(EFFECTS, answers), uncontained=False):
        (known,) = [each for each in ROWS if each.name == row.name]
        if row.verdict is Verdict.CLOSED:
            assert all(outcomes[each] in (Outcome.REFUSED, Outcome.ABSENT) for each in known.questions)
            assert outcomes[CONTROL] is Outcome.REACHED


@pytest.mark.parametrize(
    ("row", "effects"),
    [
        ("other-job-cancel", replace(EFFECTS, after=replace(OTHER, state="CANCELLED"))),
        ("other-job-rename", replace(EFFECTS, after=replace(OTHER, name="taken"))),
        ("other-job-update", replace(EFFECTS, after=replace(OTHER, limit=840))),
        ("own-time-limit", replace(EFFECTS, own_limit=(300, 3900))),
        ("job-submission", replace(EFFECTS, submitted=("9",))),
        ("leftover-processes", replace(EFFECTS, beats=(12, 20))),
        ("cores", replace(EFFECTS, attacker=replace(OWN, cpus=0))),
    ],
)
def test_what_provd_saw_decides_against_the_job(row: str, effects: Effects) -> None:
    """A job that denies what SLURM and the files show does not close the row."""
    assert not_closed(verdicts(effects=effects)) == {row: Verdict.OPEN}


@pytest.mark.parametrize(
    ("row", "effects"),
    [
        ("own-time-limit", replace(EFFECTS, own_limit=None)),
        ("job-submission", replace(EFFECTS, submitted=None)),
        ("leftover-processes", replace(EFFECTS, beats=(12, None))),
        ("cores", replace(EFFECTS, attacker=None)),
    ],
)
def test_what_provd_could_not_see_is_not_closed(row: str, effects: Effects) -> None:
    assert not_closed(verdicts(effects=effects)) == {row: Verdict.NOT_TRIED}


def test_one_unix_user_without_a_container() -> None:
    """It cannot be denied the files and processes of the other: a denial is a forgery."""
    found = not_closed(verdicts(uncontained=True))
    assert found == dict.fromkeys(("other-files", "other-processes"), Verdict.NOT_TRIED)


def test_a_job_without_slurm_commands() -> None:
    """A customer may bring its own: the rows are closed only without credential or connection."""
    absent = changed(job_cancel=Outcome.ABSENT, job_submit=Outcome.ABSENT)
    assert not not_closed(verdicts(absent))
    reached = [SLURMCTLD, CREDENTIALS[0]]
    found = {**absent.found, **{question: Answer(Outcome.REACHED, "said") for question in reached}}
    assert not_closed(verdicts(Answers(found))) == {
        "munge": Verdict.OPEN,
        "slurmctld": Verdict.OPEN,
        "other-job-cancel": Verdict.NOT_TRIED,
        "job-submission": Verdict.NOT_TRIED,
    }


def test_a_job_that_slurm_ended_for_its_memory() -> None:
    """It has no time for an answer."""
    attacker = replace(OWN, state="OUT_OF_MEMORY")
    silent = changed(memory_beyond=None)
    assert not_closed(verdicts(silent)) == {"memory": Verdict.NOT_TRIED}
    assert not not_closed(verdicts(with_out_of_memory(silent, attacker)))
    told = changed(memory_beyond=Outcome.REACHED)
    assert with_out_of_memory(told, attacker) == told


def test_an_observation_is_text_of_its_own() -> None:
    """The effect is shown, not what the job said."""
    (row,) = [
        each
        for each in judge(DENIED, {"gpus": Observation(True, "seen")}, uncontained=False)
        if each.verdict is Verdict.OPEN
    ]
    assert (row.name, row.seen) == ("gpus", "seen")
