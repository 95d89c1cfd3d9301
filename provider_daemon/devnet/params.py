"""Validation of the module's parameters. No I/O."""

from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2

WHOLE = 1_000_000  # rates and weights are parts of this
SHARES = ("platform_fee_rate", "provider_reward_rate", "node_reward_rate")
WEIGHTS = ("latency_weight_factor", "capacity_weight_factor")
AT_LEAST_ONE = ("min_job_duration_seconds", "cluster_heartbeat_timeout", "node_heartbeat_timeout")


def problem(params: types_pb2.Params) -> str:
    """Returns what is invalid in the parameters, or ""."""
    for name in (*SHARES, *WEIGHTS):
        text = getattr(params, name)
        if not (text.isascii() and text.isdigit() and int(text) <= WHOLE):
            return f"{name} must be a whole number up to {WHOLE}, and not {text!r}"
    if sum(int(getattr(params, name)) for name in SHARES) > WHOLE:
        return f"{', '.join(SHARES)} are more than {WHOLE} together"
    for name in AT_LEAST_ONE:
        if getattr(params, name) < 1:
            return f"{name} must be at least 1"
    if params.max_job_duration_seconds < params.min_job_duration_seconds:
        return "max_job_duration_seconds must not be below min_job_duration_seconds"
    if not 0 <= params.default_identity_threshold <= 100:
        return "default_identity_threshold must be from 0 to 100"
    if params.max_latency_ms < 0 or params.dispute_resolution_period < 0:
        return "max_latency_ms and dispute_resolution_period must not be negative"
    return ""
