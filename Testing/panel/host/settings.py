"""QSettings in memory: a test leaves nothing on the machine."""

from __future__ import annotations

from typing import Any, ClassVar

__all__ = ["MemorySettings"]


class MemorySettings:
    """Stands for qt.QSettings; all instances share one store, as the application's do."""

    store: ClassVar[dict[str, Any]] = {}

    def __init__(self, *_arguments: Any) -> None:
        self._groups: list[str] = []

    def _key(self, key: str) -> str:
        return "/".join([*self._groups, key])

    def value(self, key: str, default: Any = None) -> Any:
        return self.store.get(self._key(key), default)

    def setValue(self, key: str, value: Any) -> None:
        self.store[self._key(key)] = value

    def contains(self, key: str) -> bool:
        return self._key(key) in self.store

    def remove(self, key: str) -> None:
        whole = self._key(key)
        for known in [known for known in self.store if known == whole or known.startswith(f"{whole}/")]:
            del self.store[known]

    def allKeys(self) -> list[str]:
        prefix = self._key("")
        return sorted(key.removeprefix(prefix) for key in self.store if key.startswith(prefix))

    def beginGroup(self, name: str) -> None:
        self._groups.append(name)

    def endGroup(self) -> None:
        self._groups.pop()

    def sync(self) -> None:
        """Nothing is to be written."""
