"""The laws of a run, held for the tasks of every framework."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np

import ratewise as rw
from ratewise.choose import Run, Task, compare
from ratewise.runs.journal.owner import Owner
from ratewise.runs.journal.states import MAGIC, PLAIN, pack, unpack
from ratewise.tasks.protocols import Rates

Seen = Callable[[Any], Any]
"""What is looked at in a run, besides its losses and its metrics."""


def check_pieces(whole: Run, pieces: Run, rates: Rates, cuts: tuple[int, ...], seen: Seen) -> None:
    """Pieces that are saved and measured in between are the whole."""
    expected = whole.train(rates)
    losses: list[Any] = []
    for piece in np.split(rates, cuts):
        losses.append(pieces.train(piece))
        pieces.save()
        pieces.measure()
    assert np.concatenate(losses).tobytes() == expected.tobytes()
    assert seen(whole) == seen(pieces)
    assert whole.measure() == pieces.measure()


def check_pickled_state(here: Run, there: Run, before: Rates, after: Rates, seen: Seen) -> None:
    """A run goes on from the other's state, written as plain bytes, any number of times."""
    here.train(before)
    owner, name = Owner(), "state"
    state = pack(name, here.save(), owner)
    assert state.startswith(MAGIC + PLAIN), "it takes code to read it"
    expected = here.train(after).tobytes(), seen(here), here.measure()
    for run in (there, here, there):
        run.restore(unpack(name, state, owner))
        run.restore(run.save())
        assert (run.train(after).tobytes(), seen(run), run.measure()) == expected


def check_saved_state(run: Run, rates: Rates) -> None:
    """A state is a copy: the same bytes before and after more training."""
    run.train(rates)
    state = run.save()
    before = pickle.dumps(state)
    run.train(rates)
    run.restore(state)
    run.train(rates)
    assert pickle.dumps(state) == before


def check_sharing(task: Task, peak: float, **options: Any) -> None:
    """Every loss and metric of a comparison is that of the run trained alone in one go."""
    candidates = {
        "constant": rw.Warmup(3) >> rw.Hold(),
        "late": rw.Warmup(3) >> rw.Hold() >> rw.Linear(to=0, over=3),
        "cosine": rw.Warmup(3) >> rw.Cosine(to=0),
    }
    shared = compare(task, candidates, total=9, peaks=[peak], **options)
    assert shared.sharing > 1.2
    for record in shared.runs:
        assert record.error is None
        run = task.open(record.seed)
        assert run.train(record.rates).tobytes() == record.losses.tobytes()
        assert run.measure() == record.metrics
