"""What `grpcurl ... list` sees, over a real channel."""

from typing import Any

import grpc.aio
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from provider_daemon.chain.proto.virtengine.hpc.v1 import query_pb2
from tests.fakes.chain import TestChain

ALWAYS = {
    "virtengine.encryption.v1.Query",
    "cosmos.auth.v1beta1.Query",
    "cosmos.bank.v1beta1.Query",
    "cosmos.base.node.v1beta1.Service",
    "cosmos.base.tendermint.v1beta1.Service",
    "cosmos.tx.v1beta1.Service",
    "grpc.reflection.v1alpha.ServerReflection",
}
Request = reflection_pb2.ServerReflectionRequest


async def ask(port: int, request: Request) -> Any:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)  # type: ignore[arg-type]
        return await anext(aiter(stub.ServerReflectionInfo(iter([request]))))


@pytest.mark.parametrize(("queries", "module"), [("all", True), ("published", True), ("none", False)])
async def test_services(queries: str, module: bool) -> None:
    """The HPC module's Query where it is served, identity scores with all queries, the encryption module's
    and the SDK's, and never a Msg: messages reach the chain inside transactions only."""
    chain = await TestChain(queries=queries).start()
    answer = await ask(chain.devnet.port, Request(list_services=""))
    names = {service.name for service in answer.list_services_response.service}
    scores = {"virtengine.veid.v1.Query"} if queries == "all" else set()
    assert names == ALWAYS | scores | ({"virtengine.hpc.v1.Query"} if module else set())
    await chain.stop()


async def test_a_service_describes_itself() -> None:
    """With the file that declares it."""
    chain = await TestChain().start()
    answer = await ask(chain.devnet.port, Request(file_containing_symbol="virtengine.hpc.v1.Query"))
    assert query_pb2.DESCRIPTOR.serialized_pb in answer.file_descriptor_response.file_descriptor_proto
    await chain.stop()
