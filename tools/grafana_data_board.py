"""The board of the data mover, the gateway and the collector."""

from tools.grafana_panels import Board, graph, quantiles, stat

DATA = Board(
    "data",
    "provd / Data",
    {
        "Now": (
            stat("Jobs waiting for inputs", "short", "sum(provd_mover_jobs_waiting_for_inputs)"),
            stat("Longest wait for inputs", "s", "max(provd_mover_oldest_waiting_inputs_seconds)"),
            stat("Results not delivered yet", "short", "sum(provd_mover_deliveries_waiting)"),
        ),
        "Inputs and results": (
            graph(
                "Bytes moved by the data mover",
                "Bps",
                ("rate(provd_mover_received_bytes_total[$__rate_interval])", "inputs received"),
                ("rate(provd_mover_sent_bytes_total[$__rate_interval])", "results sent"),
            ),
            graph(
                "Steps that ended",
                "short",
                (
                    "sum by (step, outcome) (increase(provd_mover_steps_total[$__rate_interval])) > 0",
                    "{{step}} {{outcome}}",
                ),
            ),
            graph(
                "Steps in progress",
                "short",
                ("provd_mover_steps_running", "running {{cluster}}"),
                ("provd_mover_steps_waiting_to_retry", "waiting to retry {{cluster}}"),
            ),
            graph(
                "Jobs that wait",
                "short",
                ("provd_mover_jobs_waiting_for_inputs", "for inputs {{cluster}}"),
                ("provd_mover_jobs_waiting_for_images", "for an image {{cluster}}"),
                ("provd_mover_deliveries_waiting", "for a delivery {{cluster}}"),
            ),
            graph(
                "Size of the caches",
                "bytes",
                ("provd_mover_cache_bytes", "inputs {{cluster}}"),
                ("provd_mover_images_bytes", "images {{cluster}}"),
            ),
            graph(
                "Images",
                "short",
                (
                    "sum by (outcome) (increase(provd_mover_image_pulls_total[$__rate_interval])) > 0",
                    "{{outcome}}",
                ),
            ),
            graph(
                "Longest wait for an image", "s", ("provd_mover_oldest_waiting_image_seconds", "{{cluster}}")
            ),
            graph(
                "What needs attention",
                "short",
                ("provd_mover_jobs_over_quota", "jobs over quota {{cluster}}"),
                ("provd_mover_unknown_jobs", "jobs that the ledger lacks {{cluster}}"),
                ("provd_mover_orphan_directories", "directories of unknown jobs {{cluster}}"),
            ),
        ),
        "Gateway": (
            graph(
                "Requests by status",
                "ops",
                ("sum by (code) (rate(provd_gateway_requests_total[$__rate_interval]))", "{{code}}"),
            ),
            quantiles("Time of a request", "provd_gateway_request_duration_seconds_bucket", "{{route}}"),
            graph(
                "Bytes moved by the gateway",
                "Bps",
                ("rate(provd_gateway_sent_bytes_total[$__rate_interval])", "files and logs sent"),
                ("rate(provd_gateway_received_bytes_total[$__rate_interval])", "uploads received"),
            ),
            graph(
                "Connections and streams",
                "short",
                ("provd_gateway_connections", "connections"),
                ("provd_gateway_open_streams", "downloads, archives and logs"),
                ("increase(provd_gateway_connections_closed_total[$__rate_interval])", "closed: {{reason}}"),
            ),
            graph(
                "Refused logins",
                "short",
                (
                    "sum by (reason) (increase(provd_gateway_logins_refused_total[$__rate_interval]))",
                    "{{reason}}",
                ),
            ),
            graph(
                "Uploads",
                "bytes",
                ("provd_gateway_uploads_bytes", "reserved or stored"),
                ("provd_gateway_uploads_limit_bytes", "limit"),
            ),
            graph("Usable dependencies", "bool", ("provd_gateway_dependency_ready", "{{dependency}}")),
            graph(
                "Time until the certificate expires",
                "s",
                ("provd_gateway_certificate_expiry_timestamp_seconds - time()", "{{instance}}"),
            ),
        ),
        "Collector": (
            graph(
                "Requests of agents by status",
                "ops",
                (
                    "sum by (kind, code) (rate(provd_collector_requests_total[$__rate_interval]))",
                    "{{kind}} {{code}}",
                ),
            ),
            quantiles(
                "Time of an agent's request", "provd_collector_request_duration_seconds_bucket", "{{kind}}"
            ),
            graph(
                "Refused requests of agents",
                "short",
                (
                    "sum by (reason) (increase(provd_collector_rejected_total[$__rate_interval])) > 0",
                    "{{reason}}",
                ),
            ),
            graph("Registered agents", "short", ("provd_collector_agents", "{{state}}")),
            quantiles("Time of a commit", "provd_collector_commit_duration_seconds_bucket", "{{instance}}"),
            graph(
                "Connections of agents",
                "short",
                ("provd_collector_connections", "connections"),
                (
                    "increase(provd_collector_connections_closed_total[$__rate_interval])",
                    "closed: {{reason}}",
                ),
            ),
            graph(
                "What the collector can use", "bool", ("provd_collector_dependency_ready", "{{dependency}}")
            ),
            graph(
                "Time until the collector's certificate expires",
                "s",
                ("provd_collector_certificate_expiry_timestamp_seconds - time()", "{{instance}}"),
            ),
        ),
        "The processes": (
            graph(
                "Time since the data mover's last successful tick",
                "s",
                ("time() - provd_mover_loop_last_success_timestamp_seconds > 0", "{{loop}}"),
            ),
            graph(
                "Memory",
                "bytes",
                ('process_resident_memory_bytes{job="provd-mover"}', "data mover {{instance}}"),
                ('process_resident_memory_bytes{job="provd-gateway"}', "gateway {{instance}}"),
                ('process_resident_memory_bytes{job="provd-collector"}', "collector {{instance}}"),
            ),
            graph(
                "CPU",
                "percentunit",
                (
                    'rate(process_cpu_seconds_total{job="provd-mover"}[$__rate_interval])',
                    "data mover {{instance}}",
                ),
                (
                    'rate(process_cpu_seconds_total{job="provd-gateway"}[$__rate_interval])',
                    "gateway {{instance}}",
                ),
                (
                    'rate(process_cpu_seconds_total{job="provd-collector"}[$__rate_interval])',
                    "collector {{instance}}",
                ),
            ),
        ),
    },
)
