"""The engine: walk a prefix tree with a task, each stretch trained once."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ratewise.choose.candidates import Asked
from ratewise.choose.outcome import Outcome
from ratewise.choose.protocols import Losses, Rates, Run, Task
from ratewise.choose.tree import PrefixTree, Root, Stretch

if TYPE_CHECKING:
    from ratewise.choose.journal import Book

PIECE = 100
"""Updates trained between two looks at the losses, and between two reports of progress."""


class Walk:
    """Train the stretches of a tree in order, save at forks, go back, measure at the ends.

    An exception in the task's code, or a loss that is not finite, ends the runs that share the
    stretch; the others go on. After an exception the run is opened anew, as nobody knows what it
    left behind. A state is let go when the last branch that needs it begins.

    Args:
        task: The task.
        tree: The stretches.
        others: The task with other optimizers, by the names that stretches have for them.
        asked: The runs of the tree, in their order.
        book: The journal, which knows what was trained before and keeps what is trained now.

    Attributes:
        outcomes: What came of the stretches walked so far, in the order of the tree.
        trained: Updates trained so far.
        dropped: Updates that will not be trained, as their runs have ended early.
    """

    def __init__(
        self,
        task: Task,
        tree: PrefixTree,
        others: Mapping[str, Task] | None = None,
        asked: Sequence[Asked] = (),
        book: Book | None = None,
    ) -> None:
        self.outcomes: list[Outcome] = []
        self.trained = 0
        self.dropped = 0
        self._tasks: dict[str | None, Task] = {None: task}
        self._tasks.update(others or {})
        self._tree = tree
        self._run: Run | None = None
        self._root: Root | None = None
        self._at: int | None = None
        self._states: dict[int, Any] = {}
        self._asked = asked
        self._book = book

    def rehearse(self) -> tuple[str, ...]:
        """Open, save, measure and restore once, so that a mistake in them costs no training.

        Returns:
            The names of the metrics.
        """
        run = self._open(self._tree.stretches[0])
        state = run.save()
        names = tuple(run.measure())
        run.restore(state)
        return names

    def steps(self) -> Iterator[int]:
        """Train everything; yield the index of the stretch after every piece of it."""
        for index, stretch in enumerate(self._tree.stretches):
            before = None if stretch.parent is None else self.outcomes[stretch.parent]
            if before is not None and not before.whole:
                nothing = np.full(len(stretch.rates), np.nan)
                self.outcomes.append(replace(before, losses=nothing))
                self.dropped += len(stretch.rates)
                self._keep(index, stretch, len(stretch.rates), 0.0)
            else:
                yield from self._walk(index, stretch)

    def _walk(self, index: int, stretch: Stretch) -> Iterator[int]:
        losses = np.full(len(stretch.rates), np.nan)
        trained, known, began = self.trained, 0, time.monotonic()
        diverged = error = None
        try:
            run = self._stand_before(index, stretch)
            known = self._recall(stretch, run, losses)
            for low in range(known, len(losses), PIECE):
                piece = slice(low, min(low + PIECE, len(losses)))
                losses[piece] = _checked(run.train(stretch.rates[piece]), stretch.rates[piece])
                self.trained += piece.stop - low
                yield index
                if not np.isfinite(losses[piece]).all():
                    diverged = _cut(losses)
                    break
            if diverged is None and stretch.is_returned_to:
                self._states[index] = run.save()
        except Exception:
            error = self._failed()
        whole = error is None and diverged is None
        self.dropped += len(losses) - (self.trained - trained)
        self._at = index if whole else None
        if diverged is not None:
            diverged += stretch.start
        self._finish(stretch, Outcome(losses, {}, error, diverged, whole))
        self._keep(index, stretch, known, time.monotonic() - began)

    def _recall(self, stretch: Stretch, run: Run, losses: Losses) -> int:
        """Go to the furthest state that the journal has in a stretch; return how far it is."""
        if self._book is None or not len(losses):
            return 0
        rates = self._rates(stretch)
        found = self._book.furthest(stretch.seed, stretch.optimizer, rates, stretch.start)
        if found is None:
            return 0
        updates, state, past = found
        losses[: len(past)] = past
        run.restore(state)
        return updates - stretch.start

    def _rates(self, stretch: Stretch) -> Rates:
        """Return the rates from the start of the run to the end of a stretch."""
        return self._asked[stretch.runs[0]].rates[: stretch.stop]

    def _keep(self, index: int, stretch: Stretch, known: int, seconds: float) -> None:
        """Commit a stretch, and the runs that ended with it, to the journal."""
        if self._book is None:
            return
        outcome, rates = self.outcomes[index], self._rates(stretch)
        low = known if outcome.whole else len(outcome.losses)
        state = self._states.get(index) if stretch.stop else None
        self._book.commit(
            stretch.seed,
            stretch.optimizer,
            rates,
            stretch.start + low,
            outcome.losses[low:],
            state=state,
            runs={self._asked[i]: (outcome, self.losses(index, i)) for i in stretch.ends},
            seconds=seconds,
        )
        parent = stretch.parent
        if parent is not None and self._tree.stretches[parent].children[-1] == index:
            self._book.release(stretch.seed, stretch.optimizer, rates[: stretch.start])

    def losses(self, index: int, run: int) -> Losses:
        """Return the losses of a run that ends with a stretch, NaN where it did not get."""
        losses = np.full(len(self._asked[run].rates), np.nan)
        reached = [self.outcomes[i].losses for i in self._tree.path(index)]
        joined = np.concatenate(reached)
        losses[: len(joined)] = joined
        return losses

    def _finish(self, stretch: Stretch, outcome: Outcome) -> None:
        """Measure where a run ends; where others go on, they do so from the state saved before."""
        if outcome.whole and stretch.ends:
            try:
                assert self._run is not None
                self._at = None
                metrics = {name: float(value) for name, value in self._run.measure().items()}
                outcome = replace(outcome, metrics=metrics)
            except Exception:
                outcome = replace(outcome, error=self._failed())
        self.outcomes.append(outcome)

    def _stand_before(self, index: int, stretch: Stretch) -> Run:
        """Return the run, standing where the stretch begins."""
        parent = stretch.parent
        if parent is None:
            return self._open(stretch)
        last = self._tree.stretches[parent].children[-1] == index
        state = self._states.pop(parent, None) if last else self._states.get(parent)
        if self._at == parent and self._run is not None:
            return self._run
        run = self._run or self._open(stretch)
        run.restore(state)
        return run

    def _open(self, stretch: Stretch) -> Run:
        """Return a run for it: the rehearsed one, or a new one in the place of the old."""
        root = stretch.seed, stretch.optimizer
        fresh = self._run is not None and self._root == root and not self.outcomes
        if self._run is None or not fresh:
            self._run = None  # let go of the old one's memory first
            self._run, self._root = self._tasks[stretch.optimizer].open(stretch.seed), root
        return self._run

    def _failed(self) -> str:
        self._run = self._at = None
        return traceback.format_exc()


def _checked(losses: Any, rates: Losses) -> Losses:
    given = np.asarray(losses, dtype=np.float64)
    if given.shape != rates.shape:
        raise ValueError(f"train(rates) of {len(rates)} rates returned losses of {given.shape}")
    return given


def _cut(losses: Losses) -> int:
    """Return the first loss that is not finite but was trained, and blank what follows it."""
    first = int(np.argmin(np.isfinite(losses)))
    losses[first + 1 :] = np.nan
    return first
