"""A choice that is stopped, killed, extended, or trained by several at once."""

from __future__ import annotations

import os
import signal
import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ratewise.choose import Choice, ChoiceInterrupted, choose
from tests import warm
from tests.choose.valley import Valley

TOTAL = 60


def same(one: Choice, other: Choice) -> bool:
    """Whether two choices are equal but for what was trained anew."""
    strip = [{k: v for k, v in c.to_dict().items() if k != "proof"} for c in (one, other)]
    runs = [[(r.name, r.peak, r.seed, r.metrics) for r in c.proof.runs] for c in (one, other)]
    return strip[0] == strip[1] and runs[0] == runs[1]


@pytest.fixture(scope="module")
def undisturbed() -> Choice:
    return choose(Valley(), total=TOTAL, seeds=2)


def trained(journal: Path) -> int:
    with sqlite3.connect(journal) as file:
        return file.execute("SELECT SUM(trained) FROM comparisons").fetchone()[0]


def test_with_a_journal_nothing_is_trained_twice(tmp_path: Path, undisturbed: Choice) -> None:
    """The second time, range test and runs come from the journal, to the same end."""
    journal = tmp_path / "runs.db"
    first = choose(Valley(), total=TOTAL, seeds=2, journal=journal)
    before = trained(journal)
    again = choose(Valley(), total=TOTAL, seeds=2, journal=journal)
    assert trained(journal) == before
    assert same(first, again)
    assert same(first, undisturbed)


@pytest.mark.parametrize("after", [3, 9, 17])
def test_stopped_by_hand_it_tells_what_it_knows_and_goes_on(
    tmp_path: Path, undisturbed: Choice, after: int
) -> None:
    """Ctrl-C gives the choice so far; begun again it comes to the same end."""
    journal, calls = tmp_path / "runs.db", 0

    def progress(done: int, planned: int, what: str) -> None:
        nonlocal calls
        calls += 1
        if calls == after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as stop:
        choose(Valley(), total=TOTAL, seeds=2, journal=journal, progress=progress)
    if isinstance(stop.value, ChoiceInterrupted):
        assert stop.value.choice.stopped == "it was stopped by hand"
        assert stop.value.choice.trials
        for told in (str(stop.value.choice), stop.value.choice.report(200, False)):
            assert "before the choice was made. So far: " in told
    assert same(choose(Valley(), total=TOTAL, seeds=2, journal=journal), undisturbed)


STEPWISE = """
import sys
from tests.choose.valley import Valley
from ratewise.choose import choose

def progress(done, planned, what):
    print(done, flush=True)
    sys.stdin.readline()

choose(Valley(), total=60, seeds=2, journal=sys.argv[1], progress=progress)
"""


@pytest.mark.parametrize("lines", [2, 8, 14])
def test_killed_it_goes_on_to_the_same_end(tmp_path: Path, undisturbed: Choice, lines: int) -> None:
    """SIGKILL in the middle: what was committed is not trained again, and the end is the same."""
    journal = tmp_path / "runs.db"
    (listens, tell), (hear, says) = os.pipe(), os.pipe()
    words = ["-c", STEPWISE, journal]
    process = warm.start(words, imported=warm.CHOOSE, streams=[listens, says, 2])
    os.close(listens)
    os.close(says)
    with open(tell, "w") as asked, open(hear) as told:
        for _ in range(lines - 1):
            assert told.readline()
            print("go on", file=asked, flush=True)
        assert told.readline()  # it has trained as much, and waits
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    with sqlite3.connect(journal) as file:
        done = file.execute("SELECT run, metrics FROM runs").fetchall()
        stretches = file.execute("SELECT stop, ended FROM stretches").fetchall()
    assert same(choose(Valley(), total=TOTAL, seeds=2, journal=journal), undisturbed)
    with sqlite3.connect(journal) as file:
        assert set(done) <= set(file.execute("SELECT run, metrics FROM runs").fetchall())
        assert set(stretches) <= set(file.execute("SELECT stop, ended FROM stretches").fetchall())


def test_a_larger_budget_goes_further_from_where_it_was(tmp_path: Path) -> None:
    """It trains what is new alone, and keeps the trials it had."""
    journal = tmp_path / "runs.db"
    options = {"total": TOTAL, "peaks": [0.02, 0.05, 0.1, 0.2, 0.4], "seeds": 1}
    small = choose(Valley(), budget=7 * TOTAL, journal=journal, **options)  # type: ignore[arg-type]
    before = trained(journal)
    large = choose(Valley(), budget=13 * TOTAL, journal=journal, **options)  # type: ignore[arg-type]
    spent = np.cumsum([trial.updates for trial in small.trials])
    begun = int((spent <= 5 * TOTAL).sum())  # later ones were what could still be paid for
    assert begun >= 4
    assert list(map(repr, large.trials[:begun])) == list(map(repr, small.trials[:begun]))
    assert len(large.trials) > len(small.trials)
    assert trained(journal) - before <= large.trained - small.trained + 2 * TOTAL


def test_several_at_once_train_the_same_bits(undisturbed: Choice) -> None:
    """With two worker processes runs are asked for in pairs, and end as they would alone."""
    choice = choose(Valley(), total=TOTAL, seeds=2, workers=2)
    known = {(t.name, t.peak): t.metric for t in undisturbed.trials}
    both = [t for t in choice.trials if (t.name, t.peak) in known]
    assert len(both) >= 4
    assert np.array_equal(
        [known[t.name, t.peak] for t in both], [t.metric for t in both], equal_nan=True
    )
    assert choice.trained <= choice.budget


def test_a_task_with_other_noise_does_not_take_these_runs(tmp_path: Path) -> None:
    """One journal may hold several tasks; none takes runs of another."""
    journal = tmp_path / "runs.db"
    first = choose(Valley(), total=TOTAL, seeds=1, peaks=[0.1, 0.2], budget=240, journal=journal)
    other = replace(Valley(), noise=0.0)
    object.__setattr__(other, "fingerprint", "without noise")
    second = choose(other, total=TOTAL, seeds=1, peaks=[0.1, 0.2], budget=240, journal=journal)
    assert first.trials[0].metric != second.trials[0].metric
