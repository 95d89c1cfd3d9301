"""The state: byte keys and values in named stores, in layers that are committed or dropped as a whole."""

from collections.abc import Iterable, Iterator

Write = tuple[str, bytes, bytes]  # store, key, value


class Layer:
    """A layer of the state.

    Writes stay here until `commit`; reads fall through to the layer below. The lowest layer has none below
    it. An empty value means that there is no value.
    """

    def __init__(self, below: "Layer | None" = None) -> None:
        self._below = below
        # by store and first byte: a scan reads one kind of record only
        self._buckets: dict[tuple[str, bytes], dict[bytes, bytes]] = {}

    def get(self, store: str, key: bytes) -> bytes:
        """Returns the value; b"" if there is none."""
        value = self._buckets.get((store, key[:1]), {}).get(key)
        if value is None:
            return self._below.get(store, key) if self._below else b""
        return value

    def put(self, store: str, key: bytes, value: bytes) -> None:
        self._buckets.setdefault((store, key[:1]), {})[key] = value

    def delete(self, store: str, key: bytes) -> None:
        self.put(store, key, b"")

    def scan(self, store: str, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yields rows sorted by key, as a store iterates."""
        for key in sorted(self.keys(store, prefix)):
            if value := self.get(store, key):
                yield key, value

    def keys(self, store: str, prefix: bytes) -> set[bytes]:
        below = self._below.keys(store, prefix) if self._below else set()
        return below.union(*(self._matching(bucket, prefix) for bucket in self._of(store, prefix)))

    def _of(self, store: str, prefix: bytes) -> list[dict[bytes, bytes]]:
        if prefix:
            return [self._buckets.get((store, prefix[:1]), {})]
        return [bucket for (name, _), bucket in self._buckets.items() if name == store]

    @staticmethod
    def _matching(bucket: dict[bytes, bytes], prefix: bytes) -> Iterable[bytes]:
        return bucket if len(prefix) <= 1 else [key for key in bucket if key.startswith(prefix)]

    def rows(self) -> list[Write]:
        """Yields every row with a value, sorted by store and key."""
        stores = sorted({store for store, _ in self.places()})
        return [(store, key, value) for store in stores for key, value in self.scan(store, b"")]

    def places(self) -> set[tuple[str, bytes]]:
        return {*self._buckets, *(self._below.places() if self._below else ())}

    def load(self, writes: Iterable[Write]) -> None:
        for store, key, value in writes:
            self.put(store, key, value)

    def commit(self) -> list[Write]:
        """Moves all writes into the layer below and returns them."""
        writes = [
            (store, key, value)
            for (store, _), bucket in self._buckets.items()
            for key, value in bucket.items()
        ]
        self._buckets = {}
        if self._below is not None:
            self._below.load(writes)
        return writes
