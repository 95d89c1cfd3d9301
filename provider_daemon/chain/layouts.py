"""The order in which the chain's Go structs write their fields into the store, as seen in its records."""

# `?` marks a field that is left out if empty. Only types that differ from "every protobuf field, in protobuf
# order" are listed.
LAYOUTS: dict[str, str] = {
    "HPCCluster": "cluster_id provider_address name description? state partitions total_nodes "
    "available_nodes region cluster_metadata slurm_version kubernetes_cluster_id? "
    "created_at updated_at block_height",
    "Partition": "name nodes max_runtime default_runtime max_nodes features? priority state",
    "ClusterMetadata": (
        "total_cpu_cores total_memory_gb total_gpus gpu_types? interconnect_type? storage_type? "
        "total_storage_gb"
    ),
    "QueueOption": "partition_name display_name max_nodes max_runtime features? price_multiplier",
    "JobResources": "nodes cpu_cores_per_node memory_gb_per_node gpus_per_node? storage_gb gpu_type?",
    "HPCOffering": "offering_id cluster_id provider_address name description? queue_options pricing "
    "required_identity_threshold max_runtime_seconds preconfigured_workloads? "
    "supports_custom_workloads active created_at updated_at block_height",
    "JobWorkloadSpec": (
        "container_image? command? arguments? environment? working_directory? "
        "preconfigured_workload_id? is_preconfigured"
    ),
    "HPCJob": "job_id offering_id cluster_id provider_address customer_address slurm_job_id? state "
    "queue_name workload_spec resources data_references? encrypted_inputs_pointer? "
    "encrypted_outputs_pointer? max_runtime_seconds agreed_price escrow_id? "
    "scheduling_decision_id? status_message? exit_code? created_at queued_at? started_at? "
    "completed_at? block_height",
    "NodeMetadata": "node_id cluster_id provider_address region datacenter latency_measurements? "
    "avg_latency_ms network_bandwidth_mbps resources active state health_status "
    "agent_pubkey? hardware_fingerprint? agent_version? last_sequence_number capacity? "
    "health? hardware? topology? locality? last_heartbeat state_changed_at? joined_at "
    "updated_at missed_heartbeat_count total_heartbeats total_missed_heartbeats "
    "block_height",
    "NodeResources": "cpu_cores memory_gb gpus? gpu_type? storage_gb",
    "HPCDispute": "dispute_id job_id reward_id? disputer_address dispute_type reason evidence? status "
    "resolution? resolver_address? created_at resolved_at? block_height",
    "JobAccounting": "job_id cluster_id provider_address customer_address usage_metrics total_cost "
    "provider_reward node_rewards? platform_fee settlement_status settlement_id? "
    "signed_usage_record_ids? job_completion_status created_at finalized_at? block_height",
    "HPCRewardRecord": "reward_id job_id cluster_id source total_reward recipients referenced_usage_records? "
    "job_completion_status"
    " formula_version calculation_details disputed dispute_id? issued_at block_height",
    "EncryptedPayloadEnvelope": (
        "version algorithm_id algorithm_version recipient_key_ids recipient_public_keys? encrypted_keys? "
        "wrapped_keys? nonce ciphertext sender_signature sender_pub_key metadata?"
    ),
    "WrappedKeyEntry": "recipient_id wrapped_key algorithm? ephemeral_pub_key?",
    "HPCRewardRecipient": "address amount recipient_type node_id? contribution_weight reason",
}

# Go writes a nil slice as null; coins are never nil.
NULL_WHEN_EMPTY = frozenset({"partitions"})
