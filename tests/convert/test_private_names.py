"""What readers know of frameworks by names that are not public, and the versions they were seen in.

None of these has a public name that tells the same. Where a framework gives one up, the test of
the name says so before a reader fails on it.
"""

from __future__ import annotations

import importlib
import inspect
from types import FunctionType
from typing import Any

import pytest

TORCH = "PyTorch 2.13"
IGNITE = "Ignite 0.5"
FVCORE = "fvcore 0.1.5"
OPTAX = "Optax 0.2.6 to 0.2.8"
TRANSFORMERS = "Transformers 4.57 to 5.23"


@pytest.fixture
def optimizer() -> Any:
    torch = pytest.importorskip("torch")
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.9)


def test_compositions_of_pytorch_keep_their_parts(optimizer: Any) -> None:
    """The parts, the milestones and the first step of a constructor are where they were."""
    lrs = importlib.import_module("torch.optim.lr_scheduler")
    parts = [lrs.ConstantLR(optimizer), lrs.ExponentialLR(optimizer, 0.9)]
    sequence = lrs.SequentialLR(optimizer, parts, milestones=[2])
    chain = lrs.ChainedScheduler(parts)
    assert vars(sequence)["_schedulers"] == parts, TORCH
    assert list(vars(chain)["_schedulers"]) == parts, TORCH
    assert list(vars(sequence)["_milestones"]) == [2], TORCH
    assert callable(getattr(parts[0], "_initial_step", None)), TORCH


def test_one_cycle_of_pytorch_tells_its_phases(optimizer: Any) -> None:
    """The phases and the way between them are in the state that is public."""
    lrs = importlib.import_module("torch.optim.lr_scheduler")
    state = lrs.OneCycleLR(optimizer, 0.1, total_steps=10).state_dict()
    assert {"_schedule_phases", "_anneal_func_type"} <= state.keys(), TORCH


def test_parameter_schedulers_of_ignite_count(optimizer: Any) -> None:
    """What is counted besides events can be put back to its beginning."""
    ignite = pytest.importorskip("ignite.handlers.param_scheduler")
    linear = ignite.PiecewiseLinear(optimizer, "lr", [(0, 1.0), (5, 0.0)])
    other = ignite.LinearCyclicalScheduler(optimizer, "lr", 0.0, 1.0, 4)
    both = ignite.ConcatScheduler([linear, other], durations=[5])
    assert vars(linear)["_index"] == 0, IGNITE
    assert vars(both)["_scheduler_index"] == 0, IGNITE
    assert callable(getattr(both, "_setup_scheduler", None)), IGNITE


def test_parameter_schedulers_of_fvcore_keep_their_values() -> None:
    """The values that a scheduler is made of have the names that they are read by."""
    fvcore = pytest.importorskip("fvcore.common.param_scheduler")
    kept = {
        fvcore.ConstantParamScheduler(0.1): {"_value"},
        fvcore.LinearParamScheduler(0.1, 0.0): {"_start_value", "_end_value"},
        fvcore.ExponentialParamScheduler(0.1, 0.5): {"_start_value", "_decay"},
        fvcore.PolynomialDecayParamScheduler(0.1, 2): {"_base_value", "_power"},
    }
    for scheduler, names in kept.items():
        assert names <= vars(scheduler).keys(), FVCORE
    parts = [fvcore.ConstantParamScheduler(0.1), fvcore.LinearParamScheduler(0.1, 0.0)]
    whole = fvcore.CompositeParamScheduler(parts, [0.5, 0.5], ["fixed", "rescaled"])
    assert {"_schedulers", "_lengths", "_interval_scaling"} <= vars(whole).keys(), FVCORE


def test_schedules_of_optax_are_closures_over_their_arguments() -> None:
    """A live schedule is a function whose cells have the names of its arguments."""
    optax = pytest.importorskip("optax")
    made = optax.cosine_decay_schedule(1e-3, 100)
    assert isinstance(made, FunctionType), OPTAX
    assert made.__qualname__ == "cosine_decay_schedule.<locals>.schedule", OPTAX
    assert {"init_value", "decay_steps", "alpha"} <= {*made.__code__.co_freevars}, OPTAX


def test_multipliers_of_transformers_are_known_by_their_names() -> None:
    """Each function that a scheduler is made of is in the module, under the name it is known by."""
    pytest.importorskip("torch")
    home = pytest.importorskip("transformers.optimization")
    found = {
        name
        for name, value in vars(home).items()
        if inspect.isfunction(value) and name.startswith("_get_") and name.endswith("_lambda")
    }
    wanted = {
        "_get_constant_schedule_with_warmup_lr_lambda",
        "_get_linear_schedule_with_warmup_lr_lambda",
        "_get_cosine_schedule_with_warmup_lr_lambda",
        "_get_inverse_sqrt_schedule_lr_lambda",
        "_get_wsd_scheduler_lambda",
    }
    assert wanted <= found, TRANSFORMERS
