"""The driver: walk a prefix tree with an engine, each stretch trained once."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ratewise.runs.engines import (
    Done,
    Engine,
    Event,
    Fatal,
    Job,
    Part,
    StateMissing,
    Trained,
    WorkerDied,
)
from ratewise.runs.journal import Journal
from ratewise.runs.records import Outcome
from ratewise.runs.specs import RunSpec
from ratewise.runs.tree import PrefixTree, Segment
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Call
from ratewise.tasks.protocols import Losses, Rates

RETRIES = 2
"""How often a stretch is tried again when whoever had it has died."""


@dataclass(eq=False)
class InFlight:
    """A stretch that is being trained.

    Args:
        job: What the engine was given.
        known: Losses of the stretch that are safe, from its start.
        part: Update of a state within the stretch that is kept for now, or None.
    """

    job: Job
    known: Losses = field(default_factory=lambda: np.empty(0))
    part: int | None = None


class TreeDriver:
    """Hand the stretches of a tree to an engine, keep what comes back, go on behind it.

    An exception in the task's code, or a loss that is not finite, ends the runs that share the
    stretch; the others go on. A state is let go when the last branch that needs it is done. Of
    several stretches that can be trained, the first in the tree comes first if the engine trains
    them in order, which holds the fewest states; else the one with the longest way to go.

    Args:
        engine: Who trains.
        tree: The stretches.
        asked: The runs of the tree, in their order.
        book: The journal, which knows what was trained before and keeps what is trained now.
        every: Seconds after which a state is saved within a stretch; needs a journal.

    Attributes:
        outcomes: What came of the stretches that are done.
        trained: Updates trained so far.
        dropped: Updates that will not be trained, as their runs have ended early.
    """

    def __init__(
        self,
        engine: Engine,
        tree: PrefixTree,
        asked: Sequence[RunSpec],
        book: Journal | None = None,
        every: float = float("inf"),
    ) -> None:
        self.outcomes: dict[int, Outcome] = {}
        self.trained = 0
        self.dropped = 0
        self._engine, self._tree, self._asked, self._book = engine, tree, asked, book
        self._every = every if book is not None else float("inf")
        self._ready: list[tuple[int, int]] = []
        self._going: dict[int, InFlight] = {}
        self._kept: dict[int, str] = {}
        self._made = [0] * len(tree.stretches)
        self._lost = [0] * len(tree.stretches)
        self._begun = [0] * len(tree.stretches)
        self._finished = [0] * len(tree.stretches)
        if book is not None:
            book.claim(
                (stretch.seed, stretch.optimizer, self._rates(stretch), stretch.start)
                for stretch in tree.stretches
                if stretch.stop
            )

    def steps(self) -> Iterator[int]:
        """Train everything; yield the index of a stretch after every piece of it."""
        for index, stretch in enumerate(self._tree.stretches):
            if stretch.parent is None:
                self._push(index)
        while self._ready or self._going:
            while self._ready and self._engine.free() > 0:
                self._begin(heapq.heappop(self._ready)[1])
            if self._going:
                for event in self._engine.wait():
                    self._hear(event)
                    if isinstance(event, Trained):
                        yield event.index

    @property
    def going(self) -> dict[int, int]:
        """The stretches that are being trained, and how many updates of each were made."""
        return {index: self._made[index] for index in self._going}

    def losses(self, index: int, run: int) -> Losses:
        """Return the losses of a run that ends with a stretch, NaN where it did not get."""
        found = [self.outcomes[i].losses for i in self._tree.path(index) if i in self.outcomes]
        losses = np.full(len(self._asked[run].rates), np.nan)
        joined = np.concatenate([*found, losses[:0]])
        losses[: len(joined)] = joined
        return losses

    def _push(self, index: int) -> None:
        heapq.heappush(
            self._ready, (index if self._engine.ordered else -self._tree.ways[index], index)
        )

    def _rates(self, stretch: Segment) -> Rates:
        """Return the rates from the start of the run to the end of a stretch."""
        return self._asked[stretch.runs[0]].rates[: stretch.stop]

    # Beginning ------------------------------------------------------------------------------

    def _begin(self, index: int) -> None:
        """Begin a stretch where it is furthest; one with nothing to do is done at once."""
        stretch = self._tree.stretches[index]
        start, digest, known, part = self._recall(index, stretch)
        if start == stretch.stop and not stretch.ends:
            if stretch.stop:
                self._kept[index] = digest
            self._finish(index, Outcome(known, {}))
            return
        parent, siblings = stretch.parent, 1
        if parent is not None:
            self._begun[parent] += 1
            siblings = len(self._tree.stretches[parent].children)
        job = Job(
            index=index,
            task="" if self._book is None else self._book.task,
            seed=stretch.seed,
            optimizer=stretch.optimizer,
            rates=self._rates(stretch),
            start=start,
            digest=digest,
            opens=siblings > 1,
            last=parent is not None and self._begun[parent] == siblings,
            save=stretch.is_returned_to,
            measure=bool(stretch.ends),
            every=self._every,
        )
        self._going[index] = InFlight(job, known, part)
        self._engine.start(job)

    def _recall(self, index: int, stretch: Segment) -> tuple[int, str, Losses, int | None]:
        """Find where to begin: the furthest state in the stretch, else the one at its start.

        If that was damaged, any before it, or the beginning of the run.

        Returns:
            The update, the state's digest, the losses until there, and the update again if that
            is within the stretch.
        """
        low, nothing = stretch.start, np.empty(0)
        parent = stretch.parent
        kept = None if parent is None else self._kept.get(parent)
        if self._book is not None:
            run = stretch.seed, stretch.optimizer, self._rates(stretch)
            found = self._book.furthest(*run, low)
            if found is not None:
                self._book.need(found.state)
                if not self._lost[index]:
                    self._book.reused += found.updates - low
                return found.updates, found.digest, found.losses, found.updates
            if low and kept is None:
                found = self._book.furthest(*run, 0)
                return (0, "", nothing, None) if found is None else (*found[:2], nothing, None)
        return low, kept or "", nothing, None

    # Hearing --------------------------------------------------------------------------------

    def _hear(self, event: Event) -> None:
        if isinstance(event, Trained):
            self.trained += event.updates
            self._made[event.index] += event.updates
        elif isinstance(event, Part):
            self._keep_part(event)
        elif isinstance(event, Done):
            self._end(event)
        elif isinstance(event, Fatal):
            raise ScheduleError(Call("compare"), event.rule, event.fix)
        else:
            self._again(event)

    def _keep_part(self, event: Part) -> None:
        """Commit what a stretch has so far, and let the state before it go."""
        going = self._going[event.index]
        if event.stop <= self._tree.stretches[event.index].start:
            return  # on the way to a stretch whose beginning was lost
        new = self._new(event.index, event.losses, event.stop)
        self._commit(event.index, new, event.stop, event)
        going.known, before, going.part = np.append(going.known, new), going.part, event.stop
        self._release(event.index, before)

    def _new(self, index: int, losses: Losses, stop: int) -> Losses:
        """Return the losses that are new in a stretch; what was trained on the way to it is not."""
        start = self._tree.stretches[index].start + len(self._going[index].known)
        return losses[len(losses) - (stop - start) :]

    def _end(self, event: Done) -> None:
        index, stretch = event.index, self._tree.stretches[event.index]
        new = self._new(index, event.losses, stretch.stop)
        going = self._going.pop(index)
        losses = np.append(going.known, new)
        outcome = Outcome(losses, event.metrics, event.error, event.diverged, event.whole)
        self.dropped += len(losses) - self._made[index]
        self.outcomes[index] = outcome
        if event.kept is not None:
            self._kept[index] = event.kept[1]
        self._commit(index, new if event.whole else new[:0], stretch.stop, event)
        if going.part != stretch.stop:
            self._release(index, going.part)
        self._finish(index, outcome)

    def _again(self, event: StateMissing | WorkerDied) -> None:
        """Try a stretch again: from an earlier state, or because whoever had it has died."""
        index, going = event.index, self._going[event.index]
        if isinstance(event, StateMissing):
            assert self._book is not None
            self._book.lose(event.state)
            parent = self._tree.stretches[index].parent
            if parent is not None and going.job.start == self._tree.stretches[index].start:
                self._kept.pop(parent, None)
        else:
            self._lost[index] += 1
            if self._lost[index] > RETRIES:
                nothing = np.full(len(going.job.rates), np.nan)
                why = f"given up after {RETRIES + 1} tries: {event.why}\n"
                self._end(Done(index, nothing, {}, why))
                return
        del self._going[index]
        parent = self._tree.stretches[index].parent
        if parent is not None:
            self._begun[parent] -= 1
        self._push(index)

    # Going on -------------------------------------------------------------------------------

    def _finish(self, index: int, outcome: Outcome) -> None:
        """Go on behind a stretch, or end what would have gone on; let go of what it came from."""
        self.outcomes[index] = outcome
        for child in self._tree.stretches[index].children:
            if outcome.whole:
                self._push(child)
            else:
                self._drop(child, outcome)
        parent = self._tree.stretches[index].parent
        if parent is not None:
            self._finished[parent] += 1
            all_done = self._finished[parent] == len(self._tree.stretches[parent].children)
            if all_done and parent in self._kept:
                self._release(parent, self._tree.stretches[parent].stop)

    def _drop(self, first: int, before: Outcome) -> None:
        """End a stretch and all behind it, as a run before it has ended."""
        stack = [first]
        while stack:
            index = stack.pop()
            stretch = self._tree.stretches[index]
            nothing = np.full(len(stretch.rates), np.nan)
            self.outcomes[index] = replace(before, losses=nothing)
            self.dropped += len(nothing)
            self._commit(index, nothing[:0], stretch.stop, None)
            stack.extend(reversed(stretch.children))

    def _commit(self, index: int, new: Losses, stop: int, event: Part | Done | None) -> None:
        """Commit updates of a stretch, and the runs that ended with it, to the journal."""
        if self._book is None:
            return
        stretch = self._tree.stretches[index]
        ended = () if isinstance(event, Part) else stretch.ends
        self._book.commit(
            stretch.seed,
            stretch.optimizer,
            self._rates(stretch)[:stop],
            stop - len(new),
            new,
            kept=None if event is None else event.kept,
            runs={self._asked[i]: (self.outcomes[index], self.losses(index, i)) for i in ended},
            seconds=0.0 if event is None else event.seconds,
        )

    def _release(self, index: int, updates: int | None) -> None:
        """Say that nobody needs the state behind some updates of a stretch any more."""
        if self._book is not None and updates is not None:
            stretch = self._tree.stretches[index]
            rates = self._rates(stretch)[:updates]
            self._book.release(stretch.seed, stretch.optimizer, rates)
