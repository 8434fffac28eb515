"""The drive: what an optimizer's updates go through when a plan is attached to it.

It stands in for `optimizer.apply`. The values are computed there, inside the graph, from the
optimizer's own count of updates, so they hold in compiled steps, in several steps per execution,
under accumulation, and where a loss scale skips an update.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from ratewise.adapters.keras.feedback import TracedFeedback
from ratewise.adapters.keras.traced import Traced


class Dial(keras.Variable):
    """A number of an optimizer that follows the clock while an update is traced.

    Optimizers ask such numbers whether they are 0, to know if they need them: never.
    """

    now: Any = None

    @property
    def value(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride, reportIncompatibleMethodOverride]
        return super().value if self.now is None else self.now

    def __bool__(self) -> bool:
        return True

    def __ne__(self, other: object) -> Any:
        return True if _zero(other) else super().__ne__(other)

    def __gt__(self, other: object) -> Any:
        return True if _zero(other) else super().__gt__(other)

    __hash__ = keras.Variable.__hash__


def _zero(other: object) -> bool:
    return isinstance(other, int | float) and other == 0


class Drive:
    """Gives an optimizer its numbers, update by update, in place of `optimizer.apply`.

    Args:
        optimizer: The optimizer that counts the updates (inside a loss scale, the inner one).
        values: What each attribute follows; "learning_rate" is written into its variable, so it
            holds afterwards what the update used, and others are set only during the update.
    """

    def __init__(self, optimizer: Any, values: dict[str, Traced | TracedFeedback]) -> None:
        self.optimizer, self.values = optimizer, values
        self._dials = {
            name: Dial(value.peak, trainable=False, name=name)
            for name, value in values.items()
            if name != "learning_rate"
        }
        self._rest = {name: getattr(optimizer, name) for name in self._dials}
        self._inside = 0  # replicas that are in an update at once

    def __call__(self, grads: Any, trainable_variables: Any = None) -> Any:
        optimizer = self.optimizer
        t = optimizer.iterations
        if "learning_rate" in self.values:
            optimizer.learning_rate = self.values["learning_rate"](t)
        for name, dial in self._dials.items():
            dial.now = self.values[name](t)
            _put(optimizer, name, dial)
        self._inside += 1
        try:
            return type(optimizer).apply(optimizer, grads, trainable_variables)
        finally:
            self._inside -= 1
            if not self._inside:
                self._leave()

    def _leave(self) -> None:
        for name, dial in self._dials.items():
            dial.now = None
            _put(self.optimizer, name, self._rest[name])

    def attach(self) -> None:
        """Take the place of `optimizer.apply`."""
        _put(self.optimizer, "apply", self)

    def detach(self) -> None:
        """Give `optimizer.apply` back."""
        if attached(self.optimizer) is self:
            object.__delattr__(self.optimizer, "apply")

    def __deepcopy__(self, memo: dict[int, Any]) -> Drive:
        return self


def attached(optimizer: Any) -> Drive | None:
    """Return the drive of an optimizer that has one."""
    drive = vars(optimizer).get("apply")
    return drive if isinstance(drive, Drive) else None


def innermost(optimizer: Any) -> Any:
    """Return the optimizer inside loss scales: the one that counts committed updates."""
    while hasattr(optimizer, "inner_optimizer"):
        optimizer = optimizer.inner_optimizer
    return optimizer


def committed(optimizer: Any) -> int:
    """Return the updates that an optimizer has committed."""
    # The sum is a plain tensor, also of a variable that is mirrored over devices.
    return int(ops.add(optimizer.iterations, 0))  # pyright: ignore[reportArgumentType]


def rate_of(optimizer: Any) -> float:
    """Return the rate that an optimizer holds."""
    return float(ops.add(optimizer.learning_rate, 0.0))  # pyright: ignore[reportArgumentType]


def _put(optimizer: Any, name: str, value: Any) -> None:
    # Set as a plain attribute: Keras would add a variable to the optimizer's saved state.
    object.__setattr__(optimizer, name, value)
