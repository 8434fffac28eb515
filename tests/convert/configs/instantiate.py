"""What a config names, made with the real classes and stepped as its trainer steps them."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Mapping
from typing import Any

import torch


def node(name: str, style: str = "_target_", /, **given: Any) -> dict[str, Any]:
    """A class and its arguments as Hydra or Lightning writes them."""
    if style == "_target_":
        return {"_target_": name, "_partial_": True, **given}
    return {"class_path": name, "init_args": given}


def make(value: Mapping[str, Any], optimizer: Any) -> Any:
    """The scheduler that a node names."""
    style = "_target_" if "_target_" in value else "class_path"
    given = dict(value.get("init_args", {})) if style == "class_path" else dict(value)
    given = {key: each for key, each in given.items() if key not in ("_target_", "_partial_")}
    if "schedulers" in given:
        given["schedulers"] = [make(each, optimizer) for each in given["schedulers"]]
    module, _, name = value[style].rpartition(".")
    return getattr(importlib.import_module(module), name)(optimizer=optimizer, **given)


def optimizer(rate: float) -> torch.optim.Optimizer:
    """An optimizer with momentum."""
    return torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=rate, momentum=0.9)


def stepped(
    value: Mapping[str, Any], rate: float, n: int, *, every: int = 1, key: str = "lr"
) -> list[float]:
    """The values of a key at n updates, the scheduler stepped behind each one of `every`."""
    one = optimizer(rate)
    used: list[float] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scheduler = make(value, one)
        for t in range(n):
            used.append(float(one.param_groups[0][key]))
            one.step()
            if (t + 1) % every == 0 and t + 1 < n:
                scheduler.step()
    return used
