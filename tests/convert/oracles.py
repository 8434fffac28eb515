"""Rows of the table of shapes, made live in their frameworks, with what the framework does."""

from __future__ import annotations

import ast
import importlib
import sys
import types
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ratewise.convert.table import RATE, TOTAL, Row


def live(row: Row) -> tuple[Any, Callable[[], np.ndarray], float]:
    """The object that a row speaks of, what gives its rates, and their relative precision."""
    return _MAKERS[row.framework](row.there)


def optimizer() -> Any:
    """A new optimizer at the rate of the table."""
    import torch

    return torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=RATE)


def _stepped(one: Any, scheduler: Any) -> np.ndarray:
    rates = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(TOTAL):
            rates.append(float(one.param_groups[0]["lr"]))
            one.step()
            scheduler.step()
    return np.array(rates)


def _torch(there: str) -> Any:
    from torch.optim import lr_scheduler, swa_utils

    def make() -> tuple[Any, Any]:
        one = optimizer()
        names = {**vars(lr_scheduler), "SWALR": swa_utils.SWALR, "o": one}
        return one, eval(there, names)  # the table is ours

    return make()[1], lambda: _stepped(*make()), 1e-12


def _transformers(there: str) -> Any:
    from transformers import TrainingArguments, get_scheduler

    keywords = eval(f"dict({there})")
    arguments = TrainingArguments(
        output_dir="none",
        learning_rate=RATE,
        max_steps=TOTAL,
        use_cpu=True,
        report_to=[],
        **keywords,
    )
    one = optimizer()
    scheduler = get_scheduler(
        arguments.lr_scheduler_type,
        one,
        num_warmup_steps=arguments.get_warmup_steps(TOTAL),
        num_training_steps=TOTAL,
        scheduler_specific_kwargs=keywords.get("lr_scheduler_kwargs", {}),
    )
    return arguments, lambda: _stepped(one, scheduler), 1e-12


def _keras(there: str) -> Any:
    from keras.optimizers import schedules

    schedule = eval(there, vars(schedules))

    def rates() -> np.ndarray:
        from keras import ops

        return ops.convert_to_numpy(ops.vectorized_map(schedule, ops.arange(TOTAL)))

    return schedule, rates, 2e-6


def _optax(there: str) -> Any:
    import optax

    schedule = eval(there, vars(optax))

    def rates() -> np.ndarray:
        import jax

        return np.asarray(jax.vmap(lambda t: schedule(t) * 1.0)(np.arange(TOTAL)))

    return schedule, rates, 2e-6


def _timm(there: str) -> Any:
    if "timm" not in sys.modules:  # its other parts want what is not there
        spec = importlib.util.find_spec("timm")
        package = types.ModuleType("timm")
        package.__spec__ = spec  # others ask whether it is there
        package.__path__ = list(spec.submodule_search_locations)
        sys.modules["timm"] = package
    scheduler = importlib.import_module("timm.scheduler")
    names = {**vars(scheduler), **vars(importlib.import_module("timm.scheduler.multistep_lr"))}

    def rates() -> np.ndarray:
        one, used = optimizer(), []
        made = eval(there, {**names, "o": one})
        for t in range(TOTAL):
            used.append(float(one.param_groups[0]["lr"]))
            made.step_update(t + 1)
        return np.array(used)

    return eval(there, {**names, "o": optimizer()}), rates, 1e-12


def _fvcore(there: str) -> Any:
    from fvcore.common import param_scheduler

    schedule = eval(there, vars(param_scheduler))
    return schedule, lambda: np.array([schedule(t / TOTAL) for t in range(TOTAL)]), 1e-12


def _ignite(there: str) -> Any:
    from ignite.handlers import param_scheduler

    def make(one: Any) -> Any:
        return eval(there, {**vars(param_scheduler), "o": one})

    def rates() -> np.ndarray:
        one, used = optimizer(), []
        scheduler = make(one)
        for _ in range(TOTAL):
            scheduler(None)
            used.append(float(one.param_groups[0]["lr"]))
        return np.array(used)

    return make(optimizer()), rates, 1e-12


_MAKERS = {
    "torch": _torch,
    "transformers": _transformers,
    "keras": _keras,
    "optax": _optax,
    "timm": _timm,
    "fvcore": _fvcore,
    "ignite": _ignite,
}


def config(row: Row) -> Any:
    """The config that a row speaks of."""
    return ast.literal_eval(row.there)
