"""The gateway, the data mover and the collector, asked at the far ends of their wires."""

import datetime
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from provider_daemon.config.collector import CollectorConfig
from provider_daemon.config.model import ClusterConfig, Config, DataConfig, GatewayConfig
from provider_daemon.doctor import gather_certificate, gather_data
from provider_daemon.doctor.deadline import Deadline
from provider_daemon.doctor.facts import Certificate, CollectorFacts, DataFacts
from provider_daemon.doctor.finding import Unknown
from provider_daemon.doctor.gather_site import Way
from provider_daemon.ledger import nodes
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.node_store.rows import KnownAgent, Registered
from provider_daemon.node_store.writer import NodeStoreWriter
from provider_daemon.nodes.allowed import AllowedNode
from provider_daemon.nodes.report import Capacity, Health, HealthStatus, Registration
from provider_daemon.ports import Clock
from provider_daemon.slurm.connect import SiteTransport
from provider_daemon.slurm.local import LocalTransport
from provider_daemon.slurm.logins import SiteLogins
from provider_daemon.transfers.file import FILE
from provider_daemon.transfers.writer import TransferWriter
from tests.fakes.chain import FakeClock
from tests.unit.doctor.healthy import CONFIG, NOW

DATE = "Wed, 18 Nov 2026 06:26:45 GMT"


@asynccontextmanager
async def served(
    status: int = 200, lines: str = "ready\n", chain_id: str = "virtengine-1"
) -> AsyncIterator[str]:
    """A server that is gateway, mover, collector and IPFS gateway at once; yields host:port."""

    async def info(_: web.Request) -> web.Response:
        return web.json_response({"chain_id": chain_id}, headers={"Date": DATE})

    async def readyz(_: web.Request) -> web.Response:
        return web.Response(status=status, text=lines)

    app = web.Application()
    app.router.add_get("/v1/info", info)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/health", info)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"{host}:{port}"
    finally:
        await runner.cleanup()


def configured(directory: Path, address: str, **data: object) -> Config:
    gateway = GatewayConfig(url=f"http://{address}", uploads=str(directory))
    mover = DataConfig.model_validate(
        {"path": str(directory / "transfers.sqlite"), "metrics_listen": address, **data}
    )
    return CONFIG.model_copy(update={"gateway": gateway, "data": mover})


async def found(config: Config, directory: Path) -> DataFacts:
    assert [cluster.name for cluster in config.clusters] == ["alpha"]
    ways = {"alpha": (str(directory), Way(None, None, SiteLogins(LocalTransport()), None))}
    return await gather_data.gather(config, ways, Deadline(20), FakeClock(time=NOW))


async def test_what_answers(tmp_path: Path) -> None:
    """Everything is known, and nothing is created at the site."""
    TransferWriter.open(tmp_path / "transfers.sqlite").close()
    before = sorted(tmp_path.iterdir())
    async with served() as address:
        config = configured(
            tmp_path, address, ipfs_gateways=[f"http://{address}/ipfs"], allowed_hosts=["127.0.0.1:9000"]
        )
        facts = await found(config, tmp_path)
    assert facts.gateway is not None
    assert facts.gateway.certificate is None
    assert isinstance(facts.gateway.info, tuple)
    assert facts.gateway.info[0] == "virtengine-1"
    assert facts.gateway.uploads == (tmp_path.stat().st_mode, facts.gateway.uploads[1])  # type: ignore[index]
    assert facts.mover is not None
    assert (facts.mover.transfers, facts.mover.problems) == (f"schema {FILE.version}, 0 jobs", ())
    assert isinstance(facts.mover.sites["alpha"], int)
    assert facts.mover.remote == {f"http://{address}/ipfs": ""}
    assert facts.mover.private == ("127.0.0.1:9000",)
    assert [path for path in sorted(tmp_path.iterdir()) if path.suffix[-4:] not in ("-wal", "-shm")] == before


async def test_what_does_not_answer(tmp_path: Path) -> None:
    """Each becomes an Unknown or a line with the reason."""
    async with served() as address:
        pass
    config = configured(tmp_path / "none", address, s3_endpoints={"store": f"http://{address}"})
    (tmp_path / ".provd-cache").write_text("")
    facts = await found(config, tmp_path)
    assert facts.gateway is not None
    assert isinstance(facts.gateway.info, Unknown)
    assert isinstance(facts.gateway.uploads, Unknown)
    assert facts.mover is not None
    assert isinstance(facts.mover.transfers, Unknown)
    assert isinstance(facts.mover.problems, Unknown)
    assert facts.mover.remote[f"http://{address}"]
    site = facts.mover.sites["alpha"]
    assert isinstance(site, Unknown)
    assert ".provd-cache is not a directory" in site.why


async def test_the_keys_of_the_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The site is read with the keys of mover and gateway, except those that this user cannot read."""
    used: list[str] = []

    def login(cluster: ClusterConfig, clock: Clock, key: str) -> SiteLogins[SiteTransport]:
        used.append(key)
        return SiteLogins(LocalTransport())

    monkeypatch.setattr(gather_data, "logins", login)
    keys = [str(tmp_path / name) for name in ("mover", "gateway")]
    Path(keys[0]).touch()
    async with served() as address:
        config = configured(tmp_path, address, ssh_key_file=keys[0])
        assert config.gateway is not None
        both = config.gateway.model_copy(update={"ssh_key_file": keys[1]})
        facts = await found(config.model_copy(update={"gateway": both}), tmp_path)
    assert facts.mover is not None
    assert isinstance(facts.mover.sites["alpha"], int)
    assert used == keys[:1]


async def test_a_mover_in_trouble(tmp_path: Path) -> None:
    """The lines of /readyz."""
    async with served(503, "data:alpha: no ledger\nstorage:alpha: stuck\n") as address:
        facts = await found(configured(tmp_path, address), tmp_path)
    assert facts.mover is not None
    assert facts.mover.problems == ("data:alpha: no ledger", "storage:alpha: stuck")


async def test_none() -> None:
    found = await gather_data.gather(CONFIG, {}, Deadline(1), FakeClock(time=NOW))
    assert found == DataFacts(None, None, None)


async def test_the_collector(tmp_path: Path) -> None:
    """Whether it answers and works, and which agents are silent."""
    beat = KnownAgent("alpha.c1", "HPC-1", "key", "", NOW - 500, NOW - 500, 30)
    wanted = Registration(
        "alpha.c1", "HPC-1", "ve1p", "key", "c1", "", "1", Capacity(), Health(HealthStatus.HEALTHY)
    )
    writer = NodeStoreWriter.open(tmp_path / "agents.sqlite")
    heard = replace(beat, node_id="alpha.c2", seen_at=NOW - 100)
    writer.apply([Registered(beat, wanted, "", 0), Registered(heard, replace(wanted, hostname="c2"), "", 0)])
    writer.close()
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    with ledger.write():
        for node_id in ("alpha.c1", "alpha.c2"):
            nodes.allow(ledger, AllowedNode(node_id, "HPC-1", node_id, "ve1p", "", NOW, NOW))
    ledger.close()
    async with served(503, "ledger: it cannot be read\n") as address:
        facts = await collector_found(tmp_path, address)
    assert facts.answer is None
    assert facts.problems == ("ledger: it cannot be read",)
    assert facts.agents == (2, ("alpha.c1",))
    assert facts.directory == (tmp_path.stat().st_mode, facts.directory[1])  # type: ignore[index]
    gone = await collector_found(tmp_path / "none", address)
    assert all(
        isinstance(each, Unknown) for each in (gone.answer, gone.problems, gone.agents, gone.directory)
    )


async def collector_found(directory: Path, address: str) -> CollectorFacts:
    section = CollectorConfig(
        url=f"http://{address}", metrics_listen=address, path=str(directory / "agents.sqlite")
    )
    ledger = CONFIG.ledger.model_copy(update={"path": str(directory / "ledger.sqlite")})
    config = CONFIG.model_copy(update={"collector": section, "ledger": ledger})
    facts = (await gather_data.gather(config, {}, Deadline(20), FakeClock(time=NOW))).collector
    assert facts is not None
    return facts


def pair(directory: Path, name: str) -> tuple[str, str]:
    """Certificate and key, valid for a day from NOW."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    begin = datetime.datetime.fromtimestamp(NOW, datetime.UTC)
    built = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
    built = built.not_valid_before(begin).not_valid_after(begin + datetime.timedelta(days=1))
    certificate, secret = directory / f"{name}.pem", directory / f"{name}.key"
    certificate.write_bytes(built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return str(certificate), str(secret)


def test_certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pair, the key of another certificate, a missing file, and a key that another user alone can read."""
    (certificate, key), (_, another) = pair(tmp_path, "a"), pair(tmp_path, "b")

    def read(secret: str, public: str = certificate) -> Certificate | Unknown | None:
        return gather_certificate.certificate(public, secret)

    assert read(key) == Certificate(NOW + 86400, True)
    assert read(another) == Certificate(NOW + 86400, False)
    assert isinstance(read(key, str(tmp_path / "none")), Unknown)

    class Forbidden:
        def load_cert_chain(self, *_: str) -> None:
            raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr(gather_certificate, "new_context", Forbidden)
    assert read(key) == Certificate(NOW + 86400, None)
