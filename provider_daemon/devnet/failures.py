"""How the chain says no: codespace, code and text (docs/protocol.md, 'Result codes')."""

HPC, SDK, STORE = "hpc", "sdk", "store"

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

# codespace sdk; the mempool's own two come with an empty log
TX_DECODE = (2, "tx parse error")
SDK_UNAUTHORIZED = (4, "unauthorized")
INSUFFICIENT_FUNDS = (5, "insufficient funds")
UNKNOWN_REQUEST = (6, "unknown request")
INVALID_PUBKEY = (8, "invalid pubkey")
UNKNOWN_ADDRESS = (9, "unknown address")
INVALID_COINS = (10, "invalid coins")
OUT_OF_GAS = (11, "out of gas")
MEMO_TOO_LARGE = (12, "memo too large")
INVALID_REQUEST = (18, "invalid request")
IN_MEMPOOL = (19, "")
TX_TOO_LARGE = (21, "")
TIMEOUT_HEIGHT = (30, "tx timeout height")
WRONG_SEQUENCE = (32, "incorrect account sequence")
UNORDERED = (37, "unordered transactions are not enabled")
GAS_OVER_BLOCK = (41, "invalid gas limit")
PANIC = (111222, "panic")

# codespace store: raw reads
EMPTY_QUERY = (3, "tx parse error")
NO_SUCH_STORE = (4, "unknown request")


class ChainError(Exception):
    """Its text is the log, in the SDK's form: the particular first, the registered error last."""

    def __init__(self, registered: tuple[int, str], detail: str = "", *, codespace: str = HPC) -> None:
        self.code, name = registered
        self.codespace = codespace
        super().__init__(f"{detail}: {name}" if detail else name)


def sdk(registered: tuple[int, str], detail: str = "") -> ChainError:
    return ChainError(registered, detail, codespace=SDK)
