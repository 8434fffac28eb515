"""The exact state of a Keras model and its optimizer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ratewise._extras import require
from ratewise.tasks.keras.loader_state import as_numpy

keras = require("keras", extra="keras")


class Held:
    """The variables of a model and its optimizer, and on PyTorch the buffers of its modules.

    Args:
        model: A model that is built, with an optimizer that is.
    """

    def __init__(self, model: Any) -> None:
        several = [*model.variables, *model.optimizer.variables]
        self._variables = list({id(one): one for one in several}.values())
        self._buffers = list({id(one): one for one in _buffers(model)}.values())

    def read(self) -> list[Any]:
        """Return the values, in main memory."""
        variables = [as_numpy(one.value) for one in self._variables]
        return [*variables, *(one.detach().to("cpu", copy=True) for one in self._buffers)]

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
