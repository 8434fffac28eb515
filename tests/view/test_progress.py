"""Progress: numbers that only rise, stages by name, time by measured speed."""

from __future__ import annotations

import io
import itertools
from typing import Any

import pytest

from ratewise.choose import compare, find
from ratewise.view.progress import Pace, ProgressLines, shows_progress
from tests.choose.valley import Valley
from tests.view.choices import watched


class Clock:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def told() -> tuple[Any, list[tuple[int, int, str]]]:
    return watched()


def test_a_choice_is_told_against_its_budget(told: Any) -> None:
    """What is done never falls and never starts again; what it is held against is the budget."""
    choice, seen = told
    assert {planned for _, planned, _ in seen} == {choice.budget}
    assert all(a[0] <= b[0] for a, b in itertools.pairwise(seen))
    assert 0 < seen[0][0] <= seen[-1][0] <= choice.budget
    assert seen[-1][0] == pytest.approx(choice.trained, abs=60)


def test_stages_come_by_name_and_in_order(told: Any) -> None:
    """Range test, own settings, probes, search, proof; each beside what is being trained."""
    _, seen = told
    stages = [name for name, _ in itertools.groupby(what.partition(": ")[0] for _, _, what in seen)]
    assert stages == ["range test", "your own settings", "probes", "search", "proof"]
    assert "sweep 2 of 2" in next(what for _, _, what in reversed(seen) if "sweep" in what)


def test_the_best_so_far_is_told_and_only_gets_better(told: Any) -> None:
    """It is that of the trials, from the first on that has ended."""
    choice, seen = told
    best = [float(what.rpartition("best loss ")[2]) for _, _, what in seen if "best loss" in what]
    assert best == sorted(best, reverse=True)
    known = [one.metric for one in choice.trials if one.metric == one.metric]
    assert best[-1] == pytest.approx(min(known), rel=1e-3)


@pytest.mark.parametrize("seeds", [1, 3])
def test_a_range_test_tells_how_far_it_is(seeds: int) -> None:
    """Every update, up to the last; sweeps that break early make the rest shorter."""
    seen: list[tuple[int, int, str]] = []
    found = find(Valley(), lowest=1e-4, highest=10, rungs=30, seeds=seeds,
                 progress=lambda *one: seen.append(one))  # fmt: skip
    assert [done for done, _, _ in seen] == list(range(1, found.updates + 1))
    planned = [one for _, one, _ in seen]
    assert planned == sorted(planned, reverse=True)
    assert planned[0] == 61 * seeds
    assert all(done <= most for done, most, _ in seen)
    assert seen[-1][2].startswith(f"sweep {seeds} of {seeds}, at a rate of ")
    assert found.sweeps[0].heard is None


def test_silence_is_the_default_and_can_be_asked_for(capfd: pytest.CaptureFixture[str]) -> None:
    """Neither None nor False writes anything; True stands for what the command line shows."""
    for progress in (None, False):
        compare(Valley(), {"a": "Hold()"}, total=5, progress=progress)
    assert capfd.readouterr() == ("", "")
    given: list[Any] = []

    @shows_progress
    def train(*, progress: Any = None) -> None:
        given.append(progress)

    train(progress=True)
    train(progress=print)
    train()
    assert isinstance(given[0], ProgressLines)  # there is no terminal
    assert given[1:] == [print, None]


def test_time_left_is_by_the_speed_so_far() -> None:
    """What a journal knew costs nothing and says nothing of the speed."""
    clock = Clock()
    pace = Pace(clock)
    pace.tell(1000, 2000)
    assert pace.left is None
    clock.now = 10.0
    pace.tell(1100, 2000)
    assert pace.left == pytest.approx(90.0)
    pace.jump()  # another list, of which 500 updates are known
    pace.tell(1600, 2000)
    clock.now = 20.0
    pace.tell(1700, 2000)
    assert pace.left == pytest.approx(300 * 20 / 200)
    assert str(pace) == "at most 30 s left"


def test_lines_come_less_and_less_often() -> None:
    """The first after ten seconds, then longer waits up to a minute, one line each."""
    clock, stream = Clock(), io.StringIO()
    lines = ProgressLines(stream, clock)
    for second in range(601):
        clock.now = float(second)
        lines(second, 1200, "search: a at 0.1\x1b[31m")
    written = stream.getvalue().splitlines()
    assert 8 < len(written) < 20
    assert written[0].startswith("10 of 1,200 updates (1%); search: a at 0.1")
    assert written[0].endswith("at most 19 min 50 s left")
    assert "\x1b" not in stream.getvalue()


def test_nothing_is_written_in_the_first_seconds() -> None:
    """What is over soon needs no lines."""
    clock, stream = Clock(), io.StringIO()
    lines = ProgressLines(stream, clock)
    clock.now = 9.9
    lines(1, 2, "a")
    assert stream.getvalue() == ""
