"""The options and arguments that the fields of a message are set by, so that errors can name them. Pure."""

import re
from collections.abc import Mapping, Sequence

_CLUSTER, _REGION, _NAME = {"cluster_id": "CLUSTER"}, {"region": "--region"}, {"name": "--name"}
_OFFERING = {
    **_NAME,
    "description": "--description",
    "queue_options": "--queue",
    "max_runtime_seconds": "--max-runtime",
    "supports_custom_workloads": "--custom",
    "required_identity_threshold": "--identity-threshold",
    "pricing.cpu_core_hour_price": "--cpu-price",
    "pricing.memory_gb_hour_price": "--memory-price",
    "pricing.gpu_hour_price": "--gpu-price",
    "pricing.base_node_hour_price": "--node-price",
    "pricing.storage_gb_price": "--storage-price",
    "pricing.network_gb_price": "--network-price",
    "pricing.minimum_charge": "--minimum-charge",
    "pricing.currency": "--currency",
}
_SIZES = {
    "description": "--description",
    "total_nodes": "--total-nodes",
    "partitions": "--partition",
}

# Message -> dotted path of a field -> its option, or its argument's name.
FLAGS: dict[str, Mapping[str, str]] = {
    "MsgRegisterCluster": {**_NAME, **_REGION, **_SIZES, "slurm_version": "--slurm-version"},
    "MsgUpdateCluster": {
        **_CLUSTER,
        **_NAME,
        **_SIZES,
        "state": "--state",
        "gateway": "--gateway",
        "site_audit": "--site-audit",
        "available_nodes": "--available-nodes",
    },
    "MsgDeregisterCluster": _CLUSTER,
    "MsgCreateOffering": {"cluster_id": "--cluster", **_OFFERING},
    "MsgUpdateOffering": {"offering_id": "OFFERING", "active": "--active", **_OFFERING},
    "MsgSubmitJob": {
        "offering_id": "--offering",
        "queue_name": "--queue",
        "workload_spec.container_image": "--image",
        "workload_spec.command": "--command",
        "workload_spec.arguments": "--arg",
        "workload_spec.environment": "--env",
        "workload_spec.working_directory": "--workdir",
        "workload_spec.preconfigured_workload_id": "--preconfigured",
        "workload_spec.is_preconfigured": "--preconfigured",
        "resources.nodes": "--nodes",
        "resources.cpu_cores_per_node": "--cpus",
        "resources.memory_gb_per_node": "--memory-gb",
        "resources.gpus_per_node": "--gpus",
        "resources.gpu_type": "--gpu-type",
        "resources.storage_gb": "--storage-gb",
        "max_runtime_seconds": "--max-runtime",
        "max_price": "--max-price",
        "encrypted_inputs_pointer": "--inputs",
        "encrypted_outputs_pointer": "--outputs",
    },
    "MsgCancelJob": {"job_id": "JOB", "reason": "--reason"},
    "MsgReportJobStatus": {
        "job_id": "JOB",
        "state": "--state",
        "slurm_job_id": "--slurm-job",
        "exit_code": "--exit-code",
        "status_message": "--message",
        "usage_metrics": "--usage",
    },
    "MsgUpdateNodeMetadata": {
        "node_id": "NODE",
        "cluster_id": "--cluster",
        **_REGION,
        "datacenter": "--datacenter",
        "active": "--active",
        "state": "--state",
        "resources.cpu_cores": "--cpus",
        "resources.memory_gb": "--memory-gb",
        "resources.gpus": "--gpus",
        "resources.gpu_type": "--gpu-type",
        "resources.storage_gb": "--storage-gb",
        "last_sequence_number": "--sequence",
    },
    "MsgFlagDispute": {
        "job_id": "JOB",
        "dispute_type": "--type",
        "reason": "--reason",
        "reward_id": "--reward",
        "evidence": "--evidence",
    },
    "MsgResolveDispute": {"dispute_id": "DISPUTE", "status": "--status", "resolution": "--resolution"},
    "MsgUpdateParams": {"params": "--set"},
    "MsgSend": {"to_address": "ADDRESS", "amount": "COINS"},
    "MsgRegisterRecipientKey": {"public_key": "KEY", "algorithm_id": "KEY", "label": "--label"},
    "MsgRotateKey": {
        "old_key_fingerprint": "FINGERPRINT",
        "new_public_key": "KEY",
        "new_label": "--label",
        "reason": "--reason",
        "new_key_ttl_seconds": "--ttl",
    },
    "MsgRevokeRecipientKey": {"key_fingerprint": "FINGERPRINT"},
    "MsgUpdateKeyLabel": {"key_fingerprint": "FINGERPRINT", "label": "TEXT"},
}

_DOCUMENTS = ("params", "usage_metrics")  # whose parts are named by the customer, in the option's value
_INDEX = re.compile(r"\[\d+\]")


def named(problems: Sequence[str], flags: Mapping[str, str], document: object = None) -> list[str]:
    """Replaces the field at the start of each problem, such as `resources.nodes: ...`, by its option.

    A part of a field is kept behind its option: `--set platform_fee_rate`. Fields that are in `document`, the
    message's file, keep their names.
    """
    return [_named(problem, flags, document) for problem in problems]


def _named(problem: str, flags: Mapping[str, str], document: object) -> str:
    field, colon, rest = problem.partition(": ")
    path = _INDEX.sub("", field)
    owner = next((each for each in flags if path == each or path.startswith(f"{each}.")), "")
    if not (colon and owner) or _has(document, owner):
        return problem
    part = path.removeprefix(owner).removeprefix(".") if owner in _DOCUMENTS else ""
    return f"{' '.join(filter(None, (flags[owner], part)))}: {rest}"


def _has(document: object, path: str) -> bool:
    """Whether the file has the field, or any part of an object in it."""
    for name in path.split("."):
        if not isinstance(document, Mapping) or name not in document:
            return False
        document = document[name]
    return True
