"""The chain's result codes, by codespace (docs/protocol.md, 'Result codes')."""

from enum import IntEnum

SDK, HPC, STORE, ENCRYPTION = "sdk", "hpc", "store", "encryption"  # codespaces
# codespaces with a single error: fee too low, too many transactions
UNDEFINED, RATE_LIMIT = "undefined", "ratelimit"
ONLY_ERROR = 1  # the code of both
FIRST_HPC_ERROR = 2100  # the module's registered errors begin here; form checks have lower codes


class SdkCode(IntEnum):
    """Codespace sdk."""

    TX_DECODE = 2
    UNAUTHORIZED = 4
    INSUFFICIENT_FUNDS = 5
    UNKNOWN_REQUEST = 6
    INVALID_PUBKEY = 8
    UNKNOWN_ADDRESS = 9  # an account that never held funds
    INVALID_COINS = 10
    OUT_OF_GAS = 11
    MEMO_TOO_LARGE = 12
    INSUFFICIENT_FEE = 13
    INVALID_REQUEST = 18
    IN_MEMPOOL = 19  # the node already has the same bytes
    MEMPOOL_FULL = 20
    TX_TOO_LARGE = 21
    TIMEOUT_HEIGHT = 30
    WRONG_SEQUENCE = 32
    UNORDERED = 37
    GAS_OVER_BLOCK = 41
    PANIC = 111222

    __repr__ = int.__repr__  # logged as the number


class StoreCode(IntEnum):
    """Codespace store, for raw reads since SDK 0.50; before, codespace sdk: SdkCode.UNKNOWN_REQUEST."""

    EMPTY_QUERY = 3
    NO_SUCH_STORE = 4

    __repr__ = int.__repr__


class EncryptionCode(IntEnum):
    """Codespace encryption (docs/protocol.md, 'Messages of the encryption module')."""

    INVALID_PUBLIC_KEY = 1301  # or the account has too many keys
    NOT_FOUND = 1302
    EXISTS = 1303
    REVOKED = 1304
    INVALID_ENVELOPE = 1305
    ALGORITHM = 1306
    VERSION = 1307
    SIGNATURE = 1308
    UNAUTHORIZED = 1312
    TOO_MANY_RECIPIENTS = 1315

    __repr__ = int.__repr__


def is_in_mempool(codespace: str, code: int) -> bool:
    """Returns whether the node refused the bytes because it already has them: they count as accepted."""
    return codespace == SDK and code == SdkCode.IN_MEMPOOL
