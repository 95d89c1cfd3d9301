"""The Unix users of a site's pool: created with the site, by the script of `provd site prepare`."""

import contextlib
import pwd
import subprocess
from collections.abc import Mapping

from provider_daemon.lab.site import processes
from provider_daemon.lab.site.layout import Layout
from provider_daemon.lab.site.processes import LabError
from provider_daemon.site_setup.script import Login, Part, Pool, script

SECONDS = 120


def prepare(layout: Layout, env: Mapping[str, str]) -> None:
    """Creates users, directories, associations and the coordinator. Raises LabError."""
    plan = layout.plan
    pool = Pool(
        cluster=plan.cluster,
        account=plan.account,
        work_root=str(layout.work_root),
        main=plan.user,
        users=plan.pool,
        login=Login.CERTIFICATE,
    )
    text = script(pool, (Part.USERS, Part.FILES, Part.SLURM))
    done = subprocess.run(
        ["/bin/sh"], input=text, env=dict(env), capture_output=True, text=True, check=False, timeout=SECONDS
    )
    if done.returncode:
        raise LabError(f"the pool's users cannot be prepared: {(done.stdout + done.stderr).strip()[-800:]}")


def remove(layout: Layout, env: Mapping[str, str]) -> None:
    """Removes the pool's users, whose names no other site has, and their processes."""
    for user in layout.plan.pool:
        with contextlib.suppress(KeyError):
            pwd.getpwnam(user)
            processes.run(["pkill", "-KILL", "-u", user], env, check=False)
            processes.run(["userdel", user], env, check=False)
