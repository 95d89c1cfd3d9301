"""The three jobs: the other customer's, the attacker's, and the one after the attacker's end."""

import hashlib
import os
import socket
import time
from typing import Any, Callable, Dict, List, Tuple

from provider_daemon.site_audit.remote import kernel, leftovers, network, resources, slurm
from provider_daemon.site_audit.remote.report import (
    ABSENT,
    REACHED,
    REFUSED,
    SKIPPED,
    Attempt,
    Report,
    can_be_read,
    can_be_written,
    together,
)

SECRET = "audit-secret"
Asked = Dict[str, Any]


def main(asked: Asked) -> None:
    report = Report(asked["number"])
    {"victim": victim, "attack": attack, "after": after}[asked["role"]](asked, report)


# --- the other customer's job ---


def victim(asked: Asked, report: Report) -> None:
    """Keeps a file, a process and a port until it is cancelled, or until its time is over."""
    with open(SECRET, "w") as secret:
        secret.write("secret\n")
    os.chmod(SECRET, 0o644)
    door = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    door.bind(("127.0.0.1", 0))
    door.listen(8)
    door.settimeout(1.0)
    report.answer("victim.ready", REACHED, "", door.getsockname()[1])
    end = time.monotonic() + asked["seconds"]
    while time.monotonic() < end:
        try:
            door.accept()[0].close()
        except OSError:
            continue


# --- the attacker's job ---


def attack(asked: Asked, report: Report) -> None:
    """The order matters: what ends the other's job comes late, and what may end this job last."""
    for probe, attempt in _harmless(asked) + _slurm(asked):
        report.run(probe, attempt)
    report.run("after.planted", lambda: leftovers.plant(asked["mark"], asked["key"]))
    report.run("memory.beyond", lambda: resources.memory(asked["memory_mib"]))


def _harmless(asked: Asked) -> List[Tuple[str, Callable[[], Any]]]:
    other = asked["other"]
    secret = "%s/%s" % (other["directory"], SECRET)

    def targets(name: str) -> List[Tuple[str, int]]:
        return [(host, port) for host, port in asked["targets"][name]]

    own = [("127.0.0.1", other["port"]), *network.listening()]
    return [
        ("control.file", control),
        ("file.list", lambda: _listed(other["directory"])),
        ("file.read", lambda: can_be_read(secret)),
        ("file.write", lambda: _written(other["directory"], secret)),
        ("process.see", lambda: seen(other["sha256"])),
        ("credential.socket", lambda: network.unix_sockets(asked["sockets"])),
        ("credential.key", lambda: together(map(can_be_read, asked["keys"]), "no key file is visible")),
        ("net.slurmctld", lambda: network.connected(targets("slurmctld"))),
        ("net.loopback", lambda: network.connected(own + targets("loopback"))),
        ("net.management", lambda: network.connected(targets("management"))),
        ("net.metadata", lambda: network.connected(targets("metadata"))),
        ("net.internet", lambda: network.connected(targets("internet"))),
        ("path.login", lambda: paths(asked["login_paths"] + [os.path.expanduser("~/.ssh")], [])),
        ("path.daemon", lambda: paths(asked["daemon_paths"], asked["writable_paths"])),
        ("device.gpu", resources.gpus),
        ("cpu.affinity", resources.cores),
        ("kernel.setuid", kernel.setuid_programs),
        ("kernel.proc", kernel.proc),
        ("kernel.sys", kernel.sys),
        ("kernel.dmesg", kernel.dmesg),
        ("kernel.bpf", kernel.bpf),
        ("kernel.userns", kernel.user_namespace),
    ]


def _slurm(asked: Asked) -> List[Tuple[str, Callable[[], Attempt]]]:
    slurm_id, name = asked["other"]["slurm_id"], asked["submission"]
    other = "jobid=%s" % slurm_id
    submission = (name, asked["account"], asked["partition"])
    if "SLURM_JOB_ID" in os.environ:
        extended = ["jobid=%s" % os.environ["SLURM_JOB_ID"], "timelimit=+60"]
    else:
        extended = ["jobname=%s" % asked["name"], "timelimit=1-00:00:00"]
    attempts: List[Tuple[str, Callable[[], Attempt]]] = [
        ("job.limit", lambda: slurm.tried("scontrol", "update", *extended)),
        ("job.submit", lambda: slurm.submission(*submission)),
        ("job.update", lambda: slurm.tried("scontrol", "update", other, "timelimit=-1")),
        ("job.rename", lambda: slurm.tried("scontrol", "update", other, "name=%s" % name)),
        ("job.cancel", lambda: slurm.tried("scancel", slurm_id)),
    ]
    why = slurm.contact()
    return [(probe, lambda: (ABSENT, why)) for probe, _ in attempts] if why else attempts


def control() -> Attempt:
    """The program's own file, which it must be able to write and read."""
    with open("audit-own", "w") as own:
        own.write("own\n")
    with open("audit-own") as own:
        good = own.read() == "own\n"
    os.unlink("audit-own")
    return (REACHED, "") if good else (SKIPPED, "its own file has another content")


def _listed(directory: str) -> Attempt:
    return REACHED, "%d names in %s" % (len(os.listdir(directory)), directory)


def _written(directory: str, secret: str) -> Attempt:
    return together([can_be_written(secret), can_be_written(directory)], "nothing of it is visible")


def seen(sha256: str) -> Attempt:
    """Finds the other's process by a word of its command line, of which only the hash is known here."""
    count = 0
    for pid, words in leftovers.command_lines():
        count += 1
        if any(hashlib.sha256(word).hexdigest() == sha256 for word in words if len(word) == 32):
            return REACHED, "sees the other's process %d with its arguments" % pid
    return (REFUSED, "sees %d processes, and not the other's" % count) if count else (SKIPPED, "no /proc")


def paths(private: List[str], others: List[str]) -> Attempt:
    """`private` must be neither readable nor writable, `others` not writable."""
    attempts = [can_be_read(path) for path in private]
    attempts += [can_be_written(path) for path in private + others]
    return together(attempts, "none of %d paths is visible" % len(private + others))


# --- the job after the attacker's ---


def after(asked: Asked, report: Report) -> None:
    """Reports what the attacker's job left behind, and removes it."""
    report.run("after.process", lambda: leftovers.processes(asked["mark"]))
    report.run("after.files", lambda: leftovers.remaining_files(asked["mark"]))
    report.run("after.ipc", lambda: leftovers.remaining_memory(asked["key"]))
