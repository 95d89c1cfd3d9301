"""The chain's errors: codespace, code and text (docs/protocol.md, 'Result codes')."""

from provider_daemon.result_codes import ENCRYPTION, HPC, SDK, EncryptionCode, SdkCode, StoreCode

# codespace hpc: registered errors
INVALID_CLUSTER = (2100, "invalid cluster")
CLUSTER_NOT_FOUND = (2101, "cluster not found")
INVALID_OFFERING = (2103, "invalid offering")
OFFERING_NOT_FOUND = (2104, "offering not found")
INVALID_JOB = (2105, "invalid job")
JOB_NOT_FOUND = (2106, "job not found")
INVALID_TRANSITION = (2107, "invalid job state transition")
IDENTITY_SCORE = (2108, "identity score below the offering's threshold")
INVALID_NODE = (2109, "invalid node metadata")
INVALID_DISPUTE = (2114, "invalid dispute")
DISPUTE_NOT_FOUND = (2115, "dispute not found")
UNAUTHORIZED = (2118, "unauthorized")
MAX_RUNTIME = (2119, "max runtime exceeded")
STALE_HEARTBEAT = (2127, "stale heartbeat")
NODE_DEREGISTERED = (2128, "node deregistered")

# codespace hpc: basic validation
BAD_ADDRESS = (1, "invalid address")
BAD_CLUSTER = (2, "invalid cluster")
BAD_OFFERING = (3, "invalid offering")
BAD_JOB = (4, "invalid job")
BAD_NODE = (5, "invalid node")
BAD_DISPUTE = (6, "invalid dispute")
BAD_STATUS = (7, "invalid status")

# codespace sdk; the mempool's own two have an empty log
TX_DECODE = (SdkCode.TX_DECODE, "tx parse error")
SDK_UNAUTHORIZED = (SdkCode.UNAUTHORIZED, "unauthorized")
INSUFFICIENT_FUNDS = (SdkCode.INSUFFICIENT_FUNDS, "insufficient funds")
UNKNOWN_REQUEST = (SdkCode.UNKNOWN_REQUEST, "unknown request")
INVALID_PUBKEY = (SdkCode.INVALID_PUBKEY, "invalid pubkey")
UNKNOWN_ADDRESS = (SdkCode.UNKNOWN_ADDRESS, "unknown address")
INVALID_COINS = (SdkCode.INVALID_COINS, "invalid coins")
OUT_OF_GAS = (SdkCode.OUT_OF_GAS, "out of gas")
MEMO_TOO_LARGE = (SdkCode.MEMO_TOO_LARGE, "memo too large")
INVALID_REQUEST = (SdkCode.INVALID_REQUEST, "invalid request")
IN_MEMPOOL = (SdkCode.IN_MEMPOOL, "")
TX_TOO_LARGE = (SdkCode.TX_TOO_LARGE, "")
TIMEOUT_HEIGHT = (SdkCode.TIMEOUT_HEIGHT, "tx timeout height")
WRONG_SEQUENCE = (SdkCode.WRONG_SEQUENCE, "incorrect account sequence")
UNORDERED = (SdkCode.UNORDERED, "unordered transactions are not enabled")
GAS_OVER_BLOCK = (SdkCode.GAS_OVER_BLOCK, "invalid gas limit")
PANIC = (SdkCode.PANIC, "panic")

# codespace encryption
INVALID_PUBLIC_KEY = (EncryptionCode.INVALID_PUBLIC_KEY, "invalid public key")
KEY_NOT_FOUND = (EncryptionCode.NOT_FOUND, "key not found")
KEY_EXISTS = (EncryptionCode.EXISTS, "key already exists")
KEY_REVOKED = (EncryptionCode.REVOKED, "key revoked")
INVALID_ENVELOPE = (EncryptionCode.INVALID_ENVELOPE, "invalid envelope")
UNSUPPORTED_ALGORITHM = (EncryptionCode.ALGORITHM, "unsupported algorithm")
UNSUPPORTED_VERSION = (EncryptionCode.VERSION, "unsupported version")
INVALID_SIGNATURE = (EncryptionCode.SIGNATURE, "invalid signature")
NOT_KEY_OWNER = (EncryptionCode.UNAUTHORIZED, "unauthorized")
TOO_MANY_RECIPIENTS = (EncryptionCode.TOO_MANY_RECIPIENTS, "too many recipients")

# codespace store: raw reads
EMPTY_QUERY = (StoreCode.EMPTY_QUERY, "tx parse error")
NO_SUCH_STORE = (StoreCode.NO_SUCH_STORE, "unknown request")


class ChainError(Exception):
    """An error of the chain. Its text is the log in the SDK's form: details first, registered error last."""

    def __init__(self, registered: tuple[int, str], detail: str = "", *, codespace: str = HPC) -> None:
        self.code, name = registered
        self.codespace = codespace
        super().__init__(f"{detail}: {name}" if detail else name)


def sdk(registered: tuple[int, str], detail: str = "") -> ChainError:
    return ChainError(registered, detail, codespace=SDK)


def encryption(registered: tuple[int, str], detail: str = "") -> ChainError:
    return ChainError(registered, detail, codespace=ENCRYPTION)
