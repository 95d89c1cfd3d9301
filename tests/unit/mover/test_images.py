"""Images: pulled once from a registry, checked, and unpacked at the site under their digest."""

import base64
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from prometheus_client import CollectorRegistry

from provider_daemon.config.model import Config, ImageConfig
from provider_daemon.job.images import IMAGES, directory_name
from provider_daemon.mover.images import ImagePolicy, PullOutcome
from provider_daemon.mover.metrics import Figures, MoverCollector
from provider_daemon.mover.pace import Bandwidth
from provider_daemon.mover.unpack import programs
from provider_daemon.site_files.images import ImageStore
from provider_daemon.slurm.local import LocalTransport
from provider_daemon.sources.image_signature import ANNOTATION, signature_tag
from tests.fakes.registry import OCI, FakeRegistry, digest, layer, registry
from tests.unit.doctor.healthy import CONFIG
from tests.unit.mover.world import WORK_ROOT, World

pytestmark = pytest.mark.skipif(shutil.which("umoci") is None, reason="umoci is not installed")

BASE = layer({"bin/tool": b"tool", "old": b"old", "etc/hosts": "/etc/shadow"}, {"bin/tool": 0o4755})
TOP = layer({".wh.old": b"", "data/new": b"new", "link": "/home", "secret": b"s"}, {"secret": 0o000})


@pytest_asyncio.fixture
async def far_end() -> AsyncIterator[FakeRegistry]:
    async with registry() as fake:
        yield fake


@pytest_asyncio.fixture
async def images(far_end: FakeRegistry, tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    world.registries = [f"http://{far_end.host}"]
    world.start()
    yield world
    await world.stop()


def name_of(far_end: FakeRegistry, rest: str = "tools/demo:1") -> str:
    return f"{far_end.host}/{rest}"


def pulled(far_end: FakeRegistry) -> int:
    return sum("/blobs/" in path for path in far_end.requests)


@pytest.mark.parametrize("docker", [False, True])
async def test_an_image_becomes_a_directory(
    far_end: FakeRegistry, images: World, tmp_path: Path, docker: bool
) -> None:
    """Layers are applied, links of the image are not followed, nothing is setuid, and mount points are there.

    The site is this machine: the archive is unpacked by the real program.
    """
    await images.stop()
    images.image_store = ImageStore(LocalTransport(), str(tmp_path / "site" / IMAGES))
    (tmp_path / "site").mkdir()
    images.start()
    found = far_end.push("tools/demo", "1", [BASE, TOP], docker=docker)
    images.add("ve-1", image=name_of(far_end))
    await images.run()
    assert images.row("ve-1").transfer.image == found
    directory = tmp_path / "site" / IMAGES / directory_name(found)
    root = directory / "rootfs"
    assert sorted(each.name for each in directory.iterdir()) == ["rootfs", "whole"]
    assert (root / "bin/tool").read_bytes() == b"tool"
    assert (root / "bin/tool").stat().st_mode & 0o7777 == 0o755
    assert (root / "secret").read_bytes() == b"s"
    assert not (root / "old").exists()
    assert (root / "link").is_symlink()
    assert all((root / name).is_dir() for name in ("work", "proc", "dev", "tmp", "var/tmp"))
    assert not (root / "etc/hosts").is_symlink()
    assert not list(images.spool.iterdir())


async def test_pulled_once(far_end: FakeRegistry, images: World) -> None:
    """Jobs share an image; a tag is looked up again after a minute, and a moved one is another image."""
    first = far_end.push("tools/demo", "1", [BASE])
    for name in ("ve-1", "ve-2"):
        images.add(name, image=name_of(far_end))
    await images.run()
    assert pulled(far_end) == 2  # config and layer
    second = far_end.push("tools/demo", "1", [TOP])
    images.add("ve-3", image=name_of(far_end))
    await images.run()
    images.clock.at += 61
    images.add("ve-4", image=name_of(far_end))
    await images.run()
    assert [images.row(f"ve-{n}").transfer.image for n in (1, 2, 3, 4)] == [first, first, first, second]
    assert pulled(far_end) == 4


async def test_an_index_and_a_login(far_end: FakeRegistry, images: World) -> None:
    """The image of the site's architecture is chosen, also by the digest of the index; tokens are fetched."""
    far_end.login = True
    wanted, other = far_end.push("tools/demo", "a", [BASE]), far_end.push("tools/demo", "b", [TOP])
    index = far_end.index("tools/demo", "1", {"arm64": other, "amd64": wanted})
    images.add("ve-1", image=name_of(far_end, f"tools/demo@{index}"))
    await images.run()
    assert images.row("ve-1").transfer.image == wanted


@pytest.mark.parametrize(
    ("image", "why"),
    [
        ("{host}/tools/none:1", "not found"),
        ("docker.io/library/alpine:3", "registry docker.io is not accepted"),
        ("{host}/tools/Demo", "not an image reference"),
        ("{host}/tools/demo:blocked", "is blocked by this site"),
        ("{host}/tools/demo:arm", "no version for linux on amd64"),
        ("{host}/tools/demo:large", "this site accepts at most 1000000"),
        ("{host}/tools/demo:text", "not a JSON object"),
        ("{host}/tools/demo:file", "in the image /tmp is not a directory"),
        ("{host}/tools/demo@sha256:" + "0" * 64, "not found"),
    ],
)
async def test_refusals(far_end: FakeRegistry, images: World, image: str, why: str) -> None:
    """What can never run is refused, in a sentence for the customer."""
    await images.stop()
    images.image_policy = ImagePolicy(blocked=("*:blocked",), max_bytes=1_000_000)
    images.start()
    far_end.push("tools/demo", "blocked", [BASE])
    far_end.push("tools/demo", "file", [layer({"tmp": b""})])
    far_end.index("tools/demo", "arm", {"arm64": far_end.push("tools/demo", "x", [BASE])})
    huge = {"mediaType": f"{OCI}.layer.v1.tar+gzip", "digest": digest(b""), "size": 2_000_000}
    manifest = {"config": far_end.blob(b"{}", f"{OCI}.config.v1+json"), "layers": [huge]}
    far_end.put("tools/demo", "large", f"{OCI}.manifest.v1+json", json.dumps(manifest).encode())
    far_end.put("tools/demo", "text", f"{OCI}.manifest.v1+json", b"text")
    images.add("ve-1", image=image.format(host=far_end.host))
    await images.run()
    transfer = images.row("ve-1").transfer
    assert (transfer.image, why in transfer.image_refusal) == ("", True), transfer.image_refusal


async def test_changed_content_is_not_used(far_end: FakeRegistry, images: World) -> None:
    """A blob that is not what its digest says is fetched again later; until then there is no image."""
    found = far_end.push("tools/demo", "1", [BASE])
    (blob,) = [name for name, raw in far_end.blobs.items() if raw[:2] == b"\x1f\x8b"]
    right, far_end.blobs[blob] = far_end.blobs[blob], b"x" * len(far_end.blobs[blob])
    images.add("ve-1", image=name_of(far_end))
    await images.run()
    assert images.row("ve-1").transfer.image == ""
    assert not images.site.below(f"{WORK_ROOT}/{IMAGES}")
    far_end.blobs[blob] = right
    images.clock.at += 600
    await images.run()
    assert images.row("ve-1").transfer.image == found


async def test_eviction(far_end: FakeRegistry, images: World) -> None:
    """The least recently used images go until the rest fits; one of an open job stays."""
    await images.stop()
    images.image_bytes = 1
    parts = images.start()
    digests = [far_end.push("tools/demo", str(n), [layer({"file": bytes([n])})]) for n in range(3)]
    for n in range(3):
        images.add(f"ve-{n}", image=name_of(far_end, f"tools/demo:{n}"))
        await images.run()
        images.clock.at += 1
    for n in (0, 1):
        images.close(f"ve-{n}")
    await images.run()
    await parts.images.evict()
    kept = {path.split("/")[0] for path in images.site.below(f"{WORK_ROOT}/{IMAGES}")}
    assert kept == {directory_name(digests[2])}
    images.add("ve-9", image=name_of(far_end, "tools/demo:0"))
    images.clock.at += 61
    await images.run()
    assert images.row("ve-9").transfer.image == digests[0]


async def test_signatures(far_end: FakeRegistry, images: World) -> None:
    """With keys configured, an image runs only if one of them signed its digest."""
    key, other = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    await images.stop()
    images.image_policy = ImagePolicy(keys=(key.public_key(),))
    images.start()

    def sign(found: str, signer: ec.EllipticCurvePrivateKey, named: str) -> None:
        payload = json.dumps({"critical": {"image": {"docker-manifest-digest": named}}}).encode()
        signature = base64.b64encode(signer.sign(payload, ec.ECDSA(hashes.SHA256()))).decode()
        signed = far_end.blob(payload, "application/vnd.dev.cosign.simplesigning.v1+json")
        manifest = {"layers": [{**signed, "annotations": {ANNOTATION: signature}}]}
        raw = json.dumps(manifest).encode()
        far_end.put("tools/demo", signature_tag(found), f"{OCI}.manifest.v1+json", raw)

    tags = {n: far_end.push("tools/demo", str(n), [layer({"file": bytes([n])})]) for n in range(4)}
    sign(tags[1], key, tags[1])
    sign(tags[2], other, tags[2])
    sign(tags[3], key, tags[1])  # the signature of another image
    for n in tags:
        images.add(f"ve-{n}", image=name_of(far_end, f"tools/demo:{n}"))
    await images.run()
    assert [bool(images.row(f"ve-{n}").transfer.image) for n in tags] == [False, True, False, False]
    assert "is not signed" in images.row("ve-0").transfer.image_refusal


async def test_what_operators_see(far_end: FakeRegistry, images: World) -> None:
    """How many jobs wait for an image, how long, and how requests for one ended; cached ones do not count."""
    parts = images.parts

    def shown(name: str, **labels: str) -> float | None:
        figures = Figures(pulls={"site": parts.images.outcomes})
        exported, bandwidth = CollectorRegistry(), Bandwidth(0, images.clock.now)
        exported.register(MoverCollector({"site": parts.mover}, figures, bandwidth, [], images.clock.now))
        return exported.get_sample_value(f"provd_mover_{name}", {"cluster": "site", **labels})

    far_end.push("tools/demo", "1", [BASE])
    (blob,) = [name for name, raw in far_end.blobs.items() if raw[:2] == b"\x1f\x8b"]
    right, far_end.blobs[blob] = far_end.blobs[blob], b"x"
    images.add("ve-1", image=name_of(far_end))
    images.add("ve-2", image="docker.io/library/alpine:3")
    await images.run()
    images.clock.at += 600
    parts.mover.tick()
    assert (shown("jobs_waiting_for_images"), shown("oldest_waiting_image_seconds")) == (1, 600)
    far_end.blobs[blob] = right
    await images.run()
    images.add("ve-3", image=name_of(far_end))
    await images.run()
    assert (shown("jobs_waiting_for_images"), shown("oldest_waiting_image_seconds")) == (0, 0)
    outcomes = {each: shown("image_pulls_total", outcome=each) for each in PullOutcome}
    assert outcomes == {PullOutcome.PULLED: 1, PullOutcome.REFUSED: 1, PullOutcome.FAILED: 1}


def test_what_the_host_must_have() -> None:
    """Only where a launcher runs images."""

    def config(*images: ImageConfig) -> Config:
        cluster = CONFIG.clusters[0].model_copy(update={"images": list(images)})
        return CONFIG.model_copy(update={"clusters": [cluster]})

    native = ImageConfig(pattern="site/*", launcher="bubblewrap", native=True)
    assert programs(config(native, ImageConfig(pattern="*", run=["bwrap"]))) == ()
    assert programs(config(native, ImageConfig(pattern="*", launcher="charliecloud"))) == ("umoci", "tar")
    assert "mksquashfs" in programs(config(ImageConfig(pattern="*", launcher="pyxis")))
