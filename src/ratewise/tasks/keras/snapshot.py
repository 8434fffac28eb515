"""The exact state of a Keras model and its optimizer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ratewise._extras import require

keras = require("keras", extra="keras")


class VariableSnapshot:
    """The variables of a model and its optimizer, and on PyTorch the buffers of its modules.

    Args:
        model: A model that is built, with an optimizer that is.
        metrics: Whether those of its metrics count, too.
    """

    def __init__(self, model: Any, *, metrics: bool = False) -> None:
        more = model.metrics_variables if metrics else ()
        several = [*model.variables, *model.optimizer.variables, *more]
        self._variables = list({id(variable): variable for variable in several}.values())
        self._buffers = list({id(buffer): buffer for buffer in _buffers(model)}.values())

    def read(self) -> list[Any]:
        """Return the values, in main memory."""
        variables = [as_numpy(variable.value) for variable in self._variables]
        return [*variables, *(buffer.detach().to("cpu", copy=True) for buffer in self._buffers)]

    def write(self, values: list[Any]) -> None:
        """Put values back; the list stays as it is."""
        count = len(self._variables)
        for variable, value in zip(self._variables, values[:count], strict=True):
            variable.assign(value)
        for buffer, value in zip(self._buffers, values[count:], strict=True):
            buffer.data.copy_(value)


def _buffers(layer: Any) -> Iterator[Any]:
    """Yield the buffers of a layer and of all that is in it, which Keras keeps in lists."""
    if on_torch():
        yield from layer.buffers()
        for inner in getattr(layer, "layers", ()):
            yield from _buffers(inner)


def as_numpy(value: Any) -> Any:
    """Return a tensor of the backend, or anything else, as a new array."""
    if keras.backend.backend() == "tensorflow" and hasattr(value, "numpy"):
        return np.array(value.numpy())  # without the warning that numpy 2 gives of its tensors
    return np.array(keras.ops.convert_to_numpy(value))


def built(model: Any) -> bool:
    """Whether a model has all its weights; one with an `Input` may be called built without."""
    return model.built and all(layer.built for layer in getattr(model, "layers", ()))


def on_torch() -> bool:
    """Whether Keras runs on PyTorch, where a model is a module with a mode."""
    return keras.backend.backend() == "torch"


def to_mode(model: Any, training: bool) -> None:
    """Put the modules of a model on PyTorch into a mode, as `fit` does and `train_on_batch` not."""
    if on_torch():
        model.train(training)
