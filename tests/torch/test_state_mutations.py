"""A damaged state of a scheduler is refused whole, or it works: there is nothing between."""

from __future__ import annotations

import contextlib
import copy
import functools
import io
import math
import random
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import ratewise as rw
from ratewise.torch import Scheduler
from tests.mutations import check_told, mutated, seeds

POLICIES = (None, "checkpoint", "code", "rescale", "continue")
METRICS = [0.9, 0.9, 1.2, 0.5, 0.5, float("nan"), 0.4, 0.4, 0.4, 0.4]


def optimizer(kind: str) -> Any:
    parts = [{"params": [weight(n)], "name": name} for n, name in ((2, "body"), (3, "head"))]
    if kind == "tensor":
        for part in parts:
            part["lr"] = torch.tensor(0.1)
    if kind == "adam":
        return torch.optim.AdamW(parts, lr=0.1, weight_decay=0.01)
    return torch.optim.SGD(parts, lr=0.1, momentum=0.9, weight_decay=0.01)


def weight(size: int) -> torch.nn.Parameter:
    one = torch.nn.Parameter(torch.ones(size))
    one.grad = torch.full((size,), 1e-3)
    return one


SEVERAL = rw.Plan(
    lr=rw.Warmup(4) >> rw.Cosine(to=0.1),
    weight_decay=rw.Linear(to=0.5),
    keys={"betas[1]": rw.Hold(over=3) >> rw.Hold(0.9)},
    groups={"head": rw.Plan(lr=rw.Linear(to=0) * rw.Step(0.5, at=(3, 9)), peak={"lr": 0.2})},
    notes=("a note",),
)
HEARD = rw.Plan(
    lr=(rw.Warmup(2) >> rw.Plateau("loss", patience=1, smoothing=0.5, cooldown=1)).clip(0.01, 1)
    * rw.Divergence("loss", threshold=1.5, recover=1),
    groups={"head": rw.Greedy("loss", patience=1, smoothing=0.5) * 0.5},
)
RUNS: dict[str, tuple[str, Any, int | None]] = {
    "plain": ("sgd", rw.Warmup(4) >> rw.Cosine(to=0.1), 20),
    "several keys and groups": ("adam", SEVERAL, 20),
    "tensor rates": ("tensor", rw.Hold(over=3) >> rw.Sqrt(to=0), 20),
    "cycles": ("sgd", rw.Repeat(rw.Cosine(to=0.1), every=3, grow=2, shrink=0.5), 20),
    "no end": ("sgd", rw.Power(0.5, every=5), None),
    "heard": ("sgd", HEARD, 20),
    "its own length": ("sgd", rw.Warmup(2) >> rw.EarlyCool("loss", patience=0), None),
    "a function": ("sgd", rw.Function(lambda t: 0.9**t) * rw.Plateau("loss", patience=0), 20),
}


def begun(name: str, policy: str | None = None, updates: int = 8) -> tuple[Any, Scheduler]:
    """A run that has gone on for a while, and been shown its metrics."""
    kind, plan, total = RUNS[name]
    opt = optimizer(kind)
    scheduler = Scheduler(opt, plan, total=total, resume=policy)
    for t in range(updates):
        opt.step()
        scheduler.observe({"loss": METRICS[t % len(METRICS)], "other": 1.0})
    if name == "plain":
        scheduler.step()  # the values of the coming update are in place
    return opt, scheduler


STATES = {name: begun(name, updates=9)[1].state_dict() for name in RUNS}


def numbers(opt: Any) -> list[float]:
    """Everything that is scheduled, as the groups hold it."""
    values = [(g["lr"], g["weight_decay"], *g.get("betas", ())) for g in opt.param_groups]
    return [float(value) for row in values for value in row]


def went_on(opt: Any, scheduler: Scheduler, updates: int) -> list[list[float]]:
    used = []
    for _ in range(updates):
        opt.step()
        used.append(numbers(opt))
        scheduler.observe({"loss": 0.7})
    return used


def content(opt: Any, scheduler: Scheduler) -> str:
    """All that can be seen of both, as a text in which a NaN is a NaN."""
    seen = scheduler.state_dict(), opt.state_dict(), scheduler.get_last_lr(), scheduler.base_lrs
    return repr((*seen, scheduler.committed, scheduler.finished, numbers(opt)))


@functools.cache
def undamaged(name: str, policy: str | None) -> list[list[float]]:
    return went_on(*begun(name, policy), 3)


def tried(name: str, policy: str | None, state: Any) -> bool:
    """Load a state; return whether it was refused. What must hold in either case is asserted."""
    opt, scheduler = begun(name, policy)
    before = content(opt, scheduler)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            scheduler.load_state_dict(state)
    except rw.ScheduleError as error:
        assert content(opt, scheduler) == before
        check_told(error)
        assert went_on(opt, scheduler, 3) == undamaged(name, policy)
        return True
    for row in went_on(opt, scheduler, 5):
        assert all(math.isfinite(value) and value >= 0 for value in row)
    after = scheduler.state_dict()
    assert after["committed"] == scheduler.committed
    with contextlib.redirect_stdout(io.StringIO()):
        begun(name, "checkpoint" if name != "a function" else policy)[1].load_state_dict(after)
    return False


@pytest.mark.parametrize("name", RUNS)
def test_a_damaged_state_is_refused_whole_or_works(name: str) -> None:
    """A seeded corpus; a number of cases comes from the environment."""
    strangers = [state for other, state in STATES.items() if other != name]
    refused = 0
    for seed in seeds(400):
        rng = random.Random(f"{name} {seed}")
        state = mutated(rng, STATES[name], strangers)
        refused += tried(name, rng.choice(POLICIES), state)
    assert refused > len(seeds(400)) / 3


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.sampled_from(list(RUNS)), st.sampled_from(POLICIES), st.randoms(use_true_random=False))
def test_any_damage_is_refused_whole_or_works(name: str, policy: Any, rng: random.Random) -> None:
    """The same, of damage that is sought and not listed."""
    tried(name, policy, mutated(rng, STATES[name], list(STATES.values())))


def damaged(path: str, value: Any) -> dict[str, Any]:
    """The state of the plain run with another value at a place."""
    state = copy.deepcopy(STATES["plain"])
    inside: Any = state
    *way, last = path.split(".")
    for key in way:
        inside = inside[int(key) if key.isdigit() else key]
    inside[last] = value
    return state


WRONG = {
    "a peak below 0": ("groups.0.peak.lr", -1e-3, "'groups[0].peak.lr' holds -0.001, not a num"),
    "a last rate that is no number": ("groups.1.last.lr", math.nan, "not a number"),
    "a rate that no optimizer takes": ("groups.0.peak.lr", 1e300, "lr of group 'body' comes to"),
    "too many updates": ("committed", 2**63, "'committed' holds 9223372036854775808, not a whole"),
    "a place before the first": ("shift", -99, "'shift' holds"),
    "a bool for a count": ("committed", True, "'committed' holds True, not a whole number"),
    "a tensor": ("committed", torch.tensor(8), "'committed' holds tensor(8), not a whole number"),
    "a total of another run": ("total", 21, "'total' holds 21, not the schedule's 20"),
    "a key that is new": ("extra", 1, "'extra' is no part of such a state"),
    "a length in shares": ("schedule.lr.moves.0.over", "5%", "'schedule' cannot be read"),
    "a key for one value alone": ("groups.0.base.eps", 1e-8, "'groups[0].peak' has other keys"),
    "what listens, where nothing does": ("listening", {"lr": {}}, "'listening.lr' is no part"),
}


@pytest.mark.parametrize(("path", "value", "told"), WRONG.values(), ids=WRONG)
def test_an_error_names_the_place(path: str, value: Any, told: str) -> None:
    """And what was there, and what should be."""
    _, scheduler = begun("plain", "checkpoint")
    with pytest.raises(rw.ScheduleError) as caught:
        scheduler.load_state_dict(damaged(path, value))
    assert told in str(caught.value)


def test_what_the_code_schedules_beside_the_checkpoint_joins_it() -> None:
    """A key that the checkpoint has nothing of goes on from where the code has it."""
    opt = optimizer("sgd")
    plan = rw.Plan(lr=rw.Hold(), weight_decay=rw.Linear(to=0.5), momentum=rw.Hold(0.9))
    scheduler = Scheduler(opt, plan, total=20, resume="code")
    with contextlib.redirect_stdout(io.StringIO()):
        scheduler.load_state_dict(STATES["plain"])
    assert scheduler.committed == 9
    opt.step()
    assert numbers(opt)[:2] == [0.1, 0.01 * plan.resolve(20).weight_decay(9)]


def test_what_is_told_fits_the_console(monkeypatch: pytest.MonkeyPatch) -> None:
    """A group's name that a console cannot write does not stop a state that was taken up."""
    narrow = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    opt = optimizer("sgd")
    opt.param_groups[0]["name"] = "头\x1b"
    scheduler = Scheduler(opt, rw.Hold(), total=20)
    state = scheduler.state_dict()
    other = Scheduler(copy.deepcopy(opt), rw.Linear(to=0), total=20, resume="code")
    monkeypatch.setattr("sys.stdout", narrow)
    other.load_state_dict(state)
    narrow.flush()
    assert b"group '\\u5934\\x1b': lr" in narrow.buffer.getvalue()  # type: ignore[attr-defined]
