"""The state of the studio: its changes, its link, its handles, and what is drawn of it."""

from __future__ import annotations

import base64
import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ratewise as rw
from ratewise.schedule import Plan, Schedule, ScheduleError
from ratewise.schedule.lengths import Horizon
from ratewise.studio import Drawing, StudioState, from_link, to_link
from ratewise.studio.fields import example, forms, hints, kinds, with_field
from ratewise.studio.figure import WHOLE, figure, thinned_of
from ratewise.studio.handles import handles, moved, rewritten
from ratewise.studio.readings import cursor, depends_on_total
from ratewise.studio.state import (
    added,
    changed,
    drawn,
    removed,
    with_move,
    with_move_shifted,
    with_new_move,
    without_move,
)

PICKED = [example(name) for name in kinds()]
NAMES = st.text(max_size=30)
POSITIVE = st.floats(1e-9, 1e9)
TOTALS = st.one_of(st.integers(1, 10**9), st.sampled_from(["3 epochs", "2M tokens", "50k samples"]))


def state_of(text: str, **more: Any) -> StudioState:
    return StudioState(drawings=(Drawing(rw.parse(text)),), **more)


def values_of(packed: dict[str, str]) -> Any:
    kind = {"f8": "<f8", "i4": "<i4"}[packed["dtype"]]
    return np.frombuffer(base64.b64decode(packed["bdata"]), kind)


# Links --------------------------------------------------------------------------------------


@st.composite
def states(draw: Any) -> StudioState:
    """Any state: schedules of every shape, with any name, of any run."""
    values = draw(st.lists(st.sampled_from(PICKED), min_size=1, max_size=4))
    scaled = [v * draw(st.floats(0, 10)) if isinstance(v, Schedule) else v for v in values]
    drawings = tuple(Drawing(v, draw(NAMES), draw(st.booleans())) for v in scaled)
    maybe = st.none() | POSITIVE
    return StudioState(
        drawings, draw(st.integers(0, len(drawings) - 1)), draw(TOTALS), epoch=draw(POSITIVE),
        samples=draw(POSITIVE), tokens=draw(st.floats(1e-3, 1e9)), lr=draw(maybe),
        log=draw(st.booleans()), cursor=draw(st.integers(0, 10**9)),
        what_if=draw(st.none() | st.integers(1, 10**9)),
    )  # fmt: skip


@st.composite
def fitting_states(draw: Any) -> StudioState:
    """A state whose run is no longer than the studio draws."""
    try:
        return draw(states())
    except ScheduleError:  # 3 epochs of 1e9 updates each, and the like
        return StudioState()


@given(fitting_states())
def test_a_state_comes_back_from_its_link(state: StudioState) -> None:
    """`from_link(to_link(state)) == state`, notes, names and all."""
    back = from_link(to_link(state))
    assert back == state
    assert [one.value for one in back.drawings] == [one.value for one in state.drawings]


@given(st.one_of(st.text(max_size=200), st.text("plan=&+%(>)*.:0123456789eE-_totalr", max_size=80)))
def test_a_hostile_link_is_a_state_or_an_error(query: str) -> None:
    """Whatever stands in a link, it is a state that can be drawn, or an error of our grammar."""
    try:
        state = from_link(query)
    except ScheduleError:
        return
    assert figure(state)["data"] is not None


@pytest.mark.parametrize(
    "query",
    [
        "plan=__import__('os').system('id')",
        "plan=open('/etc/passwd')",
        "plan=(lambda: 0)()",
        "plan=" + "(" * 20_000,
        "plan=" + "Cosine()*" * 3000 + "1",
        "plan=Cosine(to=9e999)",
        "plan=" + "Repeat(" * 40 + "Cosine()" + ",every=3)" * 40,
        "&".join(["plan=" + "*".join(["Cosine()"] * 300)] * 8),
        "plan=Cosine()&name=%00%1b",
        "plan=Function(print)",
        "name=alone&plan=Cosine()",
        "plan=Cosine()&total=5%25",
        "plan=Cosine()&total=99999999999999999999",
        "plan=Cosine()&lr=nan",
        "plan=Cosine()&lr=-1",
        "plan=Cosine()&cursor=1e5",
        "plan=Cosine()&active=7",
        "plan=Cosine()&" + "&".join(["plan=Cosine()"] * 40),
        "&".join(f"plan=Cosine()&x{i}=1" for i in range(500)),
        "total=10&total=20",
        "plan=Cosine()&file=/etc/passwd",
        "x" * 40_000,
    ],
)
def test_what_no_link_may_say_is_refused(query: str) -> None:
    """Code, files, endless texts and numbers outside their intervals are errors at once."""
    if query == "plan=Cosine()&name=%00%1b":
        assert "\x00" not in from_link(query).at.name
        return
    with pytest.raises(ScheduleError):
        from_link(query)


def test_a_plan_too_long_for_a_link_is_said() -> None:
    """A link is refused where no browser would take it, never cut."""
    points = {10 * i: 1 / (1 + i) for i in range(3000)}
    with pytest.raises(ScheduleError, match="copy the text"):
        to_link(StudioState(drawings=(Drawing(rw.Piecewise(points)),)))


# Moves and fields ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", kinds())
def test_every_shape_can_be_picked_drawn_and_edited(name: str) -> None:
    """What is picked has a curve, and typing what a field shows changes nothing."""
    made = example(name)
    state = StudioState(drawings=(Drawing(made),))
    (what,) = drawn(state)
    assert what.curves, what.error
    for place, move in enumerate(state.moves):
        for one in forms(move):
            assert with_field(move, one.name, one.text) == move, one.name
        assert with_move(state, place, move) == state


def test_all_public_shapes_can_be_picked() -> None:
    """No list of shapes is kept: whatever is public and can be written down is there."""
    from ratewise import schedule

    found = {name: getattr(schedule, name) for name in schedule.__all__}
    found = {name: one for name, one in found.items() if dataclasses.is_dataclass(one)}
    shapes = {name for name, one in found.items() if issubclass(one, Schedule)}
    assert shapes - set(kinds()) == {"Function", "Sequence"}
    assert {"WSD", "OneCycle", "Restarts", "Noam"} <= set(kinds())


def test_every_field_says_what_it_is() -> None:
    """The hint of a field is what the docstring of its class says."""
    for name, shape in kinds().items():
        if dataclasses.is_dataclass(shape):
            missing = {f.name for f in dataclasses.fields(shape)} - set(hints(shape))
            assert not missing, (name, missing)


@pytest.mark.parametrize(
    ("name", "text"),
    [("to", "open('x')"), ("to", "nan"), ("to", "-1"), ("over", "5 parsecs"), ("over", "()"),
     ("to", "1e999"), ("over", "x" * 20_000), ("nothing", "1"), ("to", "[" * 500)],
)  # fmt: skip
def test_what_a_field_cannot_hold_is_an_error(name: str, text: str) -> None:
    """Nothing that is typed is evaluated, and nothing bad is taken."""
    with pytest.raises(ScheduleError):
        with_field(rw.Cosine(), name, text)


def test_a_chain_is_built_move_by_move() -> None:
    """Adding, shifting and removing moves keeps a chain that can be drawn."""
    state = with_new_move(state_of("Warmup('5%') >> Cosine(to=0.1)"), example("Linear"))
    assert repr(state.at.value) == 'Warmup("5%") >> Cosine(to=0.1) >> Linear(to=0, over="10%")'
    state = with_move_shifted(state, 2, -1)
    assert [type(move).__name__ for move in state.moves] == ["Warmup", "Linear", "Cosine"]
    assert without_move(state, 1) == state_of("Warmup('5%') >> Cosine(to=0.1)")
    with pytest.raises(ScheduleError, match="add another"):
        without_move(state_of("Cosine()"), 0)
    with pytest.raises(ScheduleError, match="draw 1 to"):
        removed(state, 0)
    assert removed(added(state, rw.Hold()), 1) == state


def test_a_plan_keeps_its_other_keys() -> None:
    """Editing the chain of a plan's rate leaves its momentum and its peak alone."""
    plan = example("OneCycle")
    assert isinstance(plan, Plan)
    state = StudioState(drawings=(Drawing(plan),))
    new = with_move(state, 1, with_field(state.moves[1], "to", "0.5")).at.value
    assert isinstance(new, Plan)
    assert (new.momentum, new.peak) == (plan.momentum, plan.peak)
    assert new.lr != plan.lr


# Handles ------------------------------------------------------------------------------------

CHAINS = (
    'Warmup("5%") >> Hold() >> Sqrt(to=0, over="20%")',
    "Warmup(500) >> Cosine(to=0.1)",
    "Warmup(100) >> Linear(to=0.5, over=300) >> Linear(to=0.1, over=300)",
    'Warmup("1 epoch") >> Cosine(over="4 epochs") >> Hold(0.2)',
    'Hold(1) >> Exponential(to=0.01, over="30%") >> Hold(over="10%")',
    'Repeat(Cosine(), every="10%") * 0.5',
)


@given(st.sampled_from(CHAINS), st.floats(-1e5, 1e5), st.floats(-2, 20), st.integers(0, 2))
def test_a_handle_goes_as_far_as_it_can(text: str, x: float, y: float, which: int) -> None:
    """Wherever a handle is let go, the schedule can still be drawn and its run is as long."""
    state = state_of(text, epoch=500)
    known = handles(state)
    if which >= len(known):
        return
    new = moved(state, known[which].place, x, y)
    (what,) = drawn(new)
    assert what.curves, what.error
    assert what.curves[0].length == state.updates
    assert from_link(to_link(new)) == new


@pytest.mark.parametrize("text", CHAINS[:4])
def test_a_handle_is_where_it_was_put(text: str) -> None:
    """Within the run, and to the digits that a length is written in, it stays under the hand."""
    state = state_of(text, epoch=500)
    for one in handles(state):
        if one.sideways is None:
            continue
        new = moved(state, one.place, one.update + 100, one.level)
        (after,) = [other for other in handles(new) if other.place == one.place]
        assert after.update == pytest.approx(one.update + 100, abs=3)


def test_a_handle_that_is_not_there_is_an_error() -> None:
    """What the browser sends is not believed."""
    with pytest.raises(ScheduleError, match="is not there"):
        moved(StudioState(), 99, 0.0, 0.0)
    nowhere = moved(StudioState(), 0, float("nan"), float("nan"))
    assert nowhere == StudioState()


def unit_of(length: Any) -> str:
    return "%" if str(length).endswith("%") else str(length).split()[-1].rstrip("s")


@given(st.integers(1, 10_000), st.sampled_from(["5%", "3 epochs", "50k samples", "2M tokens"]))
def test_a_length_keeps_its_unit(updates: int, old: str) -> None:
    """A share stays a share and epochs stay epochs, to a percent or half an update."""
    horizon = Horizon.of(10_000, 100, 64, 4096)
    new = rewritten(old, updates, horizon)
    assert unit_of(new) == unit_of(old)
    back = horizon.updates("length", rw.Hold(over=new).over)
    assert float(back) == pytest.approx(updates, rel=0.06, abs=0.6)


# Figures and readings -----------------------------------------------------------------------


@pytest.mark.parametrize("name", kinds())
def test_the_curve_is_that_of_training(name: str) -> None:
    """What is drawn is what `schedule.values` gives, to the bit."""
    made = example(name)
    state = StudioState(drawings=(Drawing(made),))
    trace = figure(state)["data"][0]
    schedule = made.lr if isinstance(made, Plan) else made
    assert schedule is not None
    resolved = schedule.resolve(state.updates)
    if resolved.listens:
        resolved = resolved.simulate([]).schedule
    peak = made.peak.get("lr", 1.0) if isinstance(made, Plan) else 1.0
    expected = peak * resolved.values(state.updates)
    assert np.array_equal(values_of(trace["arrays"]["y"]), expected)


@pytest.mark.parametrize("total", [1, 2, WHOLE + 1, 2**21])
def test_runs_of_any_length_are_drawn_in_bounds(total: int) -> None:
    """A long run is outlined: no more points than can be seen, first and last level included."""
    state = state_of('Warmup("5%") >> Cosine(to=0.1)' if total > 2 else "Linear()", total=total)
    arrays = figure(state)["data"][0]["arrays"]
    y = values_of(arrays["y"])
    assert len(y) <= WHOLE + 10
    resolved = state.at.value.resolve(total)
    assert isinstance(resolved, Schedule)
    assert (y[0], y[-1]) == (resolved(0), resolved(total - 1))


def test_points_that_are_known_are_not_sent_again() -> None:
    """Moving the cursor sends no points; another curve sends its own alone."""
    state = added(StudioState(), rw.Linear())
    first = figure(state)
    known = {trace["key"] for trace in first["data"]}
    again = thinned_of(figure(changed(state, cursor=5)), known)
    assert all("arrays" not in trace for trace in again["data"])
    other = thinned_of(figure(with_move(state, 0, rw.Sqrt())), known)
    assert ["arrays" in trace for trace in other["data"]] == [False, True]


def test_rates_are_drawn_where_every_peak_is_known() -> None:
    """With a peak the curve is one of rates, and the readings say both."""
    state = changed(StudioState(), lr=3e-4, cursor=500)
    assert values_of(figure(state)["data"][0]["arrays"]["y"]).max() == 3e-4
    (told,) = cursor(state)
    assert (told.update, told.level, told.rate) == (500, 1.0, 3e-4)
    assert cursor(StudioState())[0].text == "no peak given"


def test_names_hold_no_tags() -> None:
    """Plotly reads tags in names; a link could carry a foreign one."""
    state = StudioState(drawings=(Drawing(rw.Hold(), "<a href='x'>&</a>"),))
    assert figure(state)["data"][0]["name"] == "&lt;a href='x'&gt;&amp;&lt;/a&gt;"


@pytest.mark.parametrize(
    ("text", "depends"),
    [("Warmup(500) >> Hold()", False), ("Warmup(500) >> Cosine()", True), ("Hold()", False),
     ('Warmup("5%") >> Hold()', True), ("ExponentialDecay(0.999)", False),
     ("Step(0.1, every=1000)", False), ('Step(0.1, every="10%")', True),
     ("Warmup(10) >> Hold() >> Linear(over=100)", True), ("Plateau()", False)],
)  # fmt: skip
def test_what_depends_on_the_total_is_known(text: str, depends: bool) -> None:
    """A schedule depends on the total if its rates in a longer run are others."""
    assert depends_on_total(rw.parse(text), StudioState()) is depends


def test_another_run_is_drawn_beside() -> None:
    """The what-if slider adds each curve in a run of another length, and nothing at the middle."""
    state = changed(StudioState(), what_if=20_000)
    made = figure(state)
    assert [trace["meta"].get("faint", False) for trace in made["data"]] == [False, True]
    assert made["layout"]["xaxis"]["range"] == [0, 20_000]
    assert len(figure(changed(state, what_if=10_000))["data"]) == 1
    assert changed(state, total=500).what_if is None


def test_what_does_not_fit_is_said_and_the_rest_is_drawn() -> None:
    """A drawing that cannot be has an error of its own."""
    state = added(StudioState(total=100), rw.Warmup(500) >> rw.Hold())
    assert [bool(one.curves) for one in drawn(state)] == [True, False]
    assert "does not fit in total=100" in drawn(state)[1].error
    assert len(figure(state)["data"]) == 1
    assert handles(state) == ()
