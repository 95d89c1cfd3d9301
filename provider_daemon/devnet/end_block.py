"""What a block does after its transactions, in this order (docs/protocol.md, 'Every block').

None of it emits an event.
"""

from provider_daemon.devnet import disputes, jobs, nodes, recipient_keys, settlement
from provider_daemon.devnet.context import Context


def end_block(ctx: Context) -> None:
    jobs.end_overdue(ctx)
    disputes.end_unresolved(ctx)
    settlement.end_block(ctx)
    nodes.age_nodes(ctx)
    nodes.count_clusters(ctx)
    recipient_keys.end_block(ctx)
