"""Which jobs one submission command may hold."""

from provider_daemon.loops.advance import batches, commands_at_once
from provider_daemon.ports import Submission
from provider_daemon.slurm.commands import ORDERS_A_COMMAND


def test_one_command_has_one_user() -> None:
    """However the users alternate, each is in as few commands as the number of its jobs needs."""
    users = ["", "u1", "u2"]
    orders = {
        f"JOB-{number}": Submission(f"n{number}", "", "/w", user=users[number % 3])
        for number in range(3 * ORDERS_A_COMMAND + 1)
    }
    found = batches(orders)
    assert [{order.user for order in batch.values()} for batch in found] == [{""}, {""}, {"u1"}, {"u2"}]
    assert [len(batch) for batch in found] == [ORDERS_A_COMMAND, 1, ORDERS_A_COMMAND, ORDERS_A_COMMAND]
    assert sorted(job_id for batch in found for job_id in batch) == sorted(orders)


def test_commands_of_several_users_run_side_by_side() -> None:
    """One user's commands share a connection; those of several users have one each."""
    orders = [Submission(user, "", "/w", user=user) for user in ("u1", "u2")]
    assert commands_at_once(orders[:1] * 100) == commands_at_once([]) == 2
    assert commands_at_once(orders) == 8
