"""The batch scripts of the probe jobs."""

import pytest

from provider_daemon.chain.sign import LocalSigner
from provider_daemon.config.model import ClusterConfig, ImageConfig
from provider_daemon.daemon.build import served_cluster
from provider_daemon.errors import ConfigError
from provider_daemon.site_audit import jobs
from provider_daemon.site_audit.jobs import Kind, Probe
from tests.unit.doctor.healthy import CONFIG

PROBE = Probe("provd-audit-1", "/scratch/provd/provd-audit-1.00000000", "12" * 16, "provd-c001")
DIGEST = "ab" * 32


def script(image: ImageConfig, name: str) -> str:
    config = CONFIG.clusters[0].model_copy(update={"images": [image]})
    served = served_cluster(config, LocalSigner(bytes(31) + b"\1"), max_gas=0)
    order = jobs.victim(served, Kind(name, "standard"), PROBE, "word")
    assert (order.user, order.directory) == (PROBE.user, PROBE.directory)
    return order.script


def test_it_starts_as_a_customers_job() -> None:
    """With the launcher of the image, in the image that the cache has."""
    image = ImageConfig(pattern="docker.io/*", launcher="apptainer")
    text = script(image, f"docker.io/python@sha256:{DIGEST}")
    assert "#SBATCH --job-name=provd-audit-1\n" in text
    assert f"/scratch/provd/.provd-images/{DIGEST}" in text
    with pytest.raises(ConfigError, match="with its digest"):
        script(image, "docker.io/python:3")


def test_native_images_need_no_cache() -> None:
    assert ".provd-images" not in script(ImageConfig(pattern="*", native=True), "any")
    assert "bwrap" in script(ImageConfig(pattern="*", launcher="bubblewrap", native=True), "any")


def test_leftovers_are_removed_as_a_customers() -> None:
    """A pool user serves one customer, and what it leaves behind is removed with its native job."""
    assert f"provd-watcher $$ '{PROBE.directory}' 'yes'" in script(
        ImageConfig(pattern="*", native=True), "any"
    )


def test_an_image_that_customers_may_not_use() -> None:
    with pytest.raises(ConfigError, match="cannot run"):
        script(ImageConfig(pattern="docker.io/*", native=True), "quay.io/python")


def cluster(*patterns: str) -> ClusterConfig:
    images = [ImageConfig(pattern=pattern, native=True) for pattern in patterns]
    return CONFIG.clusters[0].model_copy(update={"images": images})


def test_the_image_that_is_audited() -> None:
    """The one that the operator names, or the first complete name, or any where every image may run."""
    assert jobs.chosen_image(cluster("docker.io/*", "a", "b"), "") == "a"
    assert jobs.chosen_image(cluster("a"), "b") == "b"
    assert jobs.chosen_image(cluster("*"), "")
    with pytest.raises(ConfigError, match="set --image"):
        jobs.chosen_image(cluster("docker.io/*"), "")


def test_a_mark_makes_a_key() -> None:
    """Of System V memory: never 0, which means private memory."""
    assert jobs.key("0" * 16) == 1
