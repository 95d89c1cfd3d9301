"""MurmurHash3 for x64, the first 64 of its 128 bits: IPFS sorts the names of a sharded directory by it."""

_MASK = (1 << 64) - 1
_C1, _C2 = 0x87C37B91114253D5, 0x4CF5AD432745937F


def murmur3_64(data: bytes) -> bytes:
    """Returns the hash with seed 0, in big-endian order."""
    first = second = 0
    whole = len(data) // 16 * 16
    for at in range(0, whole, 16):
        low, high = _number(data[at : at + 8]), _number(data[at + 8 : at + 16])
        first = (_rotated(first ^ _mixed_first(low), 27) + second) * 5 + 0x52DCE729 & _MASK
        second = (_rotated(second ^ _mixed_second(high), 31) + first) * 5 + 0x38495AB5 & _MASK
    tail = data[whole:]
    second ^= _mixed_second(_number(tail[8:]))
    first ^= _mixed_first(_number(tail[:8]))
    first, second = first ^ len(data), second ^ len(data)
    first = first + second & _MASK
    second = second + first & _MASK
    return (_finished(first) + _finished(second) & _MASK).to_bytes(8)


def _number(data: bytes) -> int:
    return int.from_bytes(data, "little")


def _rotated(value: int, bits: int) -> int:
    return (value << bits | value >> 64 - bits) & _MASK


def _mixed_first(value: int) -> int:
    return _rotated(value * _C1 & _MASK, 31) * _C2 & _MASK


def _mixed_second(value: int) -> int:
    return _rotated(value * _C2 & _MASK, 33) * _C1 & _MASK


def _finished(value: int) -> int:
    value = (value ^ value >> 33) * 0xFF51AFD7ED558CCD & _MASK
    value = (value ^ value >> 33) * 0xC4CEB9FE1A85EC53 & _MASK
    return value ^ value >> 33
