"""virtengine.encryption.v1.Query."""

from typing import Any

import grpc
import grpc.aio

from provider_daemon.chain import bech32
from provider_daemon.chain.proto.virtengine.encryption.v1 import query_pb2 as q
from provider_daemon.chain.proto.virtengine.encryption.v1 import query_pb2_grpc
from provider_daemon.chain.proto.virtengine.encryption.v1.types_pb2 import AlgorithmInfo
from provider_daemon.devnet import envelopes, key_records
from provider_daemon.devnet.blocks import Blocks
from provider_daemon.devnet.failures import ChainError
from provider_daemon.devnet.recipient_keys import PARAMS
from provider_daemon.encryption.envelope import ALGORITHM_VERSION, NONCE_BYTES
from provider_daemon.encryption.fingerprint import ALGORITHM, PUBLIC_KEY_BYTES

Call = grpc.aio.ServicerContext[Any, Any]


class EncryptionQuery(query_pb2_grpc.QueryServicer):
    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks

    async def RecipientKey(
        self, request: q.QueryRecipientKeyRequest, context: Call
    ) -> q.QueryRecipientKeyResponse:
        try:
            bech32.decode(request.address)
        except ValueError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        found = key_records.of_account(self._blocks.state, request.address)
        return q.QueryRecipientKeyResponse(keys=found)

    async def KeyByFingerprint(
        self, request: q.QueryKeyByFingerprintRequest, context: Call
    ) -> q.QueryKeyByFingerprintResponse:
        found = key_records.by_fingerprint(self._blocks.state, request.fingerprint)
        if found is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"key {request.fingerprint} not found")
        return q.QueryKeyByFingerprintResponse(key=found)

    async def Params(self, request: q.QueryParamsRequest, context: Call) -> q.QueryParamsResponse:
        return q.QueryParamsResponse(params=PARAMS)

    async def Algorithms(self, request: q.QueryAlgorithmsRequest, context: Call) -> q.QueryAlgorithmsResponse:
        only = AlgorithmInfo(
            id=ALGORITHM, version=ALGORITHM_VERSION, key_size=PUBLIC_KEY_BYTES, nonce_size=NONCE_BYTES
        )
        return q.QueryAlgorithmsResponse(algorithms=[only])

    async def ValidateEnvelope(
        self, request: q.QueryValidateEnvelopeRequest, context: Call
    ) -> q.QueryValidateEnvelopeResponse:
        envelope, problem = request.envelope, ""
        try:
            envelopes.check(envelope)
        except ChainError as error:
            problem = str(error)
        ids = envelope.recipient_key_ids  # compared as a whole: a versioned id is never registered
        missing = [key_id for key_id in ids if key_records.by_fingerprint(self._blocks.state, key_id) is None]
        return q.QueryValidateEnvelopeResponse(
            valid=not problem,
            error=problem,
            recipient_count=len(ids),
            algorithm=envelope.algorithm_id,
            signature_valid=bool(envelope.sender_signature),
            all_keys_registered=not missing,
            missing_keys=missing,
        )
