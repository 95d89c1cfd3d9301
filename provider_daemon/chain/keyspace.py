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
ENCRYPTION_STORE = "encryption"  # docs/protocol.md, 'Recipient keys'
GAS_PRICING_STORE = "gaspricing"
GAS_PRICE = b"\x02"  # in the gaspricing store: JSON with current_min_gas_prices


RECIPIENT_KEY = b"\x01"
KEY_OWNER = b"\x02"
ACTIVE_KEY = b"\x05"
KEY_OF_VERSION = b"\x06"


def recipient_key(address: bytes, fingerprint: str = "") -> bytes:
    """Returns the key of a record in the encryption store, or the prefix of all records of an account.

    `address`: its 20 bytes.
    """
    return RECIPIENT_KEY + address + fingerprint.encode()


def key(prefix: bytes, record_id: str) -> bytes:
    return prefix + record_id.encode()


def record_id(key: bytes) -> str:
    return key[1:].decode(errors="replace")
