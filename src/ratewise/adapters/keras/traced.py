"""Levels inside a graph: the formulas of `ratewise.schedule`, over the backend's arrays.

Everything up to the last step is float64, in which updates are exact up to 2**53; only the
finished rate is rounded to the precision of the optimizer.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
from keras import ops

from ratewise.schedule import Schedule, ScheduleError

LONGEST_TABLE = 1 << 20  # updates; 4 MB of float32 inside the graph
FUNCTIONS = (
    *("clip", "cos", "exp", "expm1", "floor_divide", "log1p", "maximum", "minimum", "power"),
    *("sqrt", "tanh", "true_divide", "where", "zeros_like"),
)


class Traced:
    """`peak · f(t)` of a resolved schedule, for `t` a tensor.

    A schedule with a `Function` in it cannot be traced: its levels are looked up in a table.
    """

    def __init__(self, schedule: Schedule, peak: float) -> None:
        self.schedule, self.peak = schedule, peak
        self._track = schedule.track(None)
        self._table = None if _written(schedule) else self._tabulate()

    def host(self, t: int) -> float:
        """Return the value of update `t` on the host, in float64."""
        return self.peak * self.schedule(t)

    def __call__(self, t: Any) -> Any:
        """Return the value of update `t`, an integer tensor, in the precision of the optimizer."""
        dtype = "float64" if keras.config.floatx() == "float64" else "float32"
        if self._table is not None:
            last = len(self._table) - 1
            index = ops.minimum(ops.convert_to_tensor(t), last)
            return ops.take(ops.convert_to_tensor(self._table, dtype=dtype), index, axis=0)
        if keras.backend.backend() == "jax":
            return self._jax(ops.convert_to_tensor(t), dtype)
        levels = self._track.levels(_namespace(), ops.cast(t, "float64"))
        return ops.cast(self.peak * levels, dtype)

    def _jax(self, t: Any, dtype: str) -> Any:
        import jax

        with _jax_wide():
            x = jax.lax.convert_element_type(t, np.float64)
            value = self.peak * self._track.levels(jax.numpy, x)
            return jax.lax.convert_element_type(value, np.dtype(dtype))

    def _tabulate(self) -> Any:
        length = self.schedule.length
        if length is None or length > LONGEST_TABLE:
            rule = f"holds a Function, of which a graph can have at most {LONGEST_TABLE:,} updates"
            fix = "give total=…, or write it as a Piecewise or a move"
            raise ScheduleError(repr(self.schedule), rule, fix)
        levels = np.append(self.schedule.values(), self.schedule.end)
        return self.peak * levels


@cache
def _namespace() -> SimpleNamespace:
    """Return what tracks ask of a namespace, in float64.

    `keras.ops` would take a number beside a tensor for float32, and on PyTorch make float32 of
    two float64, so there it is PyTorch itself.
    """
    native: Any = ops
    if keras.backend.backend() == "torch":
        import torch as native
    renamed = {"power": "pow"} if native is not ops else {}
    return SimpleNamespace(
        **{name: _widened(getattr(native, renamed.get(name, name))) for name in FUNCTIONS}
    )


def _widened(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args: function(*map(_wide, args))


def _wide(x: Any) -> Any:
    if isinstance(x, int | float):
        return ops.convert_to_tensor(np.asarray(x, np.float64))
    return x if keras.backend.standardize_dtype(x.dtype) == "bool" else ops.cast(x, "float64")


def _jax_wide() -> AbstractContextManager[Any]:
    """Return the context in which jax computes in 64 bits, whatever it does elsewhere."""
    import jax
    import jax.experimental

    if hasattr(jax, "enable_x64"):
        return jax.enable_x64(True)
    return jax.experimental.enable_x64(True)  # pyright: ignore


def _written(schedule: Schedule) -> bool:
    try:
        schedule.to_dict()
    except ScheduleError:
        return False
    return True
