"""Deliberately wrong versions of the adapters, each of which the second mode must detect.

Each is a list of names to replace, and their replacements.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from provider_daemon.chain.broadcast import Broadcast
from provider_daemon.chain.client import GrpcChain
from provider_daemon.chain.endpoints import Endpoints
from provider_daemon.chain.grpc_errors import Unimplemented
from provider_daemon.chain.heights import Heights
from provider_daemon.chain.query import Query
from provider_daemon.errors import Transient
from provider_daemon.ports import EndpointState, Submission, SubmissionResult, TxOutcome
from provider_daemon.result_codes import ONLY_ERROR, SDK, UNDEFINED, SdkCode
from provider_daemon.retry import quickly
from provider_daemon.slurm import accounting, commands, failures, parse
from provider_daemon.slurm.parse import Submitted
from provider_daemon.slurm.scheduler import NO_RESULT, SlurmScheduler
from provider_daemon.slurm.transport import CommandResult

FRAMED, SUBMITTED, ENDED = parse.framed, parse._submitted, accounting.ended
SUBMIT, RECEIPT = SlurmScheduler.submit, failures.receipt
FIND, BY_SEQUENCE, JUDGE, ONCE = Broadcast.find, Broadcast.find_by_sequence, Endpoints._judge, Endpoints.once


def _cut_is_complete(answer: CommandResult, what: str) -> tuple[int, str]:
    try:
        return FRAMED(answer, what)
    except Transient:
        whole, _, _ = answer.stdout.partition(commands.BEGIN + "\n")[2].rpartition("\n")
        return 0, whole


async def _silence_is_refusal(self: Any, orders: Sequence[Submission]) -> tuple[SubmissionResult, ...]:
    receipts = await SUBMIT(self, orders)
    return tuple(
        SubmissionResult(each.name, refusal="it named no job") if each.unknown == NO_RESULT else each
        for each in receipts
    )


async def _exit_code_ignored(self: Any, what: str, command: commands.Command) -> str:
    answer = await self._transport.run(command.program, command.payload, command.seconds)
    return FRAMED(answer, what)[1]


def _id_from_stderr(line: str) -> Submitted | None:
    said = SUBMITTED(line)
    if said is None:
        return None
    numbers = [word for word in said.stderr.replace(":", " ").replace("]", " ").split() if word.isdecimal()]
    return replace(said, slurm_id=numbers[0], exit_code=0) if numbers and not said.slurm_id else said


def _doubt_is_refusal(answer: Submitted) -> SubmissionResult:
    receipt = RECEIPT(answer)
    return SubmissionResult(answer.name, refusal=receipt.unknown) if receipt.unknown else receipt


def _last_record_only(records: Any) -> Any:
    return ENDED(records[-1:])


async def _unimplemented_is_absent(self: Any, rpc: str, request: Any, field: str, *_: Any) -> Any:
    try:
        return getattr(await self._rpc(rpc, request), field)
    except Unimplemented:
        return None


async def _not_found_is_failed(self: Any, wanted: str) -> TxOutcome:
    return await FIND(self, wanted) or TxOutcome(wanted, 1, ONLY_ERROR, UNDEFINED, "not found")


def _everyone_is_believed(self: Any, asked: Any) -> None:
    JUDGE(self, asked)
    for endpoint in asked:
        if endpoint.state is not EndpointState.UNREACHABLE:  # whatever it reports; only silence counts
            endpoint.state, endpoint.why = EndpointState.HEALTHY, ""


async def _unreadable_is_refusal(self: Any, tx_bytes: bytes, error: Exception) -> TxOutcome:
    return TxOutcome("", 0, SdkCode.UNKNOWN_ADDRESS, SDK, "the account does not exist")


async def _failed_search_is_none(self: Any, *asked: Any) -> TxOutcome | None:
    try:
        return await (FIND if len(asked) == 1 else BY_SEQUENCE)(self, *asked)
    except Transient:
        return None


async def _sent_again(self: Any, request: Any) -> Any:
    return await quickly(lambda: ONCE(self, request))


async def _any_record(self: Any, job_id: str) -> Any:
    return await self.agreement.any.job(job_id)


def _highest_claim(self: Any, claims: Any, endpoints: int, now: float) -> Any:
    return (max(claim.height for claim in claims.values()), False) if claims else None


async def _any_inclusion(self: Any, tx_hash: str, tx_bytes: bytes = b"") -> TxOutcome | None:
    found: TxOutcome | None = await self.agreement.any.find(tx_hash, tx_bytes, 1)
    return found


Changes = tuple[tuple[Any, str, Any], ...]

WIRE_MUTANTS: dict[str, Changes] = {
    "a cut answer is complete": ((parse, "framed", _cut_is_complete),),
    "a missing answer line is a refusal": ((SlurmScheduler, "submit", _silence_is_refusal),),
    "an exit code is ignored": ((SlurmScheduler, "_ask", _exit_code_ignored),),
    "a job id is looked for on sbatch's stderr": ((parse, "_submitted", _id_from_stderr),),
    "an unknown word of sbatch is a refusal": ((failures, "receipt", _doubt_is_refusal),),
    "only the last sacct record is read": ((accounting, "ended", _last_record_only),),
    "UNIMPLEMENTED counts as absence": ((Query, "_one", _unimplemented_is_absent),),
    "NOT_FOUND of GetTx counts as a failure": ((Broadcast, "find", _not_found_is_failed),),
    "any endpoint is trusted": ((Endpoints, "_judge", _everyone_is_believed),),
    "an unreadable CheckTx counts as a refusal": ((GrpcChain, "_unread", _unreadable_is_refusal),),
    "a failed search counts as empty": (
        (Broadcast, "find", _failed_search_is_none),
        (Broadcast, "find_by_sequence", _failed_search_is_none),
    ),
    "one endpoint is enough": ((Endpoints, "quorum", property(lambda self: 1)),),
    "the highest claim is the height": (
        (Heights, "_common", _highest_claim),
        (Heights, "_relearn", lambda *_: False),
    ),
    "one endpoint's inclusion is trusted": ((GrpcChain, "find", _any_inclusion),),
    "one endpoint's record is trusted": ((GrpcChain, "job", _any_record),),
    "a transaction is sent again within the call": ((Endpoints, "once", _sent_again),),
}
