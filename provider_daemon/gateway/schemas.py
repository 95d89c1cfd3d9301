"""The JSON of the API as OpenAPI schemas. Pure data; tests compare it with real answers."""

from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]

TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0}
NUMBER: Schema = {"type": "number"}
YES_NO: Schema = {"type": "boolean"}


def thing(**properties: Schema) -> Schema:
    """Returns an object with exactly these properties, all present."""
    return {"type": "object", "required": list(properties), "properties": properties}


def some(item: Schema) -> Schema:
    return {"type": "array", "items": item}


def or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def word(*values: str) -> Schema:
    return {"type": "string", "enum": list(values)}


def time(text: str) -> Schema:
    return {"type": ["number", "null"], "description": f"{text}, in seconds since the epoch."}


STATE = word("pending", "queued", "running", "completed", "failed", "cancelled", "timeout")
_SUMMARY: dict[str, Schema] = {
    "id": TEXT,
    "cluster": TEXT,
    "state": STATE,
    "chain_state": STATE,
    "created_at": COUNT,
    "ended": YES_NO,
    "exit_code": or_null({"type": "integer"}),
}
_USAGE = thing(
    wall_clock_seconds=COUNT,
    cpu_core_seconds=COUNT,
    memory_gb_seconds=COUNT,
    gpu_seconds=COUNT,
    storage_gb_hours=COUNT,
    network_bytes_in=COUNT,
    network_bytes_out=COUNT,
    node_hours=COUNT,
    nodes_used=COUNT,
)
_RESOURCES = thing(
    nodes=COUNT,
    cpus_per_node=COUNT,
    memory_gb_per_node=COUNT,
    gpus_per_node=COUNT,
    gpu_type=TEXT,
    storage_gb=COUNT,
)
_BILL = thing(
    denom=TEXT,
    cpu=COUNT,
    memory=COUNT,
    gpu=COUNT,
    storage=COUNT,
    network=COUNT,
    node=COUNT,
    subtotal=COUNT,
    total=COUNT,
)

_CATALOGUE = thing(
    version=COUNT,
    chain_id=TEXT,
    cluster_id=TEXT,
    provider=TEXT,
    gateway=TEXT,
    contact=TEXT,
    terms=TEXT,
    payment=thing(mode=word("auto", "escrow", "agreed-price", "none"), share=TEXT),
    software=some(TEXT),
    gpu_types=some(TEXT),
    limits=thing(
        max_nodes=COUNT,
        max_cpus_per_node=COUNT,
        max_memory_gb_per_node=COUNT,
        max_gpus_per_node=COUNT,
        max_runtime_seconds=COUNT,
    ),
    images=some(thing(pattern=TEXT, launcher=TEXT, network=YES_NO)),
    templates=some(thing(template_id=TEXT, name=TEXT, version=TEXT)),
    offerings=some(
        thing(
            offering_id=TEXT,
            currency=TEXT,
            minimum_charge=TEXT,
            custom_programs=YES_NO,
            identity_threshold=COUNT,
            workloads=some(TEXT),
            queues=some(
                thing(
                    name=TEXT,
                    max_nodes=COUNT,
                    max_runtime_seconds=COUNT,
                    rates={"type": "object", "additionalProperties": TEXT},
                )
            ),
        )
    ),
    maintenance=some(thing(starts_at=COUNT, ends_at=COUNT, nodes_left=COUNT, reason=TEXT)),
)
_AVAILABILITY = thing(
    version=COUNT,
    cluster_id=TEXT,
    as_of=COUNT,
    nodes_usable=COUNT,
    nodes_free=COUNT,
    cpus_free=COUNT,
    memory_gb_free=COUNT,
    gpus_free={"type": "object", "additionalProperties": COUNT},
    waits=some(thing(queue=TEXT, jobs=COUNT, median_seconds=COUNT, longest_seconds=COUNT)),
)

_DISPUTE = thing(
    id=TEXT,
    status=word("pending", "under_review", "resolved", "rejected"),
    type=TEXT,
    reason=TEXT,
    opened_at=COUNT,
    resolution=TEXT,
    answered_at=time("When the provider answered"),
    answer_hash=or_null(TEXT),
)

SCHEMAS: dict[str, Schema] = {
    "Disputes": thing(disputes=some(_DISPUTE)),
    "PublishedCatalogue": {
        **thing(
            catalogue=_CATALOGUE,
            signature=TEXT,
            availability=_AVAILABILITY,
            availability_signature=TEXT,
            public_key=TEXT,
        ),
        "description": "Both documents, each signed by the provider's account as ADR-036 arbitrary data of "
        "its canonical JSON. Key and signatures are in base64.",
    },
    "Error": thing(error=thing(code=TEXT, message=TEXT)),
    "Info": thing(
        version=TEXT,
        url=TEXT,
        chain_id=TEXT,
        providers=some(TEXT),
        audience=TEXT,
        clusters=some(thing(id=TEXT, name=TEXT)),
        uploads=thing(quota_bytes=COUNT),
        data_mover=YES_NO,
    ),
    "ChallengeRequest": thing(address=TEXT),
    "Challenge": thing(challenge=TEXT, expires_at=COUNT),
    "SessionRequest": {
        "oneOf": [thing(challenge=TEXT, public_key=TEXT, signature=TEXT), thing(token=TEXT)],
        "description": "A signed challenge (key and signature in base64), or a JWT.",
    },
    "Session": thing(token=TEXT, expires_at=COUNT, address=TEXT),
    "JobSummary": thing(**_SUMMARY, number=COUNT),
    "Jobs": thing(jobs=some({"$ref": "#/components/schemas/JobSummary"}), unreadable=some(TEXT), more=YES_NO),
    "Job": thing(
        **_SUMMARY,
        offering=TEXT,
        queue=TEXT,
        image=TEXT,
        command=TEXT,
        arguments=some(TEXT),
        resources=_RESOURCES,
        max_runtime_seconds=COUNT,
        started_at=time("The start by the chain's clock"),
        closed_at=time("The end of everything"),
        message=TEXT,
        waits_for=TEXT,
        usage=or_null(_USAGE),
        bill=or_null(_BILL),
        final_report=or_null(TEXT),
        data_mover=word("ok", "unavailable", "none"),
        inputs=or_null(thing(state=word("waiting", "ready", "failed"), detail=TEXT, bytes=COUNT)),
        results=or_null(
            thing(
                root=or_null(TEXT),
                files=or_null(COUNT),
                bytes=or_null(COUNT),
                detail=TEXT,
                delivery=thing(state=word("none", "waiting", "done", "failed"), detail=TEXT),
            )
        ),
        directory=word("none", "there", "deleted"),
        expires_at=time("When the job's directory is deleted"),
    ),
    "Files": thing(
        files=some(thing(path=TEXT, kind=word("file", "directory", "other"), size=COUNT, modified_at=NUMBER)),
        more=YES_NO,
    ),
    "LinkRequest": {"type": "object", "properties": {"seconds": {"type": "integer", "minimum": 1}}},
    "Link": thing(url=TEXT, page=TEXT, token=TEXT, expires_at=COUNT),
    "Uploads": thing(
        uploads=some(thing(sha256=TEXT, offset=COUNT, length=COUNT, whole=YES_NO, modified_at=NUMBER)),
        quota_bytes=COUNT,
        used_bytes=COUNT,
    ),
}
