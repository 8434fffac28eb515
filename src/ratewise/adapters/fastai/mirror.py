"""An optimizer of fastai as one of PyTorch: the same hyper-parameters, under the names of PyTorch.

fastai's own optimizers have no hooks, and keep their hyper-parameters in `hypers`, a list of dicts
that their state holds. The mirror has a group for each, and what the schedule puts into the group,
its clock included, is put into the dict. It changes no weight: its `step` is where an update is
counted.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any

from torch.optim import Optimizer

_NAMES = {"mom": "momentum", "wd": "weight_decay"}
_BACK = {theirs: name for name, theirs in _NAMES.items()}
_KEPT = ("force_train", "do_wd")  # what fastai puts into the state before any update


class Mirror(Optimizer):
    """Stands for an optimizer of fastai where a clock needs one of PyTorch.

    Args:
        theirs: The optimizer of fastai.
    """

    def __init__(self, theirs: Any) -> None:
        self._theirs = weakref.ref(theirs)  # which keeps the mirror
        groups = [
            {"params": list(parameters), **_renamed(hyper, _NAMES)}
            for parameters, hyper in zip(theirs.param_lists, theirs.hypers, strict=True)
        ]
        super().__init__(groups, {"lr": groups[0]["lr"]})
        self._taken = theirs.hypers
        self.state.update(self._states())

    @property
    def theirs(self) -> Any:
        """The optimizer of fastai that it stands for."""
        return self._theirs()

    def step(self, closure: Any = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Count an update; the weights are changed by the optimizer that this one stands for."""

    def pull(self) -> None:
        """Take over what fastai, or a callback, has put into the hyper-parameters."""
        hypers = self.theirs.hypers
        if hypers is not self._taken:  # a state was loaded
            self._load(hypers)
            return
        for group, hyper in zip(self.param_groups, hypers, strict=True):
            group.update(_renamed(hyper, _NAMES))

    def push(self) -> None:
        """Put into the hyper-parameters what the groups hold, and nothing that they do not."""
        for group, hyper in zip(self.param_groups, self._taken, strict=True):
            values = _renamed(group, _BACK)
            del values["params"]
            for name in [*hyper]:
                if name not in values:
                    del hyper[name]
            hyper.update(values)

    def _load(self, hypers: Any) -> None:
        """Load as an optimizer of PyTorch does, so that its hooks see what the state carries."""
        self._taken = hypers
        places = iter(range(sum(len(group["params"]) for group in self.param_groups)))
        groups = [
            {**_renamed(hyper, _NAMES), "params": [next(places) for _ in group["params"]]}
            for group, hyper in zip(self.param_groups, hypers, strict=True)
        ]
        weights = [weight for group in self.param_groups for weight in group["params"]]
        order = {id(weight): place for place, weight in enumerate(weights)}
        states = {order[id(weight)]: state for weight, state in self._states().items()}
        self.load_state_dict({"state": states, "param_groups": groups})

    def _states(self) -> dict[Any, dict[str, Any]]:
        """Return what tells whether an update was made."""
        own = {id(weight) for parameters in self.theirs.param_lists for weight in parameters}
        found: dict[Any, dict[str, Any]] = {}
        for weight, state in self.theirs.state.items():
            moments = {key: value for key, value in state.items() if key not in _KEPT}
            if id(weight) in own and moments:
                found[weight] = moments
        return found


def _renamed(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names.get(key, key): value for key, value in values.items()}
