"""A site as the [[clusters]] table of a provd.toml."""

import json

from provider_daemon.lab.site.site import Site


def cluster_table(site: Site) -> str:
    """Returns TOML for the first cluster that a chain registers, with the key named main.

    The program of every image runs natively. A site with a pool is reached by certificates.
    """
    pooled = bool(site.pool)
    login = {**site.ssh, **({"key_file": site.ca_key_file} if pooled else {})}
    ssh = "\n".join(f"{name} = {json.dumps(value)}" for name, value in login.items())
    accounts = 'accounts = "pool"\n' if pooled else ""
    pool = f"\n[clusters.pool]\nusers = {json.dumps(site.pool)}\n" if pooled else ""
    return f"""[[clusters]]
id = "HPC-1"
name = "lab"
key = "main"
region = "lab"
{accounts}account = "{site.account}"
work_root = {json.dumps(str(site.work_root))}

[clusters.ssh]
{ssh}
{pool}
[clusters.gpu_types]
nvidia-{site.layout.plan.gpu_type} = "{site.layout.plan.gpu_type}"

[[clusters.images]]
pattern = "*"
native = true
"""
