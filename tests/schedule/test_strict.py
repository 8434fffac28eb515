"""Whatever is called in a way that does not fit, or with something that makes no sense, is answered
by one error: who, which rule, what was given, what to write."""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import ratewise as rw
from ratewise import schedule
from ratewise.schedule.strict import strict

PUBLIC = {
    name: getattr(schedule, name)
    for name in schedule.__all__
    if name not in ("Feedback", "Machine", "Move", "Schedule", "ScheduleError", "Simulation")
}
SHAPES = {name: make for name, make in PUBLIC.items() if not name.startswith(("from_", "parse"))}
COSINE = rw.Warmup(5) >> rw.Cosine(to=0)
VERBS: dict[str, Callable[..., Any]] = {
    "resolve": COSINE.resolve,
    "values": COSINE.resolve(20).values,
    "clip": COSINE.clip,
    "between": COSINE.between,
    "until": COSINE.until,
    "cool": COSINE.cool,
    "simulate": rw.Plateau().simulate,
    "replay": rw.Plateau().replay,
    "Plan.resolve": rw.Plan(lr=COSINE).resolve,
    "Plan.rates": rw.Plan(lr=COSINE, peak={"lr": 1e-3}).rates,
}


def refusal(call: Callable[[], Any]) -> rw.ScheduleError:
    with pytest.raises(rw.ScheduleError) as caught:
        call()
    message = str(caught.value)
    assert caught.value.who
    assert caught.value.fix
    assert "__init__" not in message
    assert "positional argument" not in message
    return caught.value


@pytest.mark.parametrize("name", [*PUBLIC, *VERBS])
def test_a_keyword_that_is_not_there_is_refused(name: str) -> None:
    """With what the call takes."""
    error = refusal(lambda: {**PUBLIC, **VERBS}[name](zzz=0.25))
    assert "zzz" in str(error)


@pytest.mark.parametrize("name", [*PUBLIC, *VERBS])
def test_one_argument_too_many_is_refused(name: str) -> None:
    """It is told how many are taken without a name, and that names help."""
    call = {**PUBLIC, **VERBS}[name]
    parameters = inspect.signature(call).parameters.values()
    placed = [p for p in parameters if p.kind not in (p.KEYWORD_ONLY, p.VAR_KEYWORD)]
    error = refusal(lambda: call(*range(1, len(placed) + 2)))
    assert f"got {len(placed) + 1}" in str(error)


@pytest.mark.parametrize("name", PUBLIC)
def test_what_is_needed_and_what_is_given_twice_is_told(name: str) -> None:
    """By the name of the argument."""
    make = PUBLIC[name]
    parameters = list(inspect.signature(make).parameters.values())
    first = parameters[0]
    if first.default is first.empty:
        assert first.name in refusal(make).fix
    if first.kind is not first.KEYWORD_ONLY:
        assert "twice" in str(refusal(lambda: make(1, **{first.name: 2})))


class Odd:
    """Nothing that anybody expects."""


ODD = [
    *(None, True, "", "five", "5%%", b"5", [], [1, 2], {}, {"a": 1}, (), math.nan, math.inf, -1),
    *(-0.5, 1e400, 2**70, 1j, Fraction(1, 3), np.float32(0.5), np.int64(3), np.array([1, 2])),
    *(np.array(0.5), np.bool_(True), np.str_("x"), Odd(), Odd, abs, ..., object()),
]


def oddities() -> list[Any]:
    try:
        import torch
    except ImportError:
        return ODD
    return [*ODD, torch.tensor(0.5), torch.tensor([1.0, 2.0]), torch.tensor(3), torch.float32]


def usual(name: str) -> dict[str, Any]:
    """Arguments with which a shape can be made."""
    given = {"SWA": {"schedule": COSINE, "at": 9, "level": 0.1}, "WSD": {"warmup": 5, "decay": 5},
             "Noam": {"warmup": 5, "width": 8}, "Step": {"every": 5}, "Plan": {"lr": COSINE},
             "Repeat": {"pattern": COSINE, "every": 9}, "Piecewise": {"points": {0: 1, 5: 0.5}},
             "Restarts": {"every": 5}, "Function": {"function": lambda t: 1.0}}  # fmt: skip
    if name in given:
        return given[name]
    found: dict[str, Any] = {}
    for p in inspect.signature(SHAPES[name]).parameters.values():
        if p.default is p.empty:
            found[p.name] = 5 if p.name not in ("schedule", "pattern", "move") else rw.Cosine()
    return found


def same(a: Any, b: Any) -> bool:
    return repr(a) == repr(b)


@pytest.mark.parametrize("name", SHAPES)
def test_odd_values_are_refused_or_become_what_they_are(name: str) -> None:
    """Every argument of every shape, with everything that is no number: an error of ours, or what
    can be written down, read again and resolved."""
    make = SHAPES[name]
    for parameter in inspect.signature(make).parameters:
        for odd in oddities():
            given = {**usual(name), parameter: copy.copy(odd) if isinstance(odd, dict) else odd}
            try:
                made = make(**given)
            except rw.ScheduleError:
                continue
            assert isinstance(made, rw.Schedule | rw.Plan), (name, parameter, odd)
            try:
                text = repr(made)
                again = rw.parse(text)
                made.resolve(total=200, epoch=10, samples=4, tokens=8)
                hash(made)
            except rw.ScheduleError:
                continue
            assert same(again, made), (name, parameter, odd)


@pytest.mark.parametrize("name", VERBS)
def test_odd_values_of_verbs_are_refused(name: str) -> None:
    """Every argument of every verb: what it returns, or an error of ours."""
    call = VERBS[name]
    for parameter in inspect.signature(call).parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            continue
        for odd in oddities():
            given = {"at": 9, parameter.name: odd} if name == "cool" else {parameter.name: odd}
            try:
                call(**given)
            except rw.ScheduleError:
                continue


@pytest.mark.parametrize("odd", [*ODD, "x" * 200_000, "[" * 90_000])
def test_odd_things_are_no_texts_and_no_forms(odd: Any) -> None:
    """What is read from a text, a dict or JSON is a schedule or an error of ours."""
    for read in (rw.parse, rw.from_dict, rw.from_json):
        refusal(lambda read=read: read(odd))


def test_names_of_other_libraries_are_translated_where_a_run_is_described() -> None:
    """A total by another name; a warm-up, which belongs in the schedule."""
    resolve: Any = COSINE.resolve
    assert refusal(lambda: resolve(max_steps=9)).fix.startswith("write total=…")
    wsd: Any = rw.WSD
    assert refusal(lambda: wsd(warmup_steps=5, decay=9)).fix.startswith("write warmup=5")


def test_errors_from_within_are_not_hidden() -> None:
    """A TypeError of what is called, and not of the call, stays what it is; names and docs too."""

    @strict
    def wait(over: int) -> int:
        """Wait."""
        return over + "1"  # type: ignore[operator]

    with pytest.raises(TypeError, match="unsupported operand"):
        wait(3)
    assert str(inspect.signature(wait)) == "(over: 'int') -> 'int'"
    assert wait.__doc__ == "Wait."
    assert str(inspect.signature(rw.Cosine)).startswith("(to: 'float' = 0.0, over")
    assert list(inspect.signature(rw.Schedule.until).parameters) == ["self", "over"]


def test_a_call_that_does_not_fit_is_a_value_error() -> None:
    """There is one error: who catches `ScheduleError`, or `ValueError`, has caught this one too."""
    with pytest.raises(ValueError, match="does not take"):
        rw.Cosine(zzz=1)  # type: ignore[call-arg]


@pytest.mark.parametrize("other", [5, 0.5, "cosine", None])
def test_what_is_no_schedule_is_not_joined(other: object) -> None:
    """The operator answers as every call does."""
    with pytest.raises(rw.ScheduleError, match=r">> .* joins schedules: write"):
        rw.Warmup(10) >> other  # type: ignore[operator]
