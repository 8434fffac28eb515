"""Optimizers that are wrapped, and those that hold other weights for training than for use."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from ratewise.schedule import ScheduleError
from ratewise.schedule.strict import strict


def unwrap(who: str, optimizer: Any) -> Optimizer:
    """Return the optimizer whose `step` makes the updates, inside the wrappers of others.

    Accelerate and Lightning hold it as `optimizer`, and SAM or Opacus, in another public attribute,
    one that has the same groups.

    Raises:
        ScheduleError: it is none.
    """
    seen = {id(optimizer)}
    while (inner := _inside(optimizer)) is not None and id(inner) not in seen:
        optimizer = inner
        seen.add(id(inner))
    if not isinstance(optimizer, Optimizer):
        rule = "needs an optimizer"
        raise ScheduleError(who, rule, "give a torch.optim.Optimizer", given=optimizer)
    return optimizer


def _inside(optimizer: Any) -> Optimizer | None:
    inner = getattr(optimizer, "optimizer", None)
    if isinstance(inner, Optimizer):
        return inner
    if not isinstance(optimizer, Optimizer):
        return None
    groups = getattr(optimizer, "param_groups", [])
    shared = [
        inner
        for inner in inner_optimizers(optimizer).values()
        if list(map(id, groups)) == list(map(id, getattr(inner, "param_groups", ())))
    ]
    return shared[0] if len(shared) == 1 else None


def inner_optimizers(optimizer: Optimizer) -> dict[str, Optimizer]:
    """Return the optimizers that another one holds in public attributes, by name."""
    return {
        name: value
        for name, value in vars(optimizer).items()
        if isinstance(value, Optimizer) and value is not optimizer and not name.startswith("_")
    }


def has_modes(optimizer: Any) -> bool:
    """Whether an optimizer has a training and an evaluation mode, as schedule-free ones do."""
    return callable(getattr(optimizer, "train", None)) and callable(
        getattr(optimizer, "eval", None)
    )


def to_train(optimizer: Any) -> None:
    """Put the weights to train with in place, if the optimizer holds such."""
    if has_modes(optimizer):
        optimizer.train()


def to_eval(optimizer: Any) -> None:
    """Put the weights to evaluate, save and use in place, if the optimizer holds such."""
    if has_modes(optimizer):
        optimizer.eval()


@strict
def follow_modes(optimizer: Any, model: nn.Module) -> RemovableHandle:
    """Let an optimizer with modes of its own follow `model.train()` and `model.eval()`.

    Schedule-free optimizers train at one point, y, and are to be evaluated and saved at another,
    x. Before every call of the model the optimizer is put into the mode that the model is in. So
    the usual loop is right as it is; an optimizer without modes is left alone.

    The weights change when the model is next called, not when its mode does. Before saving them
    call `optimizer.eval()`. Normalisation layers have gathered their statistics at y: pass some
    batches through the model before evaluating it at x, with the optimizer in its evaluation mode.

    Args:
        optimizer: The optimizer.
        model: The module that is called; what calls a part of it directly is not seen.

    Returns:
        A handle whose `remove()` undoes it.

    Raises:
        ScheduleError: `model` is no module.

    >>> optimizer, model = torch.optim.SGD([nn.Parameter(torch.ones(1))]), nn.Identity()
    >>> follow_modes(optimizer, model).remove()
    """
    if not isinstance(model, nn.Module):
        rule = "needs a module"
        raise ScheduleError(
            "follow_modes", rule, "write follow_modes(optimizer, model)", given=model
        )
    outside: Any = torch.compiler.disable(_switch)
    modes = has_modes(optimizer)

    def follow(module: nn.Module, _: Any) -> None:
        if modes:
            outside(optimizer, module.training)

    return model.register_forward_pre_hook(follow)


def _switch(optimizer: Any, training: bool) -> None:
    optimizer.train() if training else optimizer.eval()
