"""docker-compose.slurm.yml promises what docs/compose.md says, and tools/images/engine says in one line why
it cannot start."""

import os
import re
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from provider_daemon.config.model import load
from tests.unit.docs import ROOT, column, page, table

SITE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.slurm.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = SITE["services"]
ENGINE = ROOT / "tools/images/engine"
ONCE = {name for name, service in SERVICES.items() if service["restart"] == "no"}


@pytest.mark.parametrize("name", SERVICES)
def test_no_container_has_more_rights_than_it_needs(name: str) -> None:
    """None is privileged, shares the host's network or sees its files; no capability that governs the machine
    is left."""
    service = SERVICES[name]
    assert not {"privileged", "pid", "ipc", "devices", "userns_mode"} & set(service)
    assert re.fullmatch(r"none|service:c\d", service.get("network_mode", "none"))
    assert service["cap_drop"] == ["ALL"]
    assert set(service.get("cap_add", ())) <= {
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "KILL",
        "SETGID",
        "SETUID",
        "SYS_CHROOT",
    }
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert all(volume.split(":")[0] in SITE["volumes"] for volume in service.get("volumes", ()))


def test_ports_are_published_on_loopback_alone() -> None:
    """Each names 127.0.0.1, and a variable that moves it; no two want the same one."""
    published = [port for service in SERVICES.values() for port in service.get("ports", ())]
    found = [re.fullmatch(r"127\.0\.0\.1:\$\{[A-Z_]+:-(\d+)\}:\d+", port) for port in published]
    assert all(found)
    assert len({match[1] for match in found if match}) == len(published) == 4


def test_only_what_is_published_has_a_way_out() -> None:
    """Every network but one is internal, and that one is for containers with a published port."""
    assert [name for name, network in SITE["networks"].items() if not network.get("internal")] == ["desk"]
    assert {name for name, service in SERVICES.items() if "desk" in service.get("networks", ())} == {
        name for name, service in SERVICES.items() if "ports" in service
    }


def test_every_container_that_stays_says_whether_it_is_well() -> None:
    """Those that run on have a health check (but where a customer types); those that run once are waited
    for."""
    assert {name for name, service in SERVICES.items() if "healthcheck" not in service} == ONCE | {"customer"}
    waited = {
        name
        for service in SERVICES.values()
        for name, on in service.get("depends_on", {}).items()
        if "completed" in on["condition"]
    }
    assert waited == ONCE


def test_secrets_are_seen_by_those_who_need_them() -> None:
    """Whoever signs reports cannot become munge, no node of the site sees a key of the chain's, and customers
    do not see the provider's."""

    def who(volume: str) -> set[str]:
        return {
            name
            for name, service in SERVICES.items()
            for each in service.get("volumes", ())
            if each.split(":")[0] == volume
        }

    assert who("munge") == {"secrets", "slurmdbd", "slurmctld", "c1", "c2", "login"}
    assert who("ssh-login") == {"secrets", "login"}
    assert who("ssh-client") == {"secrets", "provd"}
    assert who("provider-keys") == {"accounts", "shop", "provd"}
    assert who("customer-keys") == {"accounts", "customer"}
    assert who("tls") == {"accounts", "collector"}
    assert who("ledger") == {"provd", "collector", "tokens"}
    assert who("c1-agent") == {"tokens", "c1-agent"}


def test_the_page_lists_the_containers() -> None:
    """docs/compose.md has each container once, with what it publishes by default."""
    rows = table(page("compose.md"), "container")
    assert column(page("compose.md"), "container") == list(SERVICES)
    for name, *_, ports in rows:
        wanted = [re.sub(r".*:-(\d+)}.*", r"\1", port) for port in SERVICES[name].get("ports", ())]
        assert re.findall(r"\d{4}", ports) == wanted, name


def test_its_configuration_is_one() -> None:
    """provd.toml in the image is without mistakes, and logs in where the site's login node is."""
    config = load(ROOT / "deploy/slurm/provd.toml")
    assert config.clusters[0].ssh is not None
    assert config.clusters[0].ssh.host in SERVICES


# --- the engine ---


def program(directory: Path, name: str, text: str) -> None:
    path = directory / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def engine(tmp_path: Path, docker: str, user: int = 1000) -> subprocess.CompletedProcess[str]:
    program(tmp_path, "docker", docker)
    program(tmp_path, "id", f"echo {user}")
    return subprocess.run(
        [ENGINE, "echo", "it ran"],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_an_engine_that_answers_is_taken(tmp_path: Path) -> None:
    """Nothing is installed or started beside it."""
    done = engine(tmp_path, "exit 0")
    assert (done.returncode, done.stdout, done.stderr) == (0, "it ran\n", "")


def test_without_an_engine_one_line_says_why(tmp_path: Path) -> None:
    """Exit code 77 where none answers and the user may start none."""
    done = engine(tmp_path, "exit 1")
    assert (done.returncode, done.stdout) == (77, "")
    assert done.stderr == "no Docker engine: none answers, and only root can start one\n"


def test_an_engine_without_compose_is_named(tmp_path: Path) -> None:
    """Exit code 77 and what is missing, as it is the user's own engine."""
    done = engine(tmp_path, '[ "$1" = info ]')
    assert done.returncode == 77
    assert (
        done.stderr
        == "no Docker engine: one answers, but docker has no compose plugin (version 2 is needed)\n"
    )
