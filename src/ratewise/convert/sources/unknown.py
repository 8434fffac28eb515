"""What a config says that cannot be worked out: it is kept, and refused where it is needed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from ratewise.schedule import ScheduleError

_LONGEST = 30


class Unknown:
    """A value that is there and is not known.

    A reader that asks for a number, a word or a mapping refuses it as it refuses any wrong value,
    and so shows what is written here. Whoever asks for its truth, or whether it equals a word,
    is answered with an error: no branch is taken by guess.

    Args:
        text: What the config says, `get_lr()`.
        why: Where that is and why it is not known, "line 3 is not run".
        said: Whether the config itself has the key; else it may be somewhere else.
    """

    def __init__(self, text: str, why: str, *, said: bool = True) -> None:
        text = " ".join(text.split())
        self.text = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
        self.why, self.said = why, said

    def within(self, key: object) -> Unknown:
        """Return what is inside of it, under a key."""
        return Unknown(str(key) if not self.said else f"{self.text}.{key}", self.why, said=False)

    def refuse(self) -> NoReturn:
        """Say that the value is needed."""
        raise ScheduleError(self.text, f"is needed and not known: {self.why}", "write its value")

    def __repr__(self) -> str:
        return f"{self.text} ({self.why})"

    def __bool__(self) -> bool:
        self.refuse()

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str | int | float):
            self.refuse()
        return self is other

    __hash__ = object.__hash__


class Elsewhere(Unknown):
    """A thing that Python code has imported or defined, by its full name."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(name, why)
        self.name = name


class Partial(dict[Any, Any]):
    """A mapping of which a part may lie elsewhere: keys that it does not have are unknown.

    Args:
        known: The keys that are known.
        rest: What stands for the others; None if there are none, so that it is a plain dict.
        referred: The keys at its top level that other values of it are made of.
    """

    def __init__(
        self,
        known: Mapping[Any, Any] | None = None,
        rest: Unknown | None = None,
        referred: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(known or {})
        self.rest = rest
        self.referred = referred

    def __missing__(self, key: Any) -> Any:
        if self.rest is None:
            raise KeyError(key)
        return self.rest.within(key)

    def get(self, key: Any, default: Any = None) -> Any:
        """Return a value, known or not."""
        return default if self.rest is None and key not in self else self[key]


def rest_of(value: Any) -> Unknown | None:
    """Return what stands for the keys that a mapping does not have, if they may be elsewhere."""
    return value.rest if isinstance(value, Partial) else None


def is_variable(mapping: Any, key: str) -> bool:
    """Tell whether a plain value of a config stands there for others to be made of it."""
    referred = mapping.referred if isinstance(mapping, Partial) else frozenset[str]()
    return key in referred and key in mapping and not isinstance(mapping[key], dict | list)


def known_part(value: Any) -> Any:
    """Return a value with nothing in its mappings but what they have."""
    if not isinstance(value, Mapping):
        return value
    keys: Mapping[Any, Any] = value
    return {key: known_part(inner) for key, inner in keys.items()}


def like(mapping: Any, known: dict[Any, Any]) -> dict[Any, Any]:
    """Return a mapping of which as much is unknown as of another."""
    if not isinstance(mapping, Partial) or (mapping.rest is None and not mapping.referred):
        return known
    return Partial(known, mapping.rest, mapping.referred)
