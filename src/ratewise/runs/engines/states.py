"""Where a worker keeps states: in its own memory, on disk, or both."""

from __future__ import annotations

from typing import Any, Protocol

from ratewise.runs.engines.jobs import SavedState


class States(Protocol):
    """A place for states, by name."""

    def write(self, name: str, state: Any) -> SavedState:
        """Keep a state; OSError if there is no room."""
        ...

    def read(self, name: str, digest: str) -> tuple[bool, Any]:
        """Return whether a state is there and whole, and the state."""
        ...

    def let_go(self, name: str) -> None:
        """Say that a state is not read again."""
        ...


class Memory:
    """States in memory, and in a store behind it, if there is one."""

    def __init__(self, behind: States | None = None) -> None:
        self._held: dict[str, Any] = {}
        self._behind = behind

    def write(self, name: str, state: Any) -> SavedState:
        """Keep a state."""
        kept = (0, "") if self._behind is None else self._behind.write(name, state)
        self._held[name] = state
        return kept

    def read(self, name: str, digest: str) -> tuple[bool, Any]:
        """Return whether a state is there and whole, and the state."""
        if name in self._held:
            return True, self._held[name]
        return (False, None) if self._behind is None else self._behind.read(name, digest)

    def let_go(self, name: str) -> None:
        """Say that a state is not read again."""
        self._held.pop(name, None)
