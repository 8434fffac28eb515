"""The survey: what all levels come to, the same as from the plain array."""

from __future__ import annotations

import numpy as np
import pytest

import ratewise as rw
from ratewise.show import survey as room
from ratewise.show.survey import COLUMNS, survey

SCHEDULES = [
    rw.Warmup("5%") >> rw.Cosine(to=0.1),
    rw.Warmup(3, start=0) >> rw.Hold() >> rw.Linear(to=0, over="20%"),
    rw.Repeat(rw.Cosine(to=0), every="7%", shrink=0.9),
    rw.Step(0.1, every="30%"),
    rw.Piecewise({0: 1, "50%": 0, "60%": 1}),
]
LENGTHS = [4 * COLUMNS, 4 * COLUMNS + 1, 12_345]


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_sums_are_those_of_the_plain_array(schedule: rw.Schedule, length: int) -> None:
    """Mean, zeros, peak and largest jump equal what numpy finds in `values()`."""
    levels = schedule.resolve(length).values()
    found = survey(schedule.resolve(length), length)
    change = np.diff(levels)
    assert found.exact
    assert found.mean == pytest.approx(levels.mean(), rel=1e-12)
    assert (found.zeros, found.top) == (np.count_nonzero(levels == 0), levels.argmax())
    assert found.jump is not None
    assert abs(found.jump.change) == pytest.approx(np.abs(change).max(), rel=1e-9)
    assert found.jump.change == change[found.jump.update - 1]


@pytest.mark.parametrize("length", [1, 2, *LENGTHS])
@pytest.mark.parametrize("schedule", SCHEDULES[2:], ids=repr)
def test_the_outline_is_made_of_true_levels(schedule: rw.Schedule, length: int) -> None:
    """Every drawn point is an update with the level that training uses, and no extreme is lost."""
    resolved = schedule.resolve(length)
    levels, found = resolved.values(), survey(resolved, length)
    assert np.array_equal(levels[found.updates], found.levels)
    assert (found.updates[0], found.updates[-1]) == (0, length - 1)
    assert (np.diff(found.updates) > 0).all()
    assert (found.levels.min(), found.levels.max()) == (levels.min(), levels.max())


def test_a_spike_of_one_update_is_drawn() -> None:
    """In a million updates a single one at another level is still in the outline."""
    spike = rw.Piecewise({0: 1, 654_321: 0.0, 654_322: 1}).resolve(1_000_000)
    found = survey(spike, 1_000_000)
    assert (found.zeros, found.levels.min()) == (1, 0.0)


def test_a_run_too_long_to_look_at_is_sampled() -> None:
    """2**40 updates take a moment: the mean is close, and boundaries are looked at."""
    schedule = (rw.Hold(over="50%") >> rw.Hold(0.25)).resolve(2**40)
    found = survey(schedule, 2**40, (2**39,))
    assert not found.exact
    assert found.mean == pytest.approx(0.625, rel=1e-6)
    assert found.jump == room.Jump(2**39, -0.75)


def test_equal_jumps_count_from_the_first() -> None:
    """Equal steps differ by rounding alone; the first is named."""
    found = survey(rw.Linear(to=0, over=10_000), 10_000)
    assert found.jump is not None
    assert found.jump.update == 1


def test_one_update_has_no_jump() -> None:
    """A run of one update has no neighbours to compare."""
    assert survey(rw.Hold(over=1), 1).jump is None
