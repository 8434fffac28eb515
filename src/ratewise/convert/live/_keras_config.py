"""The arguments of Keras' schedules, checked and completed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ratewise.convert.formats import ask, completed, signature
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import number, shorten

MOST_CYCLES = 10_000
_RATE = signature("initial_learning_rate decay_steps decay_rate", staircase=False)

ARGUMENTS: dict[str, dict[str, Any]] = {
    "ExponentialDecay": _RATE,
    "InverseTimeDecay": _RATE,
    "PiecewiseConstantDecay": signature("boundaries values"),
    "PolynomialDecay": signature(
        "initial_learning_rate decay_steps", end_learning_rate=0.0001, power=1.0, cycle=False
    ),
    "CosineDecay": signature(
        "initial_learning_rate decay_steps", alpha=0.0, warmup_target=None, warmup_steps=0
    ),
    "CosineDecayRestarts": signature(
        "initial_learning_rate first_decay_steps", t_mul=2.0, m_mul=1.0, alpha=0.0
    ),
}
"""Arguments of each class with their defaults, `name` apart."""

_NOT_CAST = {"CosineDecay": ("alpha",)}
_FLAGS = ("staircase", "cycle")


class KerasArguments:
    """The arguments of one schedule.

    Keras computes in the type of `initial_learning_rate`. Where that is a whole number, the other
    arguments lose their fractions first, and π is 3: so they do here.

    Args:
        who: The source, for messages.
        name: Name of the class.
        config: Its arguments as given.
    """

    def __init__(self, who: str, name: str, config: Mapping[str, Any]) -> None:
        self.who = who
        self.config = completed(who, config, ARGUMENTS[name], "name")
        self.notes: list[str] = []
        self.whole = _is_whole(self.config.get("initial_learning_rate"))
        self._numbers = self._read(name)

    def _read(self, name: str) -> dict[str, float | None]:
        numbers: dict[str, float | None] = {}
        for key in ARGUMENTS[name]:
            value = self.config[key]
            if key in (*_FLAGS, "boundaries", "values"):
                continue
            if key == "warmup_target" and value is None:
                numbers[key] = None
                continue
            given = numbers[key] = number(self.who, key, value)
            if self.whole and key not in _NOT_CAST.get(name, ()):
                numbers[key] = float(int(given))
                self._note_cut(key, given)
        if self.whole and name.startswith("Cosine"):
            self.notes.append(
                "initial_learning_rate is a whole number, so Keras takes 3 for π: the decay ends "
                "0.5 % above its floor. Write it as a float."
            )
        return numbers

    def _note_cut(self, key: str, given: float) -> None:
        if given != int(given):
            self.notes.append(
                "initial_learning_rate is a whole number, so Keras computes in whole numbers: "
                f"{key}={given:g} counts as {int(given)}. Write the rate as a float."
            )

    def __getitem__(self, name: str) -> Any:
        """Return a number, None where it may be left out and is."""
        return self._numbers[name]

    def positive(self, name: str) -> float:
        return number(self.who, name, self._numbers[name], above=True)

    def flag(self, name: str) -> bool:
        value = self.config[name]
        if not isinstance(value, bool | np.bool_ | None):
            raise ScheduleError(self.who, f"has {name}={shorten(value)}", "give True or False")
        return bool(value)

    def numbers(self, name: str, low: float = 0.0) -> list[float]:
        given = self.config[name]
        if not isinstance(given, Iterable) or isinstance(given, str | Mapping):
            raise ScheduleError(self.who, f"has {name}={shorten(given)}", "give a list of numbers")
        return [number(self.who, f"{name}[{i}]", v, low=low) for i, v in enumerate(given)]

    def need(self, run: int | None) -> int:
        """Return the length of the run, which has to be known."""
        if run is None:
            rule = "has cycles or stairs that begin between updates"
            raise ScheduleError(self.who, rule, ask("total"))
        return run

    def check_count(self, i: int) -> None:
        """Refuse cycles without number."""
        if i >= MOST_CYCLES:
            rule = f"has more than {MOST_CYCLES:,} cycles that begin between updates"
            raise ScheduleError(self.who, rule, "give whole numbers of updates")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)
