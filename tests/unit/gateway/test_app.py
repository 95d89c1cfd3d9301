"""The application as a whole: documentation, headers, errors, the page, metrics and the process."""

import asyncio
import json
import re
import ssl
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from prometheus_client import CollectorRegistry, generate_latest

from provider_daemon.config.model import Config, GatewayConfig, default_toml, parse
from provider_daemon.errors import ConfigError
from provider_daemon.gateway import limits, openapi, page_routes
from provider_daemon.gateway.errors import Code
from provider_daemon.gateway.measures import FAMILIES, GatewayCollector
from provider_daemon.gateway.middleware import HEADERS
from provider_daemon.gateway.routes import ROUTES
from provider_daemon.gateway.schemas import SCHEMAS
from provider_daemon.gateway.server import Server, checked
from provider_daemon.gateway.uploads import KEEP_SECONDS, MOST_UPLOADS, PART_SECONDS
from provider_daemon.ledger import meta
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.listener import serve as listener
from provider_daemon.listener.certificates import Certificates
from provider_daemon.metrics import gate
from provider_daemon.metrics.server import serve
from provider_daemon.ongoing import OngoingProblems
from tests.fakes.chain import CHAIN_ID, FakeClock
from tests.unit.catalogue.examples import PUBLISHED
from tests.unit.docs import DOCS, page, table
from tests.unit.gateway.conftest import Running

# --- the OpenAPI document ---


def test_the_committed_document_is_the_served_one() -> None:
    """docs/openapi.json: `make generate` writes it."""
    assert (DOCS / "openapi.json").read_text() == openapi.text(), "docs/openapi.json is old: make generate"


async def test_the_document_is_served(running: Running) -> None:
    """Without a login, so that a client can be generated from it."""
    status, document, _ = await running.ask("GET", "/openapi.json", None)
    assert (status, document) == (200, json.loads(openapi.text()))


async def test_every_route_is_documented(running: Running) -> None:
    """What the router knows is what the document has."""
    resources = running.runner.app.router.resources()
    served = {
        (route.method, resource.canonical)
        for resource in resources
        for route in resource
        if resource.canonical != "/openapi.json"
    }
    paths = openapi.document()["paths"]
    assert served == {(method.upper(), path) for path, methods in paths.items() for method in methods}


def test_every_schema_is_used() -> None:
    """And every reference leads to one."""
    document = openapi.document()
    names = {word.rpartition("/")[2] for word in json.dumps(document).split('"') if word.startswith("#/")}
    assert names == {*SCHEMAS, "Error"}
    identifiers = [each["operationId"] for path in document["paths"].values() for each in path.values()]
    assert len(set(identifiers)) == len(identifiers)


@pytest.mark.parametrize(
    ("address", "schema"),
    [
        ("/v1/info", "Info"),
        ("/v1/clusters/HPC-1/catalogue", "PublishedCatalogue"),
        ("/v1/jobs", "Jobs"),
        ("/v1/jobs/JOB-7", "Job"),
        ("/v1/jobs/JOB-7/files", "Files"),
        ("/v1/uploads", "Uploads"),
    ],
)
async def test_answers_fit_their_schemas(running: Running, address: str, schema: str) -> None:
    """Property by property, at any depth."""
    job = running.job(7)
    running.write(job, "a", b"a")
    running.end(job)
    with running.ledger.write():
        running.ledger.set(meta.catalogue("HPC-1"), json.dumps(PUBLISHED))
    _, body, _ = await running.ask("GET", address)
    check(body, SCHEMAS[schema])


def check(value: Any, schema: Any) -> None:
    if "$ref" in schema:
        schema = SCHEMAS[schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        if value is not None:
            check(value, schema["anyOf"][0])
        return
    kinds = {
        "object": dict,
        "array": list,
        "string": str,
        "integer": int,
        "boolean": bool,
        "number": (int, float),
        "null": type(None),
    }
    named = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    assert any(isinstance(value, kinds[name]) for name in named), (value, schema)  # type: ignore[arg-type]
    if isinstance(value, dict):
        assert set(schema.get("required", ())) <= set(value)
        for name, inner in schema.get("properties", {}).items():
            check(value[name], inner)
    if isinstance(value, list):
        for item in value:
            check(item, schema["items"])
    if "enum" in schema:
        assert value in schema["enum"]


# --- docs/gateway.md ---


def rows(heading: str) -> list[list[str]]:
    return [[cell.strip("`") for cell in row] for row in table(page("gateway.md"), heading)]


def test_the_errors_are_documented() -> None:
    """Every code with its status."""
    assert {(row[0], row[1]) for row in rows("error")} == {(code.text, str(code.status)) for code in Code}


def test_the_metrics_are_documented() -> None:
    """Every family with its type and labels."""
    said = {(row[0], row[1], row[2]) for row in rows("metric")}
    assert said == {(family.name, family.kind.value, ", ".join(family.labels)) for family in FAMILIES}


def test_the_routes_are_documented() -> None:
    """Every method and path."""
    said = {(method, row[0].split()[-1]) for row in rows("request") for method in row[0].split()[:-1]}
    assert said == {(route.method, route.path) for route in ROUTES} | {("GET", "/openapi.json")}


def test_the_limits_are_documented() -> None:
    """With the numbers of the code."""
    said = {row[0]: row[1] for row in rows("limit")}
    assert said == {
        "connections": f"{limits.CONNECTIONS}, {limits.CONNECTIONS_PER_ADDRESS} per address",
        "requests": "gateway.requests_per_minute per address, and per account",
        "refused logins": f"{limits.LOGIN_FAILURES_PER_MINUTE} a minute per address",
        "downloads, archives and logs at once": f"{limits.STREAMS}, {limits.STREAMS_PER_ACCOUNT} per account",
        "followed logs among them": f"{limits.FOLLOWERS}, {limits.FOLLOWERS // 8} per account",
        "archives among them": f"{limits.ARCHIVES_PER_ACCOUNT} per account",
        "headers of a request": f"{listener.HEADERS}, {listener.HEADER_BYTES} bytes each",
        "JSON body": f"{limits.JSON_BYTES // 1024} KiB within {limits.BODY_SECONDS:g} s",
        "head of a request": f"{gate.REQUEST_SECONDS:g} s",
        "pause between two requests": f"{gate.IDLE_SECONDS:g} s",
        "next part of an upload": f"{limits.CHUNK_SECONDS:g} s",
        "client that does not read": f"{limits.STALLED_SECONDS:g} s",
        "life of an upload": f"{KEEP_SECONDS / 86400:g} days",
        "life of an unfinished upload": f"{PART_SECONDS / 86400:g} days",
        "uploads of an account": f"{MOST_UPLOADS}",
    }


# --- headers and errors ---


async def test_security_headers_are_everywhere(running: Running) -> None:
    """In answers of every kind: JSON, files, errors."""
    running.write(running.job(7), "a.html", b"<script>alert(1)</script>")
    for path in ("/v1/info", "/v1/jobs/JOB-7/files/a.html", "/nowhere", "/v1/jobs/JOB-9"):
        _, _, headers = await running.ask("GET", path)
        assert {name: headers.get(name) for name in HEADERS} == HEADERS, path
        assert headers["Server"] == "provd"
        assert "Strict-Transport-Security" not in headers


@pytest.mark.parametrize(
    ("method", "address", "expected"),
    [
        ("GET", "/v2/jobs", (404, "not_found")),
        ("DELETE", "/v1/jobs", (405, "method_not_allowed")),
        ("POST", "/v1/login/session", (400, "bad_request")),
        ("OPTIONS", "/v1/jobs", (405, "method_not_allowed")),
        ("GET", "/v1/jobs/JOB-7/archive?format=zip", (400, "bad_request")),
    ],
)
async def test_errors_are_typed(
    running: Running, method: str, address: str, expected: tuple[int, str]
) -> None:
    """A code that never changes, and a sentence."""
    running.job(7)
    assert await running.refusal(method, address) == expected


async def test_a_ledger_that_cannot_be_read(running: Running, caplog: Any) -> None:
    """503 and not an empty list; the answer names no file of the operator's."""
    ledger = Path(running.gateway.ledger._path)
    for file in ledger.parent.glob("ledger.sqlite*"):
        file.rename(file.with_suffix(".away"))
    status, body, headers = await running.ask("GET", "/v1/jobs")
    assert (status, body["error"]["code"], headers["Retry-After"]) == (503, "unavailable", "5")
    assert str(ledger) not in body["error"]["message"]


async def test_bodies_are_bounded(running: Running) -> None:
    """A JSON body of a megabyte, a list, and text that is no JSON."""
    for data, expected in (
        (b'"' + b"x" * 10**6 + b'"', (413, "too_large")),
        (b"[]", (400, "bad_request")),
        (b"{", (400, "bad_request")),
        (b"[" * 30_000, (400, "bad_request")),
    ):
        assert await running.refusal("POST", "/v1/login/challenge", None, data=data) == expected


# --- the page ---


async def test_the_page_and_its_files(running: Running) -> None:
    """Every file with a policy that allows no inline script; nothing else of the package."""
    files = page_routes.load()
    assert "index.html" in files
    for name, file in files.items():
        path = "/" if name == "index.html" else f"/page/{name}"
        status, body, headers = await running.ask("GET", path, None)
        assert (status, body, headers.get("Content-Security-Policy")) == (
            200,
            file.content,
            page_routes.POLICY,
        )
        again = await running.ask("GET", path, None, headers={"If-None-Match": headers["ETag"]})
        assert again[0] == 304
    for name in ("none.js", "..%2Fapp.py", "__init__.py"):
        assert await running.refusal("GET", f"/page/{name}", None) == (404, "not_found")


def test_the_policy_has_no_exception() -> None:
    """Neither inline nor evaluated scripts, nor other hosts."""
    assert "unsafe" not in page_routes.POLICY
    assert "http" not in page_routes.POLICY


# --- metrics ---


async def test_metrics_count_by_route(running: Running) -> None:
    """By the route's pattern and the status, never by a job or an account; refused logins by their reason."""
    job = running.job(7)
    running.write(job, "a", b"abc")
    await running.ask("GET", "/v1/jobs/JOB-7/files/a")
    await running.ask("GET", "/nowhere/JOB-7")
    await running.ask("GET", "/v1/jobs", None, headers={"Authorization": "Bearer x"})
    registry = CollectorRegistry()
    registry.register(GatewayCollector(running.gateway.measures, running.clock))
    text = generate_latest(registry).decode()
    assert 'provd_gateway_requests_total{code="200",route="/v1/jobs/{id}/files/{path}"} 1.0' in text
    assert 'provd_gateway_requests_total{code="404",route="unknown"} 1.0' in text
    assert 'provd_gateway_logins_refused_total{reason="token_malformed"} 1.0' in text
    assert "provd_gateway_sent_bytes_total 3.0" in text
    assert "JOB-7" not in text
    assert running.token().split(".")[2] not in text


# --- TLS ---


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A self-signed certificate and its key, in files."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(Encoding.PEM))
    paths[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return paths


def subject(address: tuple[str, int]) -> str:
    found = x509.load_pem_x509_certificate(ssl.get_server_certificate(address).encode())
    return found.subject.rfc4514_string()


def configured(tmp_path: Path, **gateway: object) -> Config:
    config = parse(default_toml(), "provd.toml")
    section = GatewayConfig.model_validate(
        {
            "url": "https://gateway.example.org",
            "listen": "127.0.0.1:0",
            "metrics_listen": "127.0.0.1:0",
            "uploads": str(tmp_path / "uploads"),
            **gateway,
        }
    )
    chain = config.chain.model_copy(update={"id": CHAIN_ID, "endpoints": ["127.0.0.1:1"], "quorum": 1})
    ledger = config.ledger.model_copy(update={"path": str(tmp_path / "ledger.sqlite")})
    cluster = config.clusters[0].model_copy(
        update={"transport": "local", "ssh": None, "work_root": str(tmp_path)}
    )
    changes = {"gateway": section, "chain": chain, "ledger": ledger, "clusters": [cluster], "data": None}
    return config.model_copy(update=changes)


async def test_a_process_from_its_configuration(
    tmp_path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It serves TLS, takes a new certificate without a restart, says what is wrong on /readyz, and stops."""
    addresses: list[tuple[str, int]] = []

    async def noting(serve: Any, *args: Any) -> Any:
        runner = await serve(*args)
        addresses.append(runner.addresses[0])
        return runner

    monkeypatch.setattr(listener, "serve", partial(noting, listener.serve))
    monkeypatch.setattr("provider_daemon.gateway.server.serve_metrics", partial(noting, serve))
    told: list[str] = []
    monkeypatch.setattr("provider_daemon.systemd.notify", told.append)
    files = certificate(tmp_path, "first")
    config = configured(tmp_path, certificate=str(files[0]), key=str(files[1]))
    process = Server(config)
    running = asyncio.create_task(process.run())
    async with asyncio.timeout(20):
        while "READY=1" not in told or "start" in process.problems:
            await asyncio.sleep(0.01)
        while "chain" not in process.problems:
            await asyncio.sleep(0.01)
    https, metrics = addresses
    assert await asyncio.to_thread(subject, https) == "CN=first"
    certificate(tmp_path, "second")
    process.reload.set()
    async with asyncio.timeout(10):
        while await asyncio.to_thread(subject, https) != "CN=second":
            await asyncio.sleep(0.01)
    async with aiohttp.ClientSession() as http:
        async with http.get(f"http://127.0.0.1:{metrics[1]}/readyz") as answer:
            assert answer.status == 503
            assert "chain: " in await answer.text()
        async with http.get(f"http://127.0.0.1:{metrics[1]}/metrics") as answer:
            found = re.search(r"^provd_gateway_uploads_limit_bytes (\S+)$", await answer.text(), re.MULTILINE)
            assert found
            assert config.gateway
            assert float(found[1]) == config.gateway.uploads_gb * 2**30
        insecure = ssl.create_default_context()
        insecure.check_hostname, insecure.verify_mode = False, ssl.CERT_NONE
        async with http.get(f"https://127.0.0.1:{https[1]}/v1/info", ssl=insecure) as answer:
            assert answer.status == 503  # the chain names the providers
            assert answer.headers["Strict-Transport-Security"]
        token = {"Authorization": "Bearer a.b.c"}
        async with http.get(f"https://127.0.0.1:{https[1]}/v1/jobs", ssl=insecure, headers=token) as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (503, "unavailable")
    process.stop.set()
    async with asyncio.timeout(20):
        await running
    assert "STOPPING=1" in told


def test_a_certificate_that_does_not_fit(tmp_path: Path) -> None:
    """At the start an error that names the files; later the old one stays, and one line says so."""
    files = certificate(tmp_path, "first")
    other = tmp_path / "other"
    other.mkdir()
    foreign = certificate(other, "second")
    ongoing, clock = OngoingProblems(), FakeClock()
    with pytest.raises(ConfigError, match=r"gateway\.certificate"):
        Certificates("gateway", files[0], foreign[1], ongoing, clock)
    found = Certificates("gateway", *files, ongoing, clock)
    expires = found.expires
    files[0].write_bytes(foreign[0].read_bytes())
    found.reload()
    assert ongoing.lasting() == [("certificate_not_reloaded", str(files[0]))]
    assert found.expires == expires
    files[1].write_bytes(foreign[1].read_bytes())
    found.reload()
    assert ongoing.lasting() == []


def test_no_gateway_section(tmp_path: Path) -> None:
    """The command says which key it needs."""
    config = configured(tmp_path).model_copy(update={"gateway": None})
    with pytest.raises(ConfigError, match=r"gateway\.url"):
        checked(config)
