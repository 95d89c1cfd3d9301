"""Renders a template's batch script without a chain, a ledger or SLURM."""

import secrets
from collections.abc import Mapping
from dataclasses import replace

from provider_daemon.chain.sign import LocalSigner
from provider_daemon.config.model import ClusterConfig
from provider_daemon.daemon.build import served_cluster
from provider_daemon.errors import ConfigError
from provider_daemon.job.admission import Inadmissible, PreconfiguredWorkload, QueueOption, Terms, admit
from provider_daemon.job.data import needs_image
from provider_daemon.job.job import Job
from provider_daemon.job.lifecycle import wall_limit
from provider_daemon.job.spec import Spec, Workload
from provider_daemon.job.state import State
from provider_daemon.slurm.script import render
from provider_daemon.template.model import Template
from provider_daemon.template.order import order
from provider_daemon.template.program import image, program_of
from provider_daemon.template.values import BadValue

QUEUE = "standard"
NO_IMAGE = f"sha256:{'0' * 64}"  # stands for the digest, which only a registry knows


def preview(template: Template, settings: Mapping[str, str], cluster: ClusterConfig, chain_id: str) -> str:
    """Returns the batch script of a job with the template, as the cluster would run it.

    Raises ConfigError with the message to the customer.
    """
    # Nothing is signed, so any key will do.
    known = served_cluster(cluster, LocalSigner(secrets.token_bytes(32)), max_gas=0)
    try:
        asked = order(template, settings)
        spec = Spec(
            chain_id=chain_id,
            job_id="JOB-0",
            offering_id="OFF-0",
            cluster_id=cluster.id,
            provider=known.signer.address,
            customer=known.signer.address,
            queue=QUEUE,
            workload=Workload(
                arguments=asked.arguments, preconfigured_id=template.template_id, is_preconfigured=True
            ),
            resources=asked.resources,
            max_runtime_seconds=asked.max_runtime_seconds,
            created_ns=0,
        )
        terms = Terms(
            (QueueOption(QUEUE),), (PreconfiguredWorkload(template.template_id, image(template), ()),)
        )
        site = replace(known.site, templates={template.template_id: lambda spec: program_of(template, spec)})
        program = admit(spec, terms, site)
    except (BadValue, Inadmissible) as error:
        raise ConfigError([str(error)]) from None
    wall = wall_limit(spec.max_runtime_seconds, known.margin_seconds)
    job = Job(spec, program, wall, 0.0, state=State.PENDING, reported=State.PENDING, promised=State.PENDING)
    return render(known.batch(job, known.directory(job), NO_IMAGE if needs_image(job) else ""))
