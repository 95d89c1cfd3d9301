"""`provd tx`: the HPC module's twelve transactions, those about recipient keys, and sending coins."""

import typer

from provider_daemon.cli.options import example
from provider_daemon.cli.sections import GroupedOptions
from provider_daemon.cli.tx import bank, clusters, encryption, governance, jobs, nodes, offerings

app = typer.Typer(help="Sign and broadcast a transaction.", no_args_is_help=True)
_EXIT_STATUS = (
    "Exit status: 0 success, 1 rejected or failed, 2 usage error (nothing was signed), "
    "3 not included by its timeout height (no effect), 4 sent, but the result is unknown."
)
hpc = typer.Typer(
    no_args_is_help=True,
    help="Sign and broadcast one of the HPC module's twelve transactions.",
    epilog=_EXIT_STATUS,
)
keys = typer.Typer(
    no_args_is_help=True,
    help="Sign and broadcast a transaction about recipient keys.",
    epilog=_EXIT_STATUS,
)
coins = typer.Typer(
    no_args_is_help=True,
    help="Sign and broadcast a transaction of the bank module.",
    epilog=_EXIT_STATUS,
)
app.add_typer(hpc, name="hpc")
app.add_typer(keys, name="encryption")
app.add_typer(coins, name="bank")

_COMMANDS = {
    "register-cluster": (
        clusters.register_cluster,
        '--name "Test Cluster" --region "us-west-2" --total-nodes 10 --from alice',
    ),
    "update-cluster": (clusters.update_cluster, "HPC-1 --state active --from alice"),
    "deregister-cluster": (clusters.deregister_cluster, "HPC-1 --from alice"),
    "create-offering": (
        offerings.create_offering,
        (
            "--cluster HPC-1 --name standard --queue cpu --max-runtime 86400 --custom --cpu-price 10000 "
            "--from alice"
        ),
    ),
    "update-offering": (offerings.update_offering, "OFF-1 --inactive --from alice"),
    "submit-job": (
        jobs.submit_job,
        "--offering OFF-1 --queue cpu --image docker.io/library/alpine:3 --command hostname --nodes 1 "
        "--cpus 4 --memory-gb 8 --max-runtime 600 --max-price 1000000uvirt --from bob",
    ),
    "cancel-job": (jobs.cancel_job, 'JOB-1 --reason "no longer needed" --from bob'),
    "report-job-status": (jobs.report_job_status, "JOB-1 --state queued --slurm-job 42 --from alice"),
    "update-node-metadata": (
        nodes.update_node_metadata,
        (
            "alpha.n1 --cluster HPC-1 --region us-west-2 --active --cpus 64 --memory-gb 256 --sequence "
            "1 --from alice"
        ),
    ),
    "flag-dispute": (
        governance.flag_dispute,
        'JOB-1 --type usage --reason "billed twice the hours" --from bob',
    ),
    "resolve-dispute": (
        governance.resolve_dispute,
        'hpc-dispute-2 --status resolved --resolution "refunded" --from governor',
    ),
    "update-params": (governance.update_params, "--set node_heartbeat_timeout=180 --from governor"),
}

for _name, (_function, _arguments) in _COMMANDS.items():
    hpc.command(_name, cls=GroupedOptions, epilog=example(f"provd tx hpc {_name} {_arguments}"))(_function)

_AGE = "age1tp56lazs2jtn9ja2a409m7dnpfk6x89su46zht266js6w6835eascutqdx"
_FINGERPRINT = "4457134794559182226754e9dd2f10832d049dc3"
_KEY_COMMANDS = {
    "register-recipient-key": (encryption.register_recipient_key, f"{_AGE} --label results --from bob"),
    "rotate-key": (encryption.rotate_key, f"{_FINGERPRINT} {_AGE} --reason compromise --from bob"),
    "revoke-recipient-key": (encryption.revoke_recipient_key, f"{_FINGERPRINT} --from bob"),
    "update-key-label": (encryption.update_key_label, f"{_FINGERPRINT} laptop --from bob"),
}

for _name, (_function, _arguments) in _KEY_COMMANDS.items():
    keys.command(_name, cls=GroupedOptions, epilog=example(f"provd tx encryption {_name} {_arguments}"))(
        _function
    )

_BANK_EXAMPLE = "provd tx bank send ve16yqr7q0a24m0slxa5jch5e0h5gxfhame47790q 250000000uvirt --from alice"
coins.command("send", cls=GroupedOptions, epilog=example(_BANK_EXAMPLE))(bank.send)
