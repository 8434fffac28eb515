"""The step of the optimizer for a whole stack: once for all runs, or once for each.

One step for all is exact in form where an optimizer moves each number by itself, in proportion to
the rate, and what it remembers does not depend on the rate. Then the step is made at the largest
rate r of the stack, and a run at a rate s gets its share of it:

    p ← p + (s/r) (p' − p),   s/r in [0, 1]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from ratewise._extras import require
from ratewise.tasks.torch.snapshot import TensorSnapshot, restore_training
from ratewise.tasks.torch.stacked_state import COMMON, aside

torch = require("torch", extra="torch")

PROPORTIONAL = (
    "SGD",
    "Adam",
    "AdamW",
    "Adagrad",
    "RMSprop",
    "Adamax",
    "NAdam",
    "RAdam",
    "Adadelta",
)
"""Optimizers of torch whose step is one of each number, in proportion to the rate."""

HIGHEST = 1e20
"""The largest rate of a step, so that a run whose rate is beyond all measure spoils no other's."""

SHORT = (torch.float16, torch.bfloat16)
"""Types in which a share would be rounded by more than the step."""


class StackStep(Protocol):
    """Makes the updates of a stack from its gradients."""

    def make(self, rates: Sequence[float], gradients: Sequence[Any]) -> None:
        """Make one update: the rate of each run, the stacked gradient of each parameter or None."""
        ...

    def keep(self, states: Sequence[Mapping[str, Any]]) -> None:
        """Take the states of the runs without their tensors, in place of those at the beginning."""
        ...

    def state(self, run: int) -> dict[str, Any]:
        """Return the state of a run; parameters and buffers in it are not of now."""
        ...


def steps_alike(optimizer: Any) -> bool:
    """Tell whether one step of an optimizer's own class does for a whole stack.

    Not in float16, where a step at the largest rate soon has no number.
    """
    kind = type(optimizer)
    plain = kind in {getattr(torch.optim, name) for name in PROPORTIONAL}
    groups = optimizer.param_groups
    differentiable = any(group.get("differentiable") for group in groups)
    narrow = any(p.dtype is torch.float16 for group in groups for p in group["params"])
    own = "step" in vars(optimizer) or hooked(optimizer)
    return plain and not (differentiable or narrow or own)


def hooked(optimizer: Any) -> bool:
    """Tell whether somebody has hooked something on the steps of an optimizer."""
    for register in (optimizer.register_step_pre_hook, optimizer.register_step_post_hook):
        if _several(register(lambda *_: None)):
            return True
    return False


def hooked_parameters(model: Any) -> bool:
    """Tell whether somebody looks at the gradients of single parameters as they are made."""
    own = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter in own:
        for name in ("register_hook", "register_post_accumulate_grad_hook"):
            if _several(getattr(parameter, name)(lambda *_: None)):
                return True
    return False


def _several(handle: Any) -> bool:
    """Tell whether there are other hooks beside one, which is removed."""
    there = handle.hooks_dict_ref()
    count = 0 if there is None else len(there)
    handle.remove()
    return count > 1


class OneStep:
    """One step of the optimizer's own class for all runs.

    Args:
        optimizer: The optimizer of a run, not trained.
        shares: What each of its groups gets of a rate.
        places: Place of each stacked parameter among those of the optimizer.
        stacked: The parameters, with the runs in front.
        states: The states of the runs.
    """

    def __init__(
        self,
        optimizer: Any,
        shares: Sequence[float],
        places: Sequence[int],
        stacked: Sequence[Any],
        states: Sequence[Mapping[str, Any]],
    ) -> None:
        self._stacked, self._states, self._shares = stacked, states, shares
        self._places = dict(zip(places, stacked, strict=True))
        self._last = [0.0] * len(states)
        self._optimizer = _stacked_optimizer(optimizer, self._places)
        self._fill()

    def _fill(self) -> None:
        """Bring in what the optimizer remembers of each run."""
        each = [{at: kept for at, _, kept in one["optimizer"]["state"]} for one in self._states]
        for place, parameter in self._places.items():
            if place not in each[0]:
                continue
            mine = self._optimizer.state[parameter]
            for name, first in each[0][place].items():
                kept = [one[place][name] for one in each]
                mine[name] = _remembered(name, first, kept, parameter)

    def make(self, rates: Sequence[float], gradients: Sequence[Any]) -> None:
        top = min(max(rates), HIGHEST)
        self._last = list(rates)
        shares = None if min(rates) == top else [rate / top for rate in rates]
        moved = [(p, g) for p, g in zip(self._stacked, gradients, strict=True) if g is not None]
        before = [] if shares is None else [p.detach().clone() for p, _ in moved]
        for parameter, gradient in zip(self._stacked, gradients, strict=True):
            parameter.grad = gradient
        for group, share in zip(self._optimizer.param_groups, self._shares, strict=True):
            put_rate(group, top * share)
        self._optimizer.step()
        weights: dict[Any, Any] = {}
        for (parameter, _), old in zip(moved, before, strict=shares is not None):
            _share_out(old, parameter.detach(), shares or [], weights)
        for parameter in self._stacked:
            parameter.grad = None

    def keep(self, states: Sequence[Mapping[str, Any]]) -> None:
        self._states = states

    def state(self, run: int) -> dict[str, Any]:
        own = self._states[run]
        kept = [
            (place, None, {n: aside(v, run, p.shape) for n, v in self._optimizer.state[p].items()})
            for place, p in self._places.items()
            if p in self._optimizer.state
        ]
        groups = [dict(group) for group in own["optimizer"]["groups"]]
        for group, share in zip(groups, self._shares, strict=True):
            rate = self._last[run] * share
            was = group["lr"]
            if isinstance(was, TensorSnapshot):
                group["lr"] = TensorSnapshot(torch.full_like(was.value, rate), was.device)
            else:
                group["lr"] = rate
        return {**own, "optimizer": {**own["optimizer"], "state": kept, "groups": groups}}


def put_rate(group: dict[str, Any], rate: float) -> None:
    """Set the rate of a group, in place if it is a tensor."""
    if isinstance(group["lr"], torch.Tensor):
        group["lr"].fill_(rate)
    else:
        group["lr"] = rate


def _stacked_optimizer(optimizer: Any, places: Mapping[int, Any]) -> Any:
    """Return another optimizer of the same class and settings, of stacked parameters."""
    groups: list[dict[str, Any]] = []
    place = 0
    for group in optimizer.param_groups:
        count = len(group["params"])
        held = [places[i] for i in range(place, place + count) if i in places]
        place += count
        settings = {
            name: value.detach().clone() if isinstance(value, torch.Tensor) else value
            for name, value in group.items()
            if name != "params"
        }
        groups.append({**settings, "params": held})
    return type(optimizer)(groups)


def _remembered(name: Any, first: Any, kept: Sequence[Any], parameter: Any) -> Any:
    """Return a part of an optimizer's state for all runs: stacked, or common to all."""
    if not isinstance(first, TensorSnapshot):
        return first
    if name in COMMON or first.value.shape != parameter.shape[1:]:
        return first.back()
    return torch.stack([one.value for one in kept]).to(first.device)


def _share_out(old: Any, new: Any, shares: Sequence[float], weights: dict[Any, Any]) -> None:
    """Give every run its share of a step that was made at the largest rate.

    Args:
        old: A parameter before the step.
        new: The same behind it, which is written.
        shares: The share of each run.
        weights: The shares as tensors by type and device, so that each is sent there once.
    """
    exact = torch.float32 if old.dtype in SHORT else old.dtype
    kind = exact, old.device
    if kind not in weights:
        weights[kind] = torch.tensor(shares, dtype=exact, device=old.device)
    weight = weights[kind].reshape(-1, *[1] * (old.dim() - 1))
    if old.dtype in SHORT:
        new.copy_(torch.lerp(old.to(exact), new.to(exact), weight))
    else:
        torch.lerp(old, new, weight, out=new)


class OwnSteps:
    """A step for each run, by an optimizer of its own: whatever is hooked on it sees its run alone.

    Args:
        open_run: Opens a run for a seed.
        seeds: The seed of each run.
        names: Names of the stacked parameters in the model.
        stacked: The parameters, with the runs in front; each run's are views of them.
        states: The states of the runs.
    """

    def __init__(
        self,
        open_run: Callable[[int], Any],
        seeds: Sequence[int],
        names: Sequence[str],
        stacked: Sequence[Any],
        states: Sequence[Mapping[str, Any]],
    ) -> None:
        self._states = states
        self._views: list[list[Any]] = []
        self._parts: list[Any] = []
        self._parameters: list[list[Any]] = []
        self._runs: list[Any] = []
        for place, (seed, state) in enumerate(zip(seeds, states, strict=True)):
            run = open_run(seed)
            parts = run.stack_parts
            restore_training(parts.model, parts.optimizer, state)
            held = dict(parts.model.named_parameters())
            mine = [held[name] for name in names]
            views = [whole.detach()[place] for whole in stacked]
            for parameter, view in zip(mine, views, strict=True):
                parameter.data = view
            self._views.append(views)
            self._runs.append(run)
            self._parts.append(parts)
            self._parameters.append(mine)

    def make(self, rates: Sequence[float], gradients: Sequence[Any]) -> None:
        apart = [[None] * len(rates) if g is None else g.unbind(0) for g in gradients]
        for parts, mine, rate, *own in zip(
            self._parts, self._parameters, rates, *apart, strict=True
        ):
            for parameter, gradient in zip(mine, own, strict=True):
                parameter.grad = gradient
            parts.groups.set(rate)
            parts.optimizer.step()
            for parameter in mine:
                parameter.grad = None
        self._gather()

    def _gather(self) -> None:
        """Bring home the parameters that an optimizer has given other memory."""
        for mine, views in zip(self._parameters, self._views, strict=True):
            for parameter, view in zip(mine, views, strict=True):
                if parameter.data_ptr() != view.data_ptr():
                    view.copy_(parameter.detach())
                    parameter.data = view

    def keep(self, states: Sequence[Mapping[str, Any]]) -> None:
        self._states = states

    def state(self, run: int) -> dict[str, Any]:
        return {**self._states[run], **_training(self._runs[run])}


def _training(run: Any) -> dict[str, Any]:
    saved = run.save()
    return {"model": saved["model"], "optimizer": saved["optimizer"]}
