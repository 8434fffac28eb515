"""Schedulers that listen, on groups with rates, floors and names of their own.

Each is run as it is, on one optimizer, and as it is read, on a twin of it. Both are shown the
same metrics, and the rates that `optimizer.step` finds are compared: all groups, every update.
"""

from __future__ import annotations

import math
import random
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import ratewise as rw
from ratewise.convert import read
from tests.feedback.test_conventions import metrics

torch = pytest.importorskip("torch")
from torch.optim import lr_scheduler as lrs  # noqa: E402

from ratewise.torch import Scheduler  # noqa: E402

RATES = (1e-4, 1e-3, 3e-4, 0.0, 5e-2)
NAMES = (None, "body", "head", "1 norm")
RUNS, EVERY = 25, 2

Shown = Callable[[Any, int, float], None]


class Recording(torch.optim.SGD):
    """Keeps the rates that each update uses, in `used`."""

    used: list[list[float]]

    def step(self, closure: Any = None) -> Any:
        self.__dict__.setdefault("used", []).append([float(g["lr"]) for g in self.param_groups])
        return super().step(closure)


def optimizer_of(rates: Any, names: Any = ()) -> Any:
    """An optimizer whose groups have these rates, and these names."""
    groups = [{"params": [torch.nn.Parameter(torch.ones(1))], "lr": rate} for rate in rates]
    for group, name in zip(groups, names, strict=False):
        group.update({} if name is None else {"name": name})
    return Recording(groups)


def some_groups(rng: random.Random) -> tuple[list[float], list[str | None]]:
    """Rates that are not all 0, and names of which no two are the same."""
    rates = [rng.choice(RATES) for _ in range(rng.randint(1, 4))]
    rates[rng.randrange(len(rates))] = rng.choice([1e-4, 1e-3])
    names = rng.sample(NAMES, len(rates)) if rng.random() < 0.4 else [None] * len(rates)
    return rates, list(names)


def some_metrics(rng: random.Random) -> list[float]:
    """A noisy curve, now and then with what a broken run gives."""
    values = metrics(rng)
    if rng.random() < 0.3:
        values[rng.randrange(len(values))] = rng.choice([math.inf, -math.inf, math.nan])
    if rng.random() < 0.2:
        values[0] = rng.choice([math.inf, -math.inf, math.nan])
    return values


def agree(
    make: Callable[[Any], Any], show: Shown, groups: Any, values: list[float], epoch: bool = False
) -> tuple[rw.Plan, int]:
    """Require that what is read runs as what it is read from; return it, and how often it moves."""
    first, second = optimizer_of(*groups), optimizer_of(*groups)
    native = make(first)
    plan = read(make(second), metric="loss")
    scheduler = Scheduler(second, plan, epoch=EVERY if epoch else None)
    for i, value in enumerate(values[:18]):
        for _ in range(EVERY):
            first.step()
            second.step()
        show(native, i, value)
        scheduler.observe(loss=value)
    np.testing.assert_allclose(second.used, first.used, rtol=1e-12)
    assert rw.parse(repr(plan)) == plan
    assert rw.from_json(plan.to_json()) == plan
    return plan, sum(a != b for a, b in zip(first.used, first.used[1:], strict=False))


def step(native: Any, i: int, value: float) -> None:
    native.step(value)


def torch_settings(rng: random.Random, rates: list[float]) -> dict[str, Any]:
    floors = [rng.choice([0.0, 2e-5, 5e-4, rate / 2]) for rate in rates]
    return {
        "mode": rng.choice(["min", "max"]),
        "factor": rng.choice([0.1, 0.5, 0.9]),
        "patience": rng.randint(0, 3),
        "cooldown": rng.randint(0, 2),
        "threshold": rng.choice([0.0, 1e-4, 0.1, 1.5]),
        "threshold_mode": rng.choice(["rel", "abs"]),
        "min_lr": floors if rng.random() < 0.5 else rng.choice([0.0, 1e-5, 2e-4]),
        "eps": rng.choice([0.0, 1e-8, 1e-5]),
    }


def test_the_plateau_of_torch_by_group() -> None:
    """Each group keeps its rate, its floor and what is too small a change for it."""
    rng = random.Random(11)
    moved = 0
    for _ in range(RUNS):
        groups = some_groups(rng)
        how = torch_settings(rng, groups[0])
        make = partial(lrs.ReduceLROnPlateau, **how)
        moved += agree(make, step, groups, some_metrics(rng))[1]
    assert moved > RUNS


def test_floors_of_groups_are_levels_of_their_own() -> None:
    """What is given as a list is read as one would write it."""
    optimizer = optimizer_of([1.0, 1.0], ["body", "head"])
    plan = read(lrs.ReduceLROnPlateau(optimizer, min_lr=[0.4, 0.3], eps=0.0))
    move = rw.Plateau("val_loss", floor=0.4, counting="torch")
    assert plan.lr == move
    assert plan.groups["head"].lr == rw.Plateau("val_loss", floor=0.3, counting="torch")


def greedy_settings(rng: random.Random, rates: list[float]) -> dict[str, Any]:
    lows = [rng.choice([1e-5, rate, rate / 4]) for rate in rates]
    highs = [rng.choice([1.0, rate, rate * 3]) for rate in rates]
    return {
        "mode": rng.choice(["min", "max"]),
        "factor": rng.choice([0.1, 0.5, 0.95]),
        "patience": rng.randint(0, 2),
        "cooldown": rng.randint(0, 2),
        "warmup": rng.randint(0, 2),
        "threshold": rng.choice([0.0, 1e-6, 0.1]),
        "threshold_mode": rng.choice(["rel", "abs"]),
        "min_lr": lows if rng.random() < 0.5 else rng.choice([1e-5, 1e-3]),
        "max_lr": highs if rng.random() < 0.5 else rng.choice([1e-3, 1.0, math.inf]),
        "eps": rng.choice([0.0, 1e-8, 1e-5]),
        "reset_start": rng.choice([0, 1, 2, 3, 500]),
    }


def test_greedy_of_transformers_by_group() -> None:
    """Groups have rates and bounds of their own, and start afresh together, when all are lowest."""
    greedy = pytest.importorskip("transformers.optimization").GreedyLR
    rng = random.Random(12)
    moved = 0
    for _ in range(RUNS):
        groups = some_groups(rng)
        how = greedy_settings(rng, groups[0])
        moved += agree(partial(greedy, **how), step, groups, some_metrics(rng))[1]
    assert moved > RUNS


def test_a_greedy_group_at_its_floor_waits_for_the_others() -> None:
    """Two groups reach their floors at different times; the first does not start afresh alone."""
    greedy = pytest.importorskip("transformers.optimization").GreedyLR
    how = {"patience": 0, "factor": 0.5, "min_lr": [5e-4, 1e-5], "reset_start": 2}
    groups = ([1e-3, 1e-3], [None, None])
    plan, _ = agree(lambda o: greedy(o, **how), step, groups, [1.0] * 30)
    assert list(plan.groups) == ["1"]


def timm_plateau(optimizer: Any, **how: Any) -> Any:
    from tests.convert.test_read_timm import timm

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return timm.PlateauLRScheduler(optimizer, **how)


def at_the_end_of_an_epoch(native: Any, i: int, value: float) -> None:
    native.step(i + 1, value)


def test_the_plateau_of_timm_by_group() -> None:
    """Its warm-up climbs by the epoch, from a rate to the base of each group; then it listens."""
    rng = random.Random(13)
    moved = 0
    for _ in range(RUNS):
        groups, warm = some_groups(rng), rng.randint(0, 3)
        rates = [rate or 2e-4 for rate in groups[0]] if warm else groups[0]
        how = {
            "decay_rate": rng.choice([0.1, 0.5]),
            "patience_t": rng.randint(0, 3),
            "threshold": rng.choice([0.0, 1e-4, 0.1]),
            "cooldown_t": rng.randint(0, 2),
            "warmup_t": warm,
            "warmup_lr_init": rng.choice([0.0, 1e-5, 2e-3]),
            "lr_min": rng.choice([0.0, 2e-5, 2e-4]),
            "mode": rng.choice(["min", "max"]),
        }
        make = partial(timm_plateau, **how)
        values = some_metrics(rng)
        moved += agree(make, at_the_end_of_an_epoch, (rates, groups[1]), values, epoch=True)[1]
    assert moved > RUNS


def test_timm_scales_groups_by_their_layers() -> None:
    """`lr_scale` multiplies base and warm-up, and not the floor, which is for all groups."""

    def make(optimizer: Any) -> Any:
        for group, scale in zip(optimizer.param_groups, (1.0, 0.25), strict=True):
            group["lr_scale"] = scale
        return timm_plateau(optimizer, patience_t=1, warmup_t=2, lr_min=1e-5, decay_rate=0.5)

    agree(make, at_the_end_of_an_epoch, ([1e-3, 1e-3], ["a", "b"]), [1.0] * 20, epoch=True)


@pytest.mark.parametrize("known", [False, True])
def test_the_epochs_of_timm_need_not_be_known(known: bool) -> None:
    """Without the updates of an epoch, lengths are told in epochs; a short run cuts them."""
    source = timm_plateau(optimizer_of([1e-3]), warmup_t=2)
    plan = read(source, metric="loss", epoch=5 if known else None)
    assert plan.lr is not None
    level = plan.lr.resolve(total=100, epoch=5).machine()
    assert [level.level(level.init(), t) for t in (0, 4, 5, 9, 10)] == [0.0, 0.0, 0.5, 0.5, 1.0]
    short = read(timm_plateau(optimizer_of([1e-3]), warmup_t=2), epoch=5, total=7)
    assert short.rates(7).tolist() == [0.0] * 5 + [5e-4] * 2


def ignite_plateau(optimizer: Any, **how: Any) -> Any:
    handlers = pytest.importorskip("ignite.handlers.param_scheduler")
    return handlers.ReduceLROnPlateauScheduler(optimizer, "loss", **how)


def test_the_plateau_of_ignite_by_group() -> None:
    """It lowers all groups, or one; then it looks for the floor where that of group 0 is."""
    engine = pytest.importorskip("ignite.engine").Engine(lambda *_: None)
    rng = random.Random(14)
    moved = 0

    def show(native: Any, i: int, value: float) -> None:
        engine.state.metrics["loss"] = value
        native(engine)

    for _ in range(RUNS):
        groups = some_groups(rng)
        how = torch_settings(rng, groups[0])
        index = rng.choice([None, *range(len(groups[0]))])
        how["min_lr"], how["param_group_index"] = rng.choice([2e-5, 2e-4]), index
        if index is not None and not groups[0][index]:
            continue
        make = partial(ignite_plateau, **how)
        moved += agree(make, show, groups, some_metrics(rng))[1]
    assert moved > RUNS / 2


def test_ignite_tells_its_metric_and_its_lost_floor() -> None:
    """The metric needs no telling; a floor that has no effect is noted."""
    optimizer = optimizer_of([1e-3, 1e-3])
    plan = read(ignite_plateau(optimizer, param_group_index=1, min_lr=1e-4))
    assert plan.groups["1"].lr.metric == "loss"
    assert plan.groups["1"].lr.floor == 0.0
    assert "takes min_lr of group 0" in " ".join(plan.notes)


def load(native: Any, used: Any) -> None:
    native.load_state_dict(used.state_dict())


USED = {
    "torch": (lrs.ReduceLROnPlateau, step, True),
    "timm": (timm_plateau, lambda s, i, v: s.step(i + 1, v), False),
    "ignite": (ignite_plateau, lambda s, i, v: s.scheduler.step(v), True),
}


@pytest.mark.parametrize("name", USED)
def test_a_plateau_in_use_is_refused(name: str) -> None:
    """After one metric, good or not a number, and after the state of such a one was loaded."""
    make, show, loads = USED[name]
    for value in (1.0, math.nan):
        used = make(optimizer_of([1e-3]))
        show(used, 0, value)
        with pytest.raises(rw.ScheduleError, match="before it is used"):
            read(used)
        if loads:
            fresh = make(optimizer_of([1e-3]))
            load(fresh, used)
            with pytest.raises(rw.ScheduleError, match="before it is used"):
                read(fresh)


def test_a_greedy_in_use_is_refused() -> None:
    """Also where nothing was lowered yet, or only a rate was changed behind its back."""
    greedy = pytest.importorskip("transformers.optimization").GreedyLR
    used, fresh, changed = (greedy(optimizer_of([1e-3])) for _ in range(3))
    used.step(1.0)
    load(fresh, used)
    changed.optimizer.param_groups[0]["lr"] = 5e-4
    for source in (used, fresh, changed):
        with pytest.raises(rw.ScheduleError, match="read it before"):
            read(source)


def test_a_warm_up_of_timm_in_use_is_refused() -> None:
    """Its plateau has been shown nothing yet, but the rates have moved."""
    source = timm_plateau(optimizer_of([1e-3]), warmup_t=5)
    source.step(2, 1.0)
    with pytest.raises(rw.ScheduleError, match="was stepped before"):
        read(source)
    with pytest.raises(rw.ScheduleError, match="noise"):
        read(timm_plateau(optimizer_of([1e-3]), noise_range_t=(3, 5)))


def test_what_only_looks_like_the_plateau_is_refused() -> None:
    """One with methods of its own; one whose optimizer another scheduler moves; late groups."""

    class Own(lrs.ReduceLROnPlateau):
        def _reduce_lr(self, epoch: int) -> None:
            """Never."""

    with pytest.raises(rw.ScheduleError, match="methods of its own"):
        read(Own(optimizer_of([1e-3])))
    with pytest.raises(rw.ScheduleError, match="methods of its own"):
        read(ignite_plateau(optimizer_of([1e-3])).scheduler)
    both = optimizer_of([1e-3])
    lrs.LinearLR(both, 0.1)
    with pytest.raises(rw.ScheduleError, match="another scheduler has moved"):
        read(lrs.ReduceLROnPlateau(both))
    late = optimizer_of([1e-3])
    source = lrs.ReduceLROnPlateau(late, min_lr=[1e-4])
    late.add_param_group({"params": [torch.nn.Parameter(torch.ones(1))], "lr": 1e-2})
    with pytest.raises(rw.ScheduleError, match="for 2 groups"):
        read(source)
    source = lrs.ReduceLROnPlateau(optimizer_of([1e-3]), min_lr=1e-4)
    source.optimizer.add_param_group({"params": [torch.nn.Parameter(torch.ones(1))], "lr": 1e-2})
    assert read(source).groups["1"].lr.floor == 0.01


@pytest.mark.parametrize("kind", ["reduce_lr_on_plateau", "greedy"])
@pytest.mark.parametrize("value", [[1e-5, 1e-4], "a little", None, True])
def test_floors_in_a_config_are_numbers(kind: str, value: Any) -> None:
    """YAML's 1e-5, which is a text, is one; lists and the like are refused in our grammar."""
    config = {"learning_rate": 1e-3, "lr_scheduler_type": kind}
    with pytest.raises(rw.ScheduleError, match="min_lr"):
        read({**config, "lr_scheduler_kwargs": {"min_lr": value}}, total=10)
    plan = read({**config, "lr_scheduler_kwargs": {"min_lr": "1e-5"}}, total=10)
    assert plan.lr is not None
    assert getattr(plan.lr, "low" if kind == "greedy" else "floor") == 0.01
