"""One training step of a Keras model, the same whatever was trained before it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ratewise._extras import require
from ratewise.adapters.keras.drive import rate_of
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import shorten
from ratewise.tasks.keras.batches import KerasTape

keras = require("keras", extra="keras")

MODEL = "KerasTask(model=…)"


def split(batch: Any) -> tuple[Any, ...]:
    """Return inputs, targets and weights, as many as there are."""
    parts = list(batch) if isinstance(batch, tuple | list) else [batch]
    while parts and parts[-1] is None:
        parts.pop()
    return tuple(parts)


def check_compiled(who: str, model: Any) -> None:
    """Refuse a model that is not compiled, and one whose rate cannot be set."""
    if not model.compiled:
        raise ScheduleError(who, "is not compiled", "call model.compile(optimizer, loss)")
    try:
        model.optimizer.learning_rate = rate_of(model.optimizer)
    except TypeError:
        rule, fix = "has an optimizer with a schedule", "compile it with a number as its rate"
        raise ScheduleError(who, rule, fix) from None


def step_of(model: Any, batches: KerasTape) -> Callable[[Any], float]:
    """Return what trains on a batch and returns its loss.

    On TensorFlow `train_on_batch` compiles for the shapes that it meets, in the order in which it
    meets them, so that the last bit of a step depends on what was trained before. Here it is
    compiled once, for the shapes that `fit` compiles for: those of the dataset, or those that the
    first two batches have in common, and any number of rows.
    """
    if keras.backend.backend() == "tensorflow" and not model.run_eagerly:
        return _compiled(model, batches)

    def train(batch: Any) -> float:
        return loss_of(model.train_on_batch(*split(batch), return_dict=True))

    return train


def _compiled(model: Any, batches: KerasTape) -> Callable[[Any], float]:
    signature = _signature(batches)
    function = _tensorflow().function(
        lambda *parts: model.train_step(parts),
        input_signature=signature,
        jit_compile=model.jit_compile,
    )

    def train(batch: Any) -> float:
        parts = _tensors(split(batch))
        try:
            keras.tree.map_structure(_check, signature, parts)
        except (TypeError, ValueError):
            rule = f"gave {_shapes(parts)} after {_shapes(signature)}"
            fix = "pad all batches alike, or return a tf.data.Dataset"
            raise ScheduleError(KerasTape.who, rule, fix) from None
        model.reset_metrics()
        return loss_of(function(*parts))

    return train


def _signature(batches: KerasTape) -> tuple[Any, ...]:
    said = getattr(batches.source, "element_spec", None)
    if said is not None:
        return split(said)
    first, second = (_tensors(split(batches.at(place))) for place in (0, 1))
    try:
        return keras.tree.map_structure(_common, first, second)
    except (TypeError, ValueError):
        rule = f"gave {_shapes(second)} after {_shapes(first)}"
        raise ScheduleError(KerasTape.who, rule, "let all batches be made alike") from None


def _tensors(parts: Any) -> Any:
    tensorflow = _tensorflow()

    def tensor(leaf: Any) -> Any:
        if tensorflow.is_tensor(leaf):
            return leaf
        return tensorflow.convert_to_tensor(np.asarray(leaf))

    return keras.tree.map_structure(tensor, parts)


def _common(first: Any, second: Any) -> Any:
    """Return the type of two tensors, with sizes where they agree, and any number of rows."""
    one, other = (_tensorflow().type_spec_from_value(leaf) for leaf in (first, second))
    if type(one) is not type(other) or one.dtype != other.dtype:
        raise TypeError
    if not hasattr(one.shape, "rank") or one.shape.rank != other.shape.rank:
        raise ValueError
    sizes = zip(one.shape.as_list()[1:], other.shape.as_list()[1:], strict=True)
    rest = [size if size == also else None for size, also in sizes]
    return type(one)(([None, *rest] if one.shape.rank else []), one.dtype)


def _check(spec: Any, leaf: Any) -> None:
    if not spec.is_compatible_with(leaf):
        raise ValueError


def _shapes(parts: Any) -> str:
    """Return what to call a batch in an error."""
    return shorten([tuple(getattr(leaf, "shape", ())) for leaf in keras.tree.flatten(parts)])


def loss_of(told: Any) -> float:
    """Return the loss among what a step tells.

    Raises:
        ScheduleError: there is none.
    """
    if "loss" not in told:
        raise ScheduleError(MODEL, "has a train_step without a loss", 'return {"loss": …} from it')
    return float(told["loss"])


def _tensorflow() -> Any:
    return require("tensorflow", extra="tensorflow")
