"""`provd query hpc`: the module's 21 queries, whether or not the chain has wired them."""

import typer

from provider_daemon.cli.options import example
from provider_daemon.cli.query import accounts, encryption, jobs, market

_ADDRESS = "ve19rl4cm2hmr8afy4kldpxz3fka4jguq0aqakfsa"
_HASH = "51AAEB28AAA43A76DF396F1AAFA565E8835DECC873432DBF272B3D98188181CC"

app = typer.Typer(help="Query jobs, clusters, transactions and balances on chain.", no_args_is_help=True)
hpc = typer.Typer(
    no_args_is_help=True,
    help=(
        "Query the HPC module's records. If the chain does not serve an RPC, provd reads the records "
        "from the chain's store."
    ),
    epilog="Exit status: 0 success, 1 not found, no answer or unreadable record, 2 usage error.",
)
bank = typer.Typer(help="Query account balances.", no_args_is_help=True)
app.add_typer(hpc, name="hpc")
app.add_typer(bank, name="bank")
app.command("tx", short_help="Show a transaction.", epilog=example(f"provd query tx {_HASH}"))(
    accounts.transaction
)


@bank.callback()
def group() -> None:
    """Query account balances."""


recipients = typer.Typer(help="Query recipient keys of accounts.", no_args_is_help=True)
app.add_typer(recipients, name="encryption")


@recipients.callback()
def recipient_group() -> None:
    """Query recipient keys of accounts."""


recipients.command("keys", epilog=example(f"provd query encryption keys {_ADDRESS}"))(encryption.keys)
bank.command("balances", epilog=example(f"provd query bank balances {_ADDRESS}"))(accounts.balances)

_COMMANDS = {
    "cluster": (market.cluster, "HPC-1"),
    "clusters": (market.clusters, "--state active --region us-west-2"),
    "clusters-by-provider": (market.clusters_by_provider, _ADDRESS),
    "offering": (market.offering, "OFF-1 -o yaml"),
    "offerings": (market.offerings, "--active-only"),
    "offerings-by-cluster": (market.offerings_by_cluster, "HPC-1"),
    "job": (jobs.job, "JOB-1"),
    "jobs": (jobs.jobs, "--state pending --limit 20 --count-total"),
    "jobs-by-customer": (jobs.jobs_by_customer, f"{_ADDRESS} --reverse"),
    "jobs-by-provider": (jobs.jobs_by_provider, f"{_ADDRESS} -o json"),
    "job-accounting": (jobs.job_accounting, "JOB-1"),
    "node-metadata": (market.node_metadata, "alpha.n1"),
    "nodes-by-cluster": (market.nodes_by_cluster, "HPC-1"),
    "scheduling-decision": (jobs.scheduling_decision, "hpc-decision-1"),
    "scheduling-decision-by-job": (jobs.scheduling_decision_by_job, "JOB-1"),
    "scheduling-metrics": (jobs.scheduling_metrics, "HPC-1 cpu"),
    "reward": (jobs.reward, "hpc-reward-JOB-1"),
    "rewards-by-job": (jobs.rewards_by_job, "JOB-1"),
    "dispute": (jobs.dispute, "hpc-dispute-2"),
    "disputes": (jobs.disputes, "--status pending"),
    "params": (market.params, "-o json"),
}

for _name, (_function, _arguments) in _COMMANDS.items():
    hpc.command(_name, epilog=example(f"provd query hpc {_name} {_arguments}"))(_function)
