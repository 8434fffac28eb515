"""What is made reads back from its text and its JSON, or is refused; there is nothing between."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import ratewise as rw
from ratewise.schedule.base import Schedule
from tests.costs import SECOND, cost
from tests.examples import examples
from tests.feedback.strategies import listening
from tests.hostile import names
from tests.schedule.strategies import runs

ODD: list[Any] = [
    *(None, True, False, 0, 1, -1, 2, 2**31, 2**62, 2**62 + 1, 2**63, 10**5000, 0.0, -0.0, 0.5),
    *(1.0, 2.0, 1e-320, 1e308, float("nan"), float("inf"), "", "5%", "0.1", "2 epochs", "linear"),
    *("1" * 5000, "9" * 400 + " steps", "1e99 epochs", b"5%", (), (1,), ((0, 1), (5, 0.5)), [3, 4]),
    *({}, {0: 1}, {5: 0.5, "50%": 0.1}, {"type": "Cosine"}, 1j, Ellipsis, object(), "\x1b[31m"),
    *(rw.Hold(3), rw.Cosine(), rw.Linear(to=0, over=5), (rw.Hold(over=2), rw.Cosine()), rw.Plan),
]
"""Values of all kinds, for arguments of all kinds."""

KINDS = {name: kind for name, kind in Schedule.kinds.items() if name != "Function"}


def comes_back(value: Any) -> None:
    """A text and a JSON read back as the value, with its notes, or are refused."""
    for write, read in ((repr, rw.parse), (lambda v: v.to_json(), rw.from_json)):
        try:
            again = read(write(value))
        except rw.ScheduleError:
            continue
        assert again == value
        assert getattr(again, "notes", ()) == getattr(value, "notes", ())
        assert repr(again) == repr(value)


@settings(max_examples=examples(250), derandomize=True)
@given(st.data())
def test_any_arguments_make_a_value_that_comes_back_or_an_error_of_ours(
    data: st.DataObject,
) -> None:
    """No shape takes what its forms cannot say, and none raises anything else."""
    kind: Any = data.draw(st.sampled_from([*KINDS.values(), rw.Plan]))
    fields = [field.name for field in dataclasses.fields(kind)]
    given_ = data.draw(st.dictionaries(st.sampled_from(fields), st.sampled_from(ODD), max_size=4))
    try:
        made = kind(**given_)
    except rw.ScheduleError:
        return
    comes_back(made)


@settings(max_examples=50, derandomize=True)
@given(runs() | listening(), names, names, st.lists(names, max_size=2))
@example(rw.Hold(), "\ud83d\ude00", "\r", ["\x00"])
@example(rw.Plateau(metric="a"), "(" * 200, "'" * 50, ['"""'])
def test_names_of_any_text_come_back(
    schedule: rw.Schedule, one: str, two: str, notes: list[str]
) -> None:
    """Groups, keys, metrics and notes may hold any character; none of them splits a text."""
    heard = rw.Plateau(metric=one, over=5) >> schedule.until(9)
    plan = rw.Plan(keys={one: heard}, groups={two: schedule}, peak={one: 0.5}, notes=notes)
    assert repr(plan).isprintable()
    again = rw.parse(repr(plan))
    assert (again, again.notes, repr(again)) == (plan, plan.notes, repr(plan))
    half = any("\ud800" <= c <= "\udfff" for c in "".join([one, two, *notes]))
    if half:
        with pytest.raises(rw.ScheduleError, match="whole characters"):
            plan.to_json()
    else:
        assert rw.from_json(plan.to_json().encode()) == plan


JSON = [
    ('{"type": "Hold", "level": NaN}', "NaN"),
    ('{"type": "Hold", "level": -Infinity}', "-Infinity"),
    ('{"type": "Hold", "level": 1e999}', "needs level"),
    ('{"type": "Hold", "level": 1' + "0" * 5000 + "}", "not JSON that can be read"),
    ('{"type": "Hold", "level": 1, "level": 2}', "has the key 'level' twice"),
    ('{"type": "Plan", "groups": {"a": {"type": "Hold"}, "a": {"type": "Cosine"}}}', "twice"),
    ('{"type": "Plan", "lr": {"type": "Hold"}, "notes": 1}', "needs texts in a row"),
    ('{"type": "Plan", "lr": {"type": "Hold"}, "notes": "abc"}', "needs texts in a row"),
    ('{"type": "Hold", "nobody": 1}', "does not take nobody=1"),
    ('{"ratewise": 1e5, "type": "Hold"}', "version"),
    ('{"ratewise": 2, "type": "Hold"}', "upgrade ratewise"),
    ('{"ratewise": {}, "type": "Hold"}', "version"),
    ('{"type": "Scale", "factor": 1, "schedule": {"ratewise": 1, "type": "Hold"}}', "ratewise"),
    ('{"type": ["Hold"]}', "has type"),
    ("[]", "needs a dict"),
    ("1", "needs a dict"),
    ('"' + "x" * 1000 + '"', "needs a dict"),
    ("[" * 100_000, "nested brackets"),
    ('{"a":' * 100_000, "nested brackets"),
    (b"\xff\xfe", "not JSON"),
    (5, "needs a text"),
    (None, "needs a text"),
]


@pytest.mark.parametrize(("text", "part"), JSON, ids=range(len(JSON)))
def test_json_that_says_something_else_is_refused(text: Any, part: str) -> None:
    """What JSON does not have, what hides another, what is unknown, new or too deep."""
    with pytest.raises(rw.ScheduleError) as caught:
        rw.from_json(text)
    assert part in str(caught.value)
    assert len(str(caught.value)) < 500


KEYS = {
    "type",
    "to",
    "over",
    "schedule",
    "moves",
    "factors",
    "groups",
    "lr",
    "notes",
    "points",
    "at",
}
KEYS |= {"at", "pattern", "every", "ratewise", "metric", "factor", "keys", "peak"}
forms = st.recursive(
    st.sampled_from([*KINDS, "Plan", "Function", None, True, 1, 2**70, 0.5, "5%"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(sorted(KEYS)), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=examples(100), derandomize=True)
@given(forms)
def test_any_form_is_a_value_or_an_error_of_ours(form: Any) -> None:
    """JSON of any shape, types and keys of ours thrown together, ends in one of two ways."""
    try:
        made = rw.from_json(json.dumps(form))
    except rw.ScheduleError:
        return
    comes_back(made)


TEXTS = [
    "Hold(0x" + "f" * 20_000 + ")",
    "Piecewise({0x" + "f" * 20_000 + ": 1})",
    "Piecewise({0x" + "f" * 20_000 + ": 1, 0x" + "f" * 20_000 + ": 1})",
    "Hold(over=" + "9" * 4301 + ")",
    "Hold(over='" + "9" * 90_000 + "!')",
    "Hold(over='" + "9" * 90_000 + " steps')",
    "Hold(over=" + "-" * 90_000 + "1)",
    "Hold(over=" + "not " * 20_000 + "1)",
    "Hold(over=" + "lambda: " * 10_000 + "1)",
    "Hold(over=" + "1 if 1 else " * 8_000 + "1)",
    "Hold(over=f'" + "{" * 50 + "')",
    "Hold" + "(1)" * 30_000,
    "Hold()" + ".clip(0.1)" * 9_000,
    "Hold()" + " * 1" * 900,
    "Hold()" + " ** 1" * 9_000,
    '"' + '\\"' * 49_000,
    "Plateau('" + "(" * 90_000,
    "Plateau('a', mode='" + "\ud800" * 10 + "')",
    "Hold(" + "1," * 49_000 + ")",
    "Hold(" + "[" * 99 + "]" * 99 + ")",
]


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_hostile_texts_cost_little(text: str) -> None:
    """Each is refused in one error, in well under a second."""

    def refuse() -> None:
        with pytest.raises(rw.ScheduleError) as caught:
            rw.parse(text)
        assert len(str(caught.value)) < 600

    assert cost(refuse) < SECOND


LONG = [
    rw.Warmup(5) >> rw.Cosine(to=0.1),
    rw.Hold(),
    rw.Repeat(rw.Linear(), every=7, grow=2),
    rw.Step(0.5, every="10%"),
    rw.Piecewise({0: 1, "50%": 0.5}),
]


@pytest.mark.parametrize("total", [2**53, 2**61, 2**62 - 1, 2**62])
@pytest.mark.parametrize("schedule", LONG, ids=repr)
def test_the_longest_run_has_levels(schedule: rw.Schedule, total: int) -> None:
    """Up to the largest total that is taken, every level is finite, at the end and past it."""
    settled = schedule.resolve(total)
    assert settled.length == total
    assert all(0 <= settled(t) <= 1 for t in (0, 1, total // 2, total - 1, min(total, 2**62)))
    comes_back(settled)
