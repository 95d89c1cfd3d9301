"""All sources behind one method, built from a configuration."""

import hashlib
from pathlib import Path

import pytest

from provider_daemon.config.model import DataConfig
from provider_daemon.errors import ConfigError
from provider_daemon.job.references import DataReference
from provider_daemon.sources.inputs import InputPolicy
from provider_daemon.sources.reference import parse_all
from provider_daemon.sources.sources import Sources
from tests.unit.chain.vectors import ADDRESS
from tests.unit.sources.cases import BODY, BODY_SHA256, QUICK, collect
from tests.unit.sources.far_end import Authority, answer, serve
from tests.unit.sources.gateway import DATA, Gateway, car, root

UPLOADED = b"uploaded"


async def test_every_scheme(tls: Authority, tmp_path: Path) -> None:
    """References as on the chain lead to their content: https, http, S3, IPFS and an upload."""
    sha256 = hashlib.sha256(UPLOADED).hexdigest()
    (tmp_path / ADDRESS).mkdir()
    (tmp_path / ADDRESS / sha256).write_bytes(UPLOADED)
    async with (
        serve({"/f.bin": answer(BODY)}, tls.server()) as web,
        serve({"/bucket/g.bin": answer(BODY)}, None) as plain,
        serve({"*": Gateway("chunks", car("chunks"))}, None) as gateway,
    ):
        data = DataConfig(
            ipfs_gateways=[gateway.url("", "127.0.0.1")],
            s3_endpoints={"minio": plain.url("", "127.0.0.1")},
            allowed_hosts=[f"localhost:{web.port}", f"localhost:{plain.port}"],
            ca_file=str(tls.ca),
        )
        references = [
            DataReference(uri=web.url("/f.bin"), checksum=BODY_SHA256, size_bytes=len(BODY)),
            DataReference(uri=plain.url("/bucket/g.bin"), checksum=f"sha256:{BODY_SHA256}"),
            DataReference(uri="s3://minio/bucket/g.bin#name=h.bin", checksum=BODY_SHA256),
            DataReference(uri=f"ipfs://{root('chunks')}"),
            DataReference(uri=f"upload:{sha256}"),
        ]
        inputs = parse_all(references, InputPolicy.of(data, {}, uploads=True))
        sources = Sources.of(data, tmp_path, {}, limits=QUICK)
        found = [await collect(sources.fetch(each, ADDRESS)) for each in inputs]
    assert found == [BODY, BODY, BODY, DATA, UPLOADED]


async def test_datasets_are_not_fetched() -> None:
    """`site:` data is at the site already, and no upload exists without a gateway."""
    data = DataConfig()
    policy = InputPolicy.of(data, {"imagenet": "/data/imagenet"}, uploads=True)
    references = [DataReference(uri="site:imagenet"), DataReference(uri=f"upload:{BODY_SHA256}")]
    sources = Sources.of(data, None, {})
    for each in parse_all(references, policy):
        with pytest.raises(ValueError, match="not fetched"):
            sources.fetch(each, ADDRESS)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("allowed_hosts", ["host:port"]),
        ("allowed_hosts", ["https://host"]),
        ("allowed_hosts", ["2130706433"]),
        ("forbidden_networks", ["10.0.0.1/8"]),
        ("forbidden_networks", ["example.org"]),
        ("ipfs_gateways", ["https://gateway..example"]),
        ("ca_file", "/nonexistent/ca.pem"),
    ],
)
def test_configuration_errors(key: str, value: object) -> None:
    """A value that is not what its key asks for is named before anything is fetched."""
    with pytest.raises(ConfigError, match=f"data.{key}"):
        Sources.of(DataConfig.model_validate({key: value}), None, {})
