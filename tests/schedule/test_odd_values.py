"""Odd values of every kind, for every argument: taken and read back, or refused in one error."""

from __future__ import annotations

import collections
import copy
import inspect
import pickle
import random
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import ratewise as rw
from ratewise.schedule.base import Schedule
from tests.mutations import CASES, tensors
from tests.schedule.test_strict import SHAPES, usual


class Text(str):
    pass


class Whole(int):
    pass


class Raises:
    """Raises whatever it is asked for."""

    def _raise(self, *_: Any) -> Any:
        raise RuntimeError("no")

    __float__ = __index__ = __len__ = __iter__ = __eq__ = __bool__ = __repr__ = _raise
    __hash__ = object.__hash__


def without_end() -> Any:
    while True:
        yield 1


def odd_values() -> list[Any]:
    """Made anew each time: some can be gone through once."""
    floats = [0.0, -0.0, 0.5, 1.0, 5e-324, 1e-320, 1e308, 1.7976931348623157e308]
    ints = [-1, 0, 1, 5, 2**31, 2**53 + 1, 2**62 - 1, 2**62, 2**62 + 1, 2**63, 10**400, 10**5000]
    texts = ["", " ", "5", "5%", "101%", "1e999999999 epochs", "1e-999999999 epochs", "1e99%"]
    texts += ["9" * 5000, "9" * 5000 + "%", "0." + "0" * 5000 + "1%", "0." + "0" * 190 + "1e-99%"]
    texts += ["١%", "1_0 epochs", "5 \xa0epochs", "linear", "min", "\x1b[31m", "\ud800", "\r\n"]
    several = [(), (1, 2), ((0, 1), (5, 0.5)), [3, 4], {}, {0: 1}, {"a": rw.Hold()}, {"lr": 1}]
    several += [{10**5000: 1}, {"\ud800": rw.Hold()}, {1: 2}, {None: 1}, {"type": "Cosine"}, {1}]
    several += [range(10**12), without_end(), collections.deque([1, 2]), iter([1, 2])]
    numbers = [Decimal("0.5"), Decimal("1e999999999"), Decimal("sNaN"), Fraction(10**5000, 3)]
    numbers += [Fraction(1, 3), 1j, True, None, float("nan"), float("inf"), Whole(5)]
    arrays = [np.float64(0.5), np.float32(0.5), np.int8(5), np.uint64(2**63), np.bool_(True)]
    arrays += [np.str_("5%"), np.array(0.5), np.array([1, 2]), np.array(None), np.complex64(1)]
    others = [
        b"5%",
        Text("5%"),
        Text("linear"),
        Raises(),
        ...,
        object(),
        int,
        np.datetime64("NaT", "s"),
    ]
    ours = [rw.Hold(3), rw.Linear(to=0, over=5), rw.Plateau("a"), rw.Plan(lr=rw.Hold()), rw.Cosine]
    ours += [(rw.Hold(over=2), rw.Cosine())]
    return [
        *(*floats, *ints, *texts, *several, *numbers, *arrays, *others, *ours, *tensors())
    ]  # fmt: skip


COUNT = len(odd_values())
COMPOSED: dict[str, dict[str, Any]] = {
    "Scale": {"schedule": rw.Cosine(), "factor": 0.5},
    "Clip": {"schedule": rw.Cosine(), "low": 0.1},
    "Between": {"schedule": rw.Cosine()},
    "Until": {"schedule": rw.Cosine(), "over": 5},
    "Sequence": {"moves": (rw.Hold(over=2),)},
    "Product": {"factors": (rw.Hold(),)},
}
OURS = {name: kind for name, kind in Schedule.kinds.items() if kind.__module__[:9] == "ratewise."}
MAKERS: dict[str, Callable[..., Any]] = {**OURS, **SHAPES}


def or_refused(call: Callable[[], Any]) -> Any:
    """What a call returns, or None if it is refused; nothing else may come of it."""
    try:
        return call()
    except rw.ScheduleError as error:
        message = str(error)
        assert len(message) < 1500
        assert message.isprintable()
        assert "".join(message).encode()
        return None


def comes_back(made: Any) -> None:
    """Its text is read back, and its JSON, if it can be written."""
    text = repr(made)
    again = rw.parse(text)
    assert again == made
    assert repr(again) == text
    assert hash(again) == hash(made)
    assert copy.deepcopy(made) == pickle.loads(pickle.dumps(made)) == made
    if (written := or_refused(made.to_json)) is not None:
        assert rw.from_json(written.encode()) == made
        assert repr(rw.from_json(written)) == text


@pytest.mark.filterwarnings("ignore")  # what NumPy says of complex and masked numbers
@pytest.mark.parametrize("name", MAKERS)
def test_an_argument_is_taken_and_read_back_or_refused(name: str) -> None:
    """Some of all odd values for each argument of each maker; all of them, if it is asked for."""
    make = MAKERS[name]
    for parameter in inspect.signature(make).parameters:
        rng = random.Random(f"{name} {parameter}")
        for i in range(COUNT) if CASES else rng.sample(range(COUNT), 16):
            given = {**(COMPOSED[name] if name in COMPOSED else usual(name))}
            given[parameter] = odd_values()[i]
            made = or_refused(lambda given=given: make(**given))
            if made is None or name == "Function":
                continue
            comes_back(made)
            settled = or_refused(lambda made=made: made.resolve(20, epoch=10, samples=4, tokens=8))
            if isinstance(settled, Schedule) and not settled.listens:
                levels = or_refused(lambda settled=settled: settled.values(20))
                if levels is not None:
                    assert np.isfinite(levels).all()
                    assert (levels >= 0).all()


PLATEAU = rw.Plateau("loss", patience=0)
MACHINE = PLATEAU.machine()
STATE = MACHINE.observe(MACHINE.init(), 3, {"loss": 1.0})
HALF = rw.Warmup(5) >> rw.Cosine(to=0)
VERBS: dict[str, Callable[[Any], Any]] = {
    "resolve(epoch=…)": lambda odd: HALF.resolve(20, epoch=odd),
    "resolve(tokens=…)": lambda odd: rw.Plan(lr=HALF).resolve(20, tokens=odd),
    "resolve(…)": lambda odd: HALF.resolve(odd),
    "schedule(…)": lambda odd: HALF.resolve(20)(odd),
    "until": lambda odd: HALF.until(odd),
    "cool": lambda odd: HALF.cool(9, 1, odd),
    "… >> odd": lambda odd: HALF >> odd,
    "odd >> …": lambda odd: odd >> HALF,
    "simulate": lambda odd: PLATEAU.simulate(odd),
    "simulate a metric": lambda odd: PLATEAU.simulate([(0, {"loss": odd})]),
    "simulate an update": lambda odd: PLATEAU.simulate([(odd, {"loss": 1.0})]),
    "replay": lambda odd: PLATEAU.replay({"": odd}),
    "observe at": lambda odd: MACHINE.observe(STATE, odd, {"loss": 1.0}),
    "observe": lambda odd: MACHINE.observe(STATE, 9, odd),
    "rates": lambda odd: rw.Plan(lr=HALF, peak={"lr": 1}).rates(20, key=odd),
    "rates of a group": lambda odd: rw.Plan(lr=HALF, peak={"lr": 1}).rates(20, group=odd),
    "parse": rw.parse,
    "from_json": rw.from_json,
    "from_dict": rw.from_dict,
    "a form's number": lambda odd: rw.from_dict({"type": "Cosine", "to": odd}),
    "a form's type": lambda odd: rw.from_dict({"type": odd}),
    "a form's version": lambda odd: rw.from_dict({"type": "Hold", "ratewise": odd}),
    "a form's schedules": lambda odd: rw.from_dict({"type": "Sequence", "moves": odd}),
    "a form's notes": lambda odd: rw.from_dict(
        {"type": "Plan", "lr": {"type": "Hold"}, "notes": [odd]}
    ),
    "a function's level": lambda odd: rw.Function(lambda t: odd, over=3).values(3),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", VERBS)
def test_a_verb_answers_or_refuses(name: str) -> None:
    """Every odd value, in one place of each verb."""
    for odd in odd_values():
        or_refused(lambda odd=odd: VERBS[name](odd))


@pytest.mark.parametrize(
    "multiply",
    [
        lambda s: s * "x",
        lambda s: None * s,
        lambda s: s * True,
        lambda s: s * np.ones(2),
        lambda s: np.ones(2) * s,
        lambda s: s + 1,
    ],
)
def test_what_is_no_number_is_not_multiplied(multiply: Any) -> None:
    """As with Python's own numbers; an array does not become one of schedules."""
    with pytest.raises(TypeError):
        multiply(rw.Cosine())


def test_any_real_number_scales() -> None:
    """NumPy's and those of the standard library, from either side."""
    for half in (0.5, Fraction(1, 2), Decimal("0.5"), np.float32(0.5), np.float64(0.5)):
        assert rw.Cosine() * half == half * rw.Cosine() == rw.Cosine() * 0.5
