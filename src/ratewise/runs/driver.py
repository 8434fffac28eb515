"""The driver: walk a prefix tree with an engine, each segment trained once."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ratewise.runs.engines import Engine
from ratewise.runs.engines.jobs import (
    Checkpointed,
    Done,
    Event,
    Fatal,
    Job,
    StateMissing,
    Trained,
    WorkerDied,
)
from ratewise.runs.journal import Journal
from ratewise.runs.keys import Way
from ratewise.runs.records import Outcome
from ratewise.runs.specs import RunSpec
from ratewise.runs.tree import PrefixTree, Segment
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Call
from ratewise.tasks.failures import TaskError
from ratewise.tasks.protocols import Losses

RETRIES = 2
"""How often a segment is tried again when whoever had it has died."""


@dataclass(eq=False)
class InFlight:
    """A segment that is being trained.

    Args:
        job: What the engine was given.
        known: Losses of the segment that are safe, from its start.
        part: Update of a state within the segment that is kept for now, or None.
    """

    job: Job
    known: Losses = field(default_factory=lambda: np.empty(0))
    part: int | None = None


class TreeDriver:
    """Hand the segments of a tree to an engine, keep what comes back, go on behind it.

    An exception in the task's code, or a loss that is not finite, ends the runs that share the
    segment; the others go on. A state is let go when the last branch that needs it is done. Of
    several segments that can be trained, the first in the tree comes first if the engine trains
    them in order, which holds the fewest states; else the one with the longest way to go.

    Args:
        engine: Who trains.
        tree: The segments.
        specs: The runs of the tree, in their order.
        journal: The journal, which knows what was trained before and keeps what is trained now.
        every: Seconds after which a state is saved within a segment; needs a journal.
        metrics: What the task measures.

    Attributes:
        outcomes: What came of the segments that are done.
        trained: Updates trained so far.
        dropped: Updates that will not be trained, as their runs have ended early.
        left: Ways to the states from which runs whose code raised can be tried again.
    """

    def __init__(
        self,
        engine: Engine,
        tree: PrefixTree,
        specs: Sequence[RunSpec],
        journal: Journal | None = None,
        every: float = float("inf"),
        metrics: tuple[str, ...] = (),
    ) -> None:
        self.outcomes: dict[int, Outcome] = {}
        self.trained = 0
        self.dropped = 0
        self.left: list[Way] = []
        self._engine, self.tree, self._specs, self._journal = engine, tree, specs, journal
        self._metrics = metrics
        self._every = every if journal is not None else float("inf")
        self._ready: list[tuple[int, int]] = []
        self._going: dict[int, InFlight] = {}
        self._kept: dict[int, str] = {}
        self._made = [0] * len(tree.segments)
        self._wanted: set[int] = set()
        self._lost = [0] * len(tree.segments)
        self._begun = [0] * len(tree.segments)
        self._finished = [0] * len(tree.segments)
        if journal is not None:
            journal.claim(
                (self._way(segment), segment.start) for segment in tree.segments if segment.stop
            )

    def steps(self) -> Iterator[int]:
        """Train everything; yield the index of a segment after every piece of it."""
        for index, segment in enumerate(self.tree.segments):
            if segment.parent is None:
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
        """The segments that are being trained, and how many updates of each were made."""
        return {index: self._made[index] for index in self._going}

    def losses(self, index: int, run: int) -> Losses:
        """Return the losses of a run that ends with a segment, NaN where it did not get."""
        found = [self.outcomes[i].losses for i in self.tree.path(index) if i in self.outcomes]
        losses = np.full(len(self._specs[run].rates), np.nan)
        joined = np.concatenate([*found, losses[:0]])
        losses[: len(joined)] = joined
        return losses

    def _push(self, index: int) -> None:
        heapq.heappush(
            self._ready, (index if self._engine.ordered else -self.tree.ways[index], index)
        )

    def _way(self, segment: Segment) -> Way:
        """Return the way from the start of the run to the end of a segment."""
        return self._specs[segment.runs[0]].way.until(segment.stop)

    # Beginning ------------------------------------------------------------------------------

    def _begin(self, index: int) -> None:
        """Begin a segment where it is furthest; one with nothing to do is done at once."""
        segment = self.tree.segments[index]
        start, digest, known, part = self._recall(index, segment)
        if start == segment.stop and not segment.ends:
            if segment.stop:
                self._kept[index] = digest
            self._finish(index, Outcome(known, {}))
            return
        parent, siblings = segment.parent, 1
        if parent is not None:
            self._begun[parent] += 1
            siblings = len(self.tree.segments[parent].children)
        job = Job(
            index=index,
            task="" if self._journal is None else self._journal.task,
            way=self._way(segment),
            start=start,
            digest=digest,
            opens=siblings > 1,
            last=parent is not None and self._begun[parent] == siblings,
            save=segment.is_returned_to,
            measure=bool(segment.ends),
            every=self._every,
            metrics=self._metrics,
        )
        self._going[index] = InFlight(job, known, part)
        self._engine.start(job)

    def _recall(self, index: int, segment: Segment) -> tuple[int, str, Losses, int | None]:
        """Find where to begin: the furthest state in the segment, else the one at its start.

        If that was damaged, any before it, or the beginning of the run.

        Returns:
            The update, the state's digest, the losses until there, and the update again if that
            is within the segment.
        """
        low, nothing = segment.start, np.empty(0)
        parent = segment.parent
        kept = None if parent is None else self._kept.get(parent)
        if self._journal is not None:
            way = self._way(segment)
            found = self._journal.furthest(way, low)
            if found is not None:
                self._journal.need(found.state)
                if not self._lost[index]:
                    self._journal.reused += found.updates - low
                return found.updates, found.digest, found.losses, found.updates
            if low and kept is None:
                found = self._journal.furthest(way, 0)
                return (0, "", nothing, None) if found is None else (*found[:2], nothing, None)
        return low, kept or "", nothing, None

    # Hearing --------------------------------------------------------------------------------

    def _hear(self, event: Event) -> None:
        if isinstance(event, Trained):
            self.trained += event.updates
            self._made[event.index] += event.updates
        elif isinstance(event, Checkpointed):
            self._keep_part(event)
        elif isinstance(event, Done):
            self._end(event)
        elif isinstance(event, Fatal):
            told = Call("compare"), event.rule, event.fix
            if event.traceback:
                raise TaskError(*told, traceback=event.traceback)
            raise ScheduleError(*told)
        else:
            self._again(event)

    def _keep_part(self, event: Checkpointed) -> None:
        """Commit what a segment has so far, and let the state before it go."""
        going = self._going[event.index]
        if event.stop <= self.tree.segments[event.index].start:
            return  # on the way to a segment whose beginning was lost
        new = self._new(event.index, event.losses, event.stop)
        self._commit(event.index, new, event.stop, event)
        going.known, before, going.part = np.append(going.known, new), going.part, event.stop
        self._release(event.index, before)

    def _new(self, index: int, losses: Losses, stop: int) -> Losses:
        """Return the losses that are new in a segment; what was trained on the way to it is not."""
        start = self.tree.segments[index].start + len(self._going[index].known)
        return losses[len(losses) - (stop - start) :]

    def _end(self, event: Done) -> None:
        index, segment = event.index, self.tree.segments[event.index]
        new = self._new(index, event.outcome.losses, segment.stop)
        going = self._going.pop(index)
        losses = np.append(going.known, new)
        outcome = replace(event.outcome, losses=losses)
        self.dropped += len(losses) - self._made[index]
        self.outcomes[index] = outcome
        if event.kept is not None:
            self._kept[index] = event.kept[1]
        self._commit(index, new if outcome.whole else new[:0], segment.stop, event)
        if outcome.failure is not None:
            self._leave(index, going.part)
        elif going.part != segment.stop:
            self._release(index, going.part)
        self._finish(index, outcome)

    def _again(self, event: StateMissing | WorkerDied) -> None:
        """Try a segment again: from an earlier state, or because whoever had it has died."""
        index, going = event.index, self._going[event.index]
        if isinstance(event, StateMissing):
            assert self._journal is not None
            self._journal.lose(event.state)
            parent = self.tree.segments[index].parent
            if parent is not None and going.job.start == self.tree.segments[index].start:
                self._kept.pop(parent, None)
        else:
            self._lost[index] += 1
            if self._lost[index] > RETRIES:
                nothing = np.full(len(going.job.way.rates), np.nan)
                why = f"was given up after {RETRIES + 1} tries: {event.why}"
                failure = TaskError(
                    "The task", why, "see what it printed, or train without workers"
                )
                self._end(Done(index, Outcome(nothing, {}, failure, whole=False)))
                return
        del self._going[index]
        parent = self.tree.segments[index].parent
        if parent is not None:
            self._begun[parent] -= 1
        self._push(index)

    # Going on -------------------------------------------------------------------------------

    def _finish(self, index: int, outcome: Outcome) -> None:
        """Go on behind a segment, or end what would have gone on; let go of what it came from."""
        self.outcomes[index] = outcome
        for child in self.tree.segments[index].children:
            if outcome.whole:
                self._push(child)
            else:
                self._drop(child, outcome)
        parent = self.tree.segments[index].parent
        if parent is not None:
            self._finished[parent] += 1
            all_done = self._finished[parent] == len(self.tree.segments[parent].children)
            if all_done and parent in self._kept and parent not in self._wanted:
                self._release(parent, self.tree.segments[parent].stop)

    def _leave(self, index: int, part: int | None) -> None:
        """Keep the state that a segment whose code raised can go on from, when it is mended."""
        way, parent = self._way(self.tree.segments[index]), self.tree.segments[index].parent
        if part is not None:
            self.left.append(way.until(part))
        elif parent is not None:
            self._wanted.add(parent)
            self.left.append(way.until(self.tree.segments[parent].stop))

    def _drop(self, first: int, before: Outcome) -> None:
        """End a segment and all behind it, as a run before it has ended."""
        stack = [first]
        while stack:
            index = stack.pop()
            segment = self.tree.segments[index]
            nothing = np.full(len(segment.rates), np.nan)
            self.outcomes[index] = replace(before, losses=nothing)
            self.dropped += len(nothing)
            self._commit(index, nothing[:0], segment.stop, None)
            stack.extend(reversed(segment.children))

    def _commit(
        self, index: int, new: Losses, stop: int, event: Checkpointed | Done | None
    ) -> None:
        """Commit updates of a segment, and the runs that ended with it, to the journal."""
        if self._journal is None:
            return
        segment = self.tree.segments[index]
        ended = () if isinstance(event, Checkpointed) else segment.ends
        self._journal.commit(
            self._way(segment).until(stop),
            stop - len(new),
            new,
            kept=None if event is None else event.kept,
            runs={self._specs[i]: (self.outcomes[index], self.losses(index, i)) for i in ended},
            seconds=0.0 if event is None else event.seconds,
        )

    def _release(self, index: int, updates: int | None) -> None:
        """Say that nobody needs the state behind some updates of a segment any more."""
        if self._journal is not None and updates is not None:
            self._journal.release(self._way(self.tree.segments[index]).until(updates))
