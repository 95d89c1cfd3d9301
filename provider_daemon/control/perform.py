"""Carries out an operation: changes the ledger and records who did it and why, both or neither."""

from provider_daemon.audit_log import operator as audit
from provider_daemon.audit_log.records import Actor, ActorKind, Deed
from provider_daemon.control.operation import Answer, Asked, Context, Operation


def perform(operation: Operation[Asked, Answer], asked: Asked, context: Context) -> Answer:
    """Raises Refused, or LedgerError if the change or its record cannot be written: nothing is changed."""
    if operation.deeds is None:
        return operation.apply(asked, context)
    actor = Actor(ActorKind.OPERATOR, context.operator)
    with context.ledger.write():
        answer = operation.apply(asked, context)
        deeds = [
            Deed(deed.action, actor, deed.job, deed.object, deed.detail)
            for deed in operation.deeds(asked, answer)
        ]
        if deeds:
            audit.record_all(context.config, deeds)
    return answer
