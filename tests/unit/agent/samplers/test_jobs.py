"""Jobs of this node are counted from the sockets of their steps."""

from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.agent.samplers import sockets
from provider_daemon.agent.samplers.jobs import DAY, JobSampler
from tests.unit.agent.samplers.trees import VM

SPOOL = "/srv/slurm/spool/n1"


def test_each_job_counts_once_and_other_nodes_do_not() -> None:
    """A job with two steps is one job; the second slurmd of the same host has its own."""
    listening = sockets.unix_paths((VM / "proc/net/unix").read_text())
    counts = JobSampler("n1", SPOOL).sample(listening, 1000.0)
    assert (counts.running_count, counts.active_job_ids) == (2, ("1", "2"))
    assert JobSampler("n2", "/srv/slurm/spool/n2/").sample(listening, 1000.0).active_job_ids == ("1",)


def test_jobs_that_end_are_counted_for_a_day() -> None:
    """The agent saw them; those before its start are unknown."""
    sampler = JobSampler("n1", SPOOL)
    both = frozenset({f"{SPOOL}/n1_1.0", f"{SPOOL}/n1_2.0"})
    assert sampler.sample(both, 0.0).completed_24h == 0
    assert sampler.sample(frozenset({f"{SPOOL}/n1_2.0"}), 30.0).completed_24h == 1
    assert sampler.sample(frozenset(), 60.0).completed_24h == 2
    assert sampler.sample(frozenset(), 31.0 + DAY).completed_24h == 1
    assert sampler.sample(frozenset(), 61.0 + DAY).completed_24h == 0


def test_a_node_name_is_not_a_pattern() -> None:
    """A dot in it is a dot, and a longer name is another node."""
    paths = frozenset(
        {"/s/nx1_7.0", "/s/n.10_8.0", "/s/n.1_9.0.1", "/s/n.1_batch.0", "/s/deep/n.1_10.0", "/s/n.1_11.0.tmp"}
    )
    assert JobSampler("n.1", "/s").sample(paths, 0.0).active_job_ids == ("9",)


@given(st.frozensets(st.text("/sn_.0123456789-", max_size=12)))
def test_any_paths_are_counted_or_ignored(paths: frozenset[str]) -> None:
    """Whatever listens on the machine, the count is that of the ids."""
    counts = JobSampler("n", "/s").sample(paths, 0.0)
    assert counts.running_count == len(counts.active_job_ids) <= len(paths)
