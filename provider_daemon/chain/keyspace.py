"""The HPC module's store: one prefix byte and the ASCII id; counters are 8-byte big-endian integers.

See docs/protocol.md, 'Keys of the store'.
"""

CLUSTER = b"\x01"
OFFERING = b"\x02"
JOB = b"\x03"
JOB_ACCOUNTING = b"\x04"
NODE = b"\x05"
DECISION = b"\x07"
REWARD = b"\x08"
DISPUTE = b"\x09"
PARAMS = b"\x10"  # no id

SCHEDULING_METRICS = b"\x2e"  # its id is the cluster's, a slash, and the queue's name

NEXT_CLUSTER = b"\x20"
NEXT_OFFERING = b"\x21"
NEXT_JOB = b"\x22"
NEXT_DECISION = b"\x23"
NEXT_DISPUTE = b"\x24"

HPC_STORE = "hpc"
GAS_PRICING_STORE = "gaspricing"
GAS_PRICE = b"\x02"  # in the gaspricing store: JSON with current_min_gas_prices


def key(prefix: bytes, record_id: str) -> bytes:
    return prefix + record_id.encode()


def record_id(key: bytes) -> str:
    return key[1:].decode(errors="replace")
