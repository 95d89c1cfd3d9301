"""The order of submissions: customers take turns, so that many jobs of one do not block the others."""

from collections import Counter
from collections.abc import Iterable, Sequence
from heapq import heapify, heappop, heappush
from typing import TypeVar

Item = TypeVar("Item")


def in_turn(waiting: Sequence[tuple[str, Item]], active: Iterable[str]) -> list[Item]:
    """Returns the waiting jobs in the order of submission.

    `waiting`: (customer, job), oldest first. `active`: the customer of each job that has a slot already. The
    next job is always one of the customer with the fewest jobs, counting active ones and those earlier in
    this order; among several such customers, of the one whose next job is the oldest. Each customer's jobs
    keep their order.
    """
    held = Counter(active)
    queues: dict[str, list[tuple[int, Item]]] = {}
    for age, (customer, item) in enumerate(waiting):
        queues.setdefault(customer, []).append((age, item))
    turns = [(held[customer], queue[0][0], customer, 0) for customer, queue in queues.items()]
    heapify(turns)
    order = list[Item]()
    while turns:
        count, _, customer, position = heappop(turns)
        queue = queues[customer]
        order.append(queue[position][1])
        if position + 1 < len(queue):
            heappush(turns, (count + 1, queue[position + 1][0], customer, position + 1))
    return order
