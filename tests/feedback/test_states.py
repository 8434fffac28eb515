"""What a schedule that listens remembers: read back whole from any place, or refused whole."""

from __future__ import annotations

import copy
import json
import math
import random
from typing import Any

import pytest
from hypothesis import given, settings

import ratewise as rw
from ratewise.adapters.feedback import FeedbackStore, Listener
from ratewise.schedule import Feedback
from ratewise.schedule.schema import read_state
from tests.feedback import strategies
from tests.mutations import mutated, seeds

LISTENING: dict[str, Any] = {
    "plateau": rw.Warmup(3) >> rw.Plateau("loss", patience=1, smoothing=0.5, cooldown=2),
    "product": (rw.Cosine(to=0.1) * rw.Divergence("loss", threshold=1.2, recover=1)).clip(0.01),
    "greedy": rw.Greedy("loss", patience=0, warmup=1, cooldown=1, reset=3).between(0.1, 2),
    "its own length": rw.Warmup(2) >> rw.EarlyCool("loss", patience=1, decay=9),
    "two": rw.Plateau("loss", patience=0, over=9) >> rw.Greedy("other", patience=0, high=3),
    "rates": rw.Greedy("loss", patience=0, rates=((1e-3, 1e-5, 1.0), (1e-2, 1e-4, 1.0))),
}
SHOWN = [1.0, 0.9, 1.3, 1.2, math.nan, 0.7, 0.9, 0.9, 0.9, 0.2, math.inf, 0.1]


def store(name: str) -> FeedbackStore:
    """A store that has been shown some metrics, as every adapter has one."""
    found = FeedbackStore({"lr": Listener(LISTENING[name].resolve(40).machine())})
    for t, value in enumerate(SHOWN):
        found.observe(2 * t, {"loss": value, "other": -value})
    return found


STATES = {name: store(name).states() for name in LISTENING}


@settings(max_examples=50, derandomize=True, deadline=None)
@given(strategies.schedules(), strategies.evaluations())
def test_every_real_state_is_read_back_as_it_is(schedule: rw.Schedule, shown: Any) -> None:
    """Whatever was shown, and through JSON as well."""
    machine = schedule.machine()
    state = machine.init()
    for t, metrics in shown:
        state = machine.observe(state, t, metrics)
        again = json.loads(json.dumps(state))
        for one in (state, again):
            assert text(read_state("load", machine.read_state, one, "")) == text(state)


def text(state: Any) -> str:
    """A state in which a NaN equals a NaN, and -0.0 is 0.0."""
    return repr(state).replace("-0.0", "0.0")


def tried(name: str, states: Any) -> bool:
    """Restore states; return whether they were refused, and assert what holds in either case."""
    here = store(name)
    before = copy.deepcopy(here.states())
    try:
        here.restore("load", states)
    except rw.ScheduleError:
        assert repr(here.states()) == repr(before)
        return True
    one = here.listeners["lr"]
    for t in range(30, 35):
        here.observe(t, {"loss": 0.3, "other": 0.2})
        levels = [*one.values(5, t), *one.ahead(5, t), one.machine.level(one.state, 0)]
        assert all(math.isfinite(level) and level >= 0 for level in levels)
        assert here.stops(t) in (True, False)
    one.replayed().resolve().values(40)
    json.dumps(here.states())
    store(name).restore("load", here.states())
    return False


@pytest.mark.parametrize("name", LISTENING)
def test_a_damaged_state_is_refused_whole_or_works(name: str) -> None:
    """A seeded corpus; a number of cases comes from the environment."""
    strangers = [state for other, state in STATES.items() if other != name]
    refused = 0
    for seed in seeds(300):
        rng = random.Random(f"{name} {seed}")
        refused += tried(name, mutated(rng, STATES[name], strangers))
    assert refused > len(seeds(300)) / 3


@pytest.mark.parametrize("name", LISTENING)
def test_a_damaged_record_is_not_replayed(name: str) -> None:
    """What `replay` is given comes out of a file as often: its parts are read the same way."""
    schedule, record = LISTENING[name].resolve(40), STATES[name]["lr"]["moves"]
    for seed in seeds(30):
        damaged = mutated(random.Random(f"record {name} {seed}"), record, [])
        try:
            levels = schedule.replay(damaged).resolve().values(40)
        except rw.ScheduleError:
            continue
        assert all(math.isfinite(level) and level >= 0 for level in levels)


def test_states_of_before_are_read() -> None:
    """Those of `Greedy` had no rates of their own."""
    old = copy.deepcopy(STATES["greedy"])
    (moves,) = old["lr"]["moves"].values()
    del moves["rates"]
    assert not tried("greedy", old)


def test_a_kind_of_ones_own_remembers_what_it_likes() -> None:
    """Without a word about it: primitives, under any name; what is said of it, holds."""

    class Free(Feedback):
        metric = "loss"
        start = over = None

        def init(self) -> Any:
            return {**super().init(), "mine": [1, {"a": None}]}

        def observe(self, state: Any, t: int, value: float, start: float = 1.0) -> Any:
            return {**state, "last": t, "more": "text"}

    move = Free.__new__(Free)
    state = move.observe(move.init(), 3, 1.0)
    assert move.read_state(state, "") == state
    for wrong in ({**state, "mine": object()}, {**state, "last": -1}, {"mine": 1}):
        with pytest.raises(rw.ScheduleError):
            read_state("load", move.read_state, wrong, "")
    del rw.Schedule.kinds["Free"]
