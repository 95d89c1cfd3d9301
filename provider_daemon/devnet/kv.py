"""The state: byte keys and values in named stores, with layers that are kept or dropped as a whole."""

from collections.abc import Iterator


class Layer:
    """Writes stay here until `commit`; reads fall through to the layer below. The lowest layer has none."""

    def __init__(self, below: "Layer | None" = None) -> None:
        self._below = below
        self.changes: dict[tuple[str, bytes], bytes | None] = {}

    def get(self, store: str, key: bytes) -> bytes:
        """b"" when absent."""
        if (store, key) in self.changes:
            return self.changes[store, key] or b""
        return self._below.get(store, key) if self._below else b""

    def put(self, store: str, key: bytes, value: bytes) -> None:
        self.changes[store, key] = value

    def delete(self, store: str, key: bytes) -> None:
        self.changes[store, key] = None

    def scan(self, store: str, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Sorted by key, as a store iterates."""
        for key in sorted(self._keys(store, prefix)):
            if value := self.get(store, key):
                yield key, value

    def _keys(self, store: str, prefix: bytes) -> set[bytes]:
        below = self._below._keys(store, prefix) if self._below else set()
        return below | {key for name, key in self.changes if name == store and key.startswith(prefix)}

    def commit(self) -> dict[tuple[str, bytes], bytes | None]:
        """Moves every change into the layer below and returns them."""
        changes, self.changes = self.changes, {}
        if self._below is not None:
            self._below.changes.update(changes)
        return changes
