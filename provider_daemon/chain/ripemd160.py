"""RIPEMD-160, for account addresses where OpenSSL lacks it.

OpenSSL lacks it in FIPS mode, and where its legacy algorithms are off. The only input here is a public key,
so neither speed nor timing matters.
"""

_LEFT = (
    tuple(range(16)),
    (7, 4, 13, 1, 10, 6, 15, 3, 12, 0, 9, 5, 2, 14, 11, 8),
    (3, 10, 14, 4, 9, 15, 8, 1, 2, 7, 0, 6, 13, 11, 5, 12),
    (1, 9, 11, 10, 0, 8, 12, 4, 13, 3, 7, 15, 14, 5, 6, 2),
    (4, 0, 5, 9, 7, 12, 2, 10, 14, 1, 3, 8, 11, 6, 15, 13),
)
_RIGHT = (
    (5, 14, 7, 0, 9, 2, 11, 4, 13, 6, 15, 8, 1, 10, 3, 12),
    (6, 11, 3, 7, 0, 13, 5, 10, 14, 15, 8, 12, 4, 9, 1, 2),
    (15, 5, 1, 3, 7, 14, 6, 9, 11, 8, 12, 2, 10, 0, 4, 13),
    (8, 6, 4, 1, 3, 11, 15, 0, 5, 12, 2, 13, 9, 7, 10, 14),
    (12, 15, 10, 4, 1, 5, 8, 7, 6, 2, 13, 14, 0, 3, 9, 11),
)
_LEFT_TURNS = (
    (11, 14, 15, 12, 5, 8, 7, 9, 11, 13, 14, 15, 6, 7, 9, 8),
    (7, 6, 8, 13, 11, 9, 7, 15, 7, 12, 15, 9, 11, 7, 13, 12),
    (11, 13, 6, 7, 14, 9, 13, 15, 14, 8, 13, 6, 5, 12, 7, 5),
    (11, 12, 14, 15, 14, 15, 9, 8, 9, 14, 5, 6, 8, 6, 5, 12),
    (9, 15, 5, 11, 6, 8, 13, 12, 5, 12, 13, 14, 11, 8, 5, 6),
)
_RIGHT_TURNS = (
    (8, 9, 9, 11, 13, 15, 15, 5, 7, 7, 8, 11, 14, 14, 12, 6),
    (9, 13, 15, 7, 12, 8, 9, 11, 7, 7, 12, 7, 6, 15, 13, 11),
    (9, 7, 15, 11, 8, 6, 6, 14, 12, 13, 5, 14, 13, 13, 7, 5),
    (15, 5, 8, 11, 14, 14, 6, 14, 6, 9, 12, 9, 12, 5, 15, 8),
    (8, 5, 12, 9, 12, 5, 14, 6, 8, 13, 6, 5, 15, 13, 11, 11),
)
_LEFT_ADDED = (0, 0x5A827999, 0x6ED9EBA1, 0x8F1BBCDC, 0xA953FD4E)
_RIGHT_ADDED = (0x50A28BE6, 0x5C4DD124, 0x6D703EF3, 0x7A6D76E9, 0)
_START = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0)
_WORD = 0xFFFFFFFF

_State = tuple[int, int, int, int, int]


def digest(data: bytes) -> bytes:
    padded = data + b"\x80" + bytes((55 - len(data)) % 64) + (8 * len(data)).to_bytes(8, "little")
    state: _State = _START
    for start in range(0, len(padded), 64):
        block = padded[start : start + 64]
        state = _compressed(state, [int.from_bytes(block[at : at + 4], "little") for at in range(0, 64, 4)])
    return b"".join(word.to_bytes(4, "little") for word in state)


def _compressed(state: _State, words: list[int]) -> _State:
    left = right = state
    for turn in range(5):
        for step in range(16):
            left = _stepped(left, turn, words[_LEFT[turn][step]] + _LEFT_ADDED[turn], _LEFT_TURNS[turn][step])
            right = _stepped(
                right, 4 - turn, words[_RIGHT[turn][step]] + _RIGHT_ADDED[turn], _RIGHT_TURNS[turn][step]
            )
    a, b, c, d, e = (
        (state[(at + 1) % 5] + left[(at + 2) % 5] + right[(at + 3) % 5]) & _WORD for at in range(5)
    )
    return a, b, c, d, e


def _stepped(state: _State, function: int, added: int, turns: int) -> _State:
    a, b, c, d, e = state
    return e, (_rotated(a + _mixed(function, b, c, d) + added, turns) + e) & _WORD, b, _rotated(c, 10), d


def _mixed(function: int, x: int, y: int, z: int) -> int:
    if function == 0:
        return x ^ y ^ z
    if function == 1:
        return (x & y) | (~x & z & _WORD)
    if function == 2:
        return (x | (~y & _WORD)) ^ z
    if function == 3:
        return (x & z) | (y & ~z & _WORD)
    return x ^ (y | (~z & _WORD))


def _rotated(word: int, turns: int) -> int:
    word &= _WORD
    return (word << turns | word >> (32 - turns)) & _WORD
