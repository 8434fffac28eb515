"""Schedules, texts and forms that would grow beyond all bounds are refused when they are made."""

from __future__ import annotations

import contextlib
import copy
import pickle
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import ratewise as rw
from ratewise.schedule.budget import DEEPEST, LONGEST_CHAIN, MOST_IN_PLAN
from tests.costs import SECOND, cost


def again(step: Callable[[Any], Any], times: int, start: Any = None) -> Any:
    value = rw.Hold(1, over=1) if start is None else start
    for _ in range(times):
        value = step(value)
    return value


DOUBLE: dict[str, Callable[[Any], Any]] = {
    "a sequence": lambda s: s >> s,
    "a product": lambda s: s * s,
    "a product of sums": lambda s: (s >> rw.Hold(1, over=1)) * s,
    "a sequence of products": lambda s: (s * s) >> s,
    "cycles": lambda s: rw.Repeat(s, every=5) * s,
    "scaled": lambda s: s * 0.5 >> s * 0.5,
    "cut": lambda s: s.until(3) >> s.until(3),
    "a list": lambda s: rw.Sequence((s,) * 50),
}
DEEPEN: dict[str, Callable[[Any], Any]] = {
    "scaled": lambda s: s * 1,
    "scaled from the left": lambda s: 1 * s,
    "clipped": lambda s: s.clip(0.1),
    "between": lambda s: s.between(0.1, 1),
    "cut": lambda s: s.until(3),
    "cycles": lambda s: rw.Repeat(s, every=5),
    "cooled": lambda s: s.cool(at=5, over=1),
    "mixed": lambda s: (s * rw.Hold(0.5, over=3) >> rw.Hold(over=1)).clip(0.1),
}


@pytest.mark.parametrize("how", [*DOUBLE.values(), *DEEPEN.values()], ids=[*DOUBLE, *DEEPEN])
def test_what_grows_without_bound_is_refused_at_once(how: Callable[[Any], Any]) -> None:
    """Doubling and deepening end in one error, soon; what was made before works."""
    made = list[Any]()

    def grow() -> None:
        made[:] = [rw.Hold(1, over=1)]
        with pytest.raises(rw.ScheduleError, match="use at most"):
            again(lambda s: made.append(how(s)) or made[-1], 1000)

    assert cost(grow) < 2 * SECOND
    assert np.isfinite(made[len(made) // 2](5))
    last = made[-1]
    assert len(repr(last)) < 2_000_000
    assert rw.from_dict(last.to_dict()) == last
    assert pickle.loads(pickle.dumps(last)) == copy.deepcopy(last) == last
    assert hash(last) == hash(pickle.loads(pickle.dumps(last)))


def in_a_small_stack(work: Callable[[], None]) -> None:
    """Run in a thread of 256 kB with half of Python's own depth used; what it raises is raised."""
    raised: list[BaseException] = []

    def deep(n: int) -> None:
        work() if n == 0 else deep(n - 1)

    def caught() -> None:
        try:
            deep(400)
        except BaseException as error:
            raised.append(error)

    size = threading.stack_size(256 * 1024)
    thread = threading.Thread(target=caught)
    thread.start()
    thread.join()
    threading.stack_size(size)
    if raised:
        raise raised[0]


NESTED: dict[str, Callable[[int], str]] = {
    **{sign: lambda n, sign=sign: sign * n + "1" for sign in ("-", "~", "not ", "lambda:", "*")},
    **{
        link: lambda n, link=link: f"a{link * n}"
        for link in ("**1", ">>1", ".a", "(1)", ".b(1)", "[1]", "<1", " if 1 else 1", " or 1", "=1")
    },
    **{
        opening: lambda n, opening=opening, end=end: opening * n + "1" + end * n
        for opening, end in {
            "(": ")", "f(": ")", "f(a=": ")", "[": "]", "{1:": "}", "(not -": ")", "{*": "}",
            "f(a=1 if 1 else lambda:[-": "])", "(1,": ")", "Repeat(Hold() >> ": ", every=5)",
        }.items()
    },
    "products": lambda n: "Hold()" + " * 1" * n,
    "a chain": lambda n: "Hold(over=1)" + " >> Hold(over=1)" * n,
    "a chain inside": lambda n: "(" * 90 + "Hold(over=1)" + " >> Hold(over=1)" * n + ")" * 90,
    "settings of others": lambda n: "warmup=" + "not " * n + "1",
    "a call of others": lambda n: "StepLR(" + "1 if 1 else " * n + "1)",
}  # fmt: skip


@pytest.mark.parametrize("name", NESTED)
def test_a_text_of_any_depth_leaves_a_small_stack_whole(name: str) -> None:
    """Python's own parser would end the process: so deep a text is not handed to it."""

    def work() -> None:
        for n in (20, 45, 60, 99, 150, 240, 400, 999, 1300, 2400, 20_000):
            with contextlib.suppress(rw.ScheduleError):
                rw.parse(NESTED[name](n))

    in_a_small_stack(work)


@pytest.mark.parametrize("how", DEEPEN.values(), ids=DEEPEN)
def test_the_deepest_work_in_a_small_stack(how: Callable[[Any], Any]) -> None:
    """All that is made works there."""
    found: list[Any] = []

    def work() -> None:
        made = [rw.Hold(1, over=1)]
        try:
            again(lambda s: made.append(how(s)) or made[-1], 1000)
        except rw.ScheduleError as error:
            found.append(str(error))
        last = made[-1]
        found.append(last.resolve(100).values(100))
        found.append((rw.parse(repr(last)), rw.from_json(last.to_json()), last))
        assert hash(last) == hash(copy.deepcopy(last)) == hash(pickle.loads(pickle.dumps(last)))

    in_a_small_stack(work)
    assert len(found) == 3
    text, form, last = found[2]
    assert text == form == last


def test_honest_schedules_are_not_refused() -> None:
    """A thousand moves in a row, and a thousand groups of three moves each, can be written."""
    chain = rw.Sequence(tuple(rw.Hold(i / 1000, over=1) for i in range(LONGEST_CHAIN)))
    assert rw.parse(repr(chain)) == rw.from_json(chain.to_json()) == chain
    part = rw.Plan(lr=rw.Warmup(5) >> rw.Cosine(to=0.1), keys={"eps": rw.Hold() * 0.5})
    plan = rw.Plan(groups={str(i): part for i in range(1000)})
    assert rw.from_json(plan.to_json()) == plan
    points = rw.Piecewise({i: i / 2000 for i in range(2000)})
    assert rw.parse(repr(points)) == rw.from_json(points.to_json()) == points


def test_plans_count_what_their_groups_hold() -> None:
    """A schedule that is given to every group is written out for each."""
    big = rw.Sequence(tuple(rw.Hold(over=1) for _ in range(LONGEST_CHAIN)))
    with pytest.raises(rw.ScheduleError, match=f"use at most {MOST_IN_PLAN:,}"):
        rw.Plan(groups={str(i): big for i in range(MOST_IN_PLAN // LONGEST_CHAIN + 1)})


def doubling(times: int, wrap: Callable[[Any], Any]) -> Any:
    form: Any = {"type": "Hold", "over": 1}
    for _ in range(times):
        form = wrap(form)
    return form


FORMS = {
    "moves": lambda f: {"type": "Sequence", "moves": [f, f]},
    "both": lambda f: {"type": "Scale", "factor": 1, "schedule": {"type": "Product", "factors": [
        f, {"type": "Scale", "factor": 1, "schedule": f}]}},
    "plain lists": lambda f: [f, f],
    "keys": lambda f: {"a": f, "b": f},
}  # fmt: skip


@pytest.mark.parametrize("wrap", FORMS.values(), ids=FORMS)
def test_a_form_of_shared_parts_is_refused_soon(wrap: Callable[[Any], Any]) -> None:
    """Forty doublings, as aliases of YAML give them, are an error, soon."""
    form = {"type": "Plan", "lr": doubling(40, wrap)}

    def refuse() -> None:
        with pytest.raises(rw.ScheduleError):
            rw.from_dict(form)

    assert cost(refuse) < 2 * SECOND


def test_a_form_that_holds_itself_is_refused() -> None:
    """A circle is nested without end."""
    form: dict[str, Any] = {"type": "Scale", "factor": 1}
    form["schedule"] = form
    with pytest.raises(rw.ScheduleError, match="nested too deeply"):
        rw.from_dict(form)
    moves: list[Any] = []
    moves.append(moves)
    with pytest.raises(rw.ScheduleError, match="nested too deeply"):
        rw.from_dict({"type": "Sequence", "moves": moves})


@pytest.mark.parametrize("depth", [DEEPEST - 1, DEEPEST])
def test_the_bound_is_where_it_is_said_to_be(depth: int) -> None:
    """So many inside of each other are made, and one more is not."""
    value = again(lambda s: s * 1, depth - 1)
    if depth == DEEPEST:
        with pytest.raises(rw.ScheduleError, match=f"at most {DEEPEST}"):
            value * 1
    else:
        value * 1
