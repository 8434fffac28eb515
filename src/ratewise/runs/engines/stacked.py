"""The engine that trains many runs in one call of the model."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ratewise.runs.engines.jobs import (
    Checkpointed,
    Done,
    Event,
    Fatal,
    Job,
    SavedState,
    StateMissing,
    Trained,
)
from ratewise.runs.engines.worker import PIECE, STRANGE, TRUST, States, Worker, cut, no_room
from ratewise.runs.journal.states import StrangersState
from ratewise.runs.records import Outcome
from ratewise.tasks.failures import forget_locals
from ratewise.tasks.protocols import Losses, Task
from ratewise.tasks.torch.stacked import Stack, Stacking
from ratewise.tasks.torch.stacked_parts import is_out_of_memory, why_not
from ratewise.tasks.torch.stacked_roots import StackRoots
from ratewise.tasks.torch.stacked_state import kind_of_state


@dataclass(eq=False)
class StackMember:
    """A job, and how far it is.

    Args:
        job: The job.
        at: Update that it stands before.
        state: The state there, or None while it is in the stack or was not read yet.
        losses: Losses since the last part that is safe.
        kind: What its state has in common with those that it can be stacked with, once asked for.
        since: When the last part was safe.
        alone: Whether it is to be trained alone.
    """

    job: Job
    at: int = 0
    state: Any = None
    losses: list[Losses] = field(default_factory=list[Losses])
    kind: Any = None
    since: float = 0.0
    alone: bool = False

    @property
    def stop(self) -> int:
        return len(self.job.way.rates)

    def again(self) -> None:
        """Go back to where the job begins."""
        self.stand(None)
        self.at, self.losses = self.job.start, []

    def stand(self, state: Any) -> None:
        """Take the state where it is, or None while that is in a stack."""
        self.state, self.kind = state, None

    def alike(self, other: StackMember) -> bool:
        """Tell whether two runs can be in one stack; both have their states."""
        for one in (self, other):
            if one.kind is None:
                one.kind = one.job.way.optimizer, kind_of_state(one.state)
        return self.kind == other.kind

    def since_part(self) -> Losses:
        return np.concatenate([np.empty(0), *self.losses])


class Stacked:
    """Trains as many jobs at once as there is room for in a stack.

    The runs of a stack stand behind the same number of updates. Whoever ends leaves it, and whoever
    begins where it is joins: the branches of a trunk go on together. Where memory is short the
    stack is halved. What raises in a stack is trained alone, by an ordinary worker, so that
    whoever is to blame gets the record that it would have had.

    Args:
        tasks: The task, and with other optimizers, by their names.
        stackings: How runs with each optimizer are stacked; those that are not here are not.
        states: Where states are kept.
        worker: Who measures, and trains those that are not stacked.
        size: Runs in a stack at most.

    Attributes:
        size: The same, smaller where memory has been short.
        notes: What there is to know, each a sentence.
    """

    ordered = False

    def __init__(
        self,
        tasks: Mapping[str | None, Task],
        stackings: Mapping[str | None, Stacking],
        states: States,
        worker: Worker,
        size: int,
    ) -> None:
        self._roots = {name: StackRoots(tasks[name]) for name in stackings}
        self._stackings = stackings
        self._states, self._worker, self.size = states, worker, size
        self.notes: list[str] = []
        self._held: list[StackMember] = []
        self._stack: Stack | None = None
        self._together: list[StackMember] = []

    def free(self) -> int:
        return self.size - len(self._held)

    def start(self, job: Job) -> None:
        alone = job.way.optimizer not in self._stackings
        self._held.append(StackMember(job, job.start, since=time.monotonic(), alone=alone))

    def close(self) -> None:
        self._held, self._stack, self._together = [], None, []

    def wait(self) -> Iterator[Event]:
        """Yield what a piece of training comes to."""
        if not self._together:
            alone = next((one for one in self._held if one.alone), None)
            if alone is not None:
                yield from self._worker.work(replace(alone.job, last=False))
                self._let_go(alone)
                return
        yield from self._gather()
        if self._together:
            yield from self._train()

    # Who is trained together ------------------------------------------------------------------

    def _gather(self) -> Iterator[Event]:
        """Put into the stack whoever stands where it is, or begin with those furthest behind."""
        for one in [one for one in self._held if not one.alone and one not in self._together]:
            if one.state is None:
                yield from self._stand(one)
        waiting = [one for one in self._held if one.state is not None and one not in self._together]
        if not self._together and waiting:
            self._together = [min(waiting, key=lambda one: one.at)]
            self._stack = None
        if not self._together:
            return
        first, optimizer = self._together[0], self._together[0].job.way.optimizer
        for one in waiting:
            room = len(self._together) < self.size and one is not first
            if room and one.at == first.at and one.job.way.optimizer == optimizer:
                if not self._leave_stack():
                    return
                if one.alike(first):
                    self._together.append(one)

    def _leave_stack(self) -> bool:
        """Give whoever is in the stack a state of its own; return whether they have one."""
        if self._stack is None:
            return True
        try:
            states = [self._stack.state(place) for place in range(len(self._together))]
        except (Exception, SystemExit) as error:
            self._stumble(error)
            return False
        for one, state in zip(self._together, states, strict=True):
            one.stand(state)
        self._stack = None
        return True

    def _stand(self, one: StackMember) -> Iterator[Event]:
        """Read the state that a job begins from."""
        job = one.job
        try:
            if not one.at:
                one.stand(self._roots[job.way.optimizer].first(job.way.seed))
                return
            there, state = self._states.read(job.name(one.at), job.digest)
        except StrangersState:
            self._let_go(one)
            yield Fatal(job.index, STRANGE, TRUST)
            return
        except (Exception, SystemExit) as error:
            self._blame([one], error)
            return
        if not there:
            self._let_go(one)
            yield StateMissing(job.index, job.name(one.at))
            return
        one.stand(state)

    # Training ---------------------------------------------------------------------------------

    def _train(self) -> Iterator[Event]:
        """Train a piece; take out those that end with it."""
        together = self._together
        low = together[0].at
        ends = [one.stop for one in together]
        joins = [one.at for one in self._held if one.at > low and one not in together]
        stop = min([low + PIECE, *ends, *joins])
        try:
            losses = self._made(together, low, stop)
        except (Exception, SystemExit) as error:
            self._stumble(error)
            return
        for one, made in zip(together, losses, strict=True):
            one.losses.append(made)
            one.at = stop
            yield Trained(one.job.index, stop - low)
        stack = self._stack
        assert stack is not None
        over = [
            one for one in together if one.at == one.stop or not np.isfinite(one.losses[-1]).all()
        ]
        if over and not self._leave_stack():
            return
        for place, one in enumerate(together):
            if one in over:
                yield from self._end(one)
            elif time.monotonic() - one.since >= one.job.every:
                try:
                    state = stack.state(place)
                except (Exception, SystemExit) as error:
                    self._stumble(error)
                    return
                yield from self._checkpoint(one, state)
        self._together = [one for one in together if one not in over]

    def _made(self, together: list[StackMember], low: int, stop: int) -> Losses:
        """Return the losses of a piece, float64[runs, k]."""
        if self._stack is None:
            self._stack = self._stacked(together)
        rates = np.stack([one.job.way.rates[low:stop] for one in together])
        return self._stack.train(rates)

    def _stacked(self, together: list[StackMember]) -> Stack:
        optimizer = together[0].job.way.optimizer
        seeds = [one.job.way.seed for one in together]
        states = [one.state for one in together]
        stack = self._roots[optimizer].stack(states, seeds, self._stackings[optimizer])
        for one in together:
            one.stand(None)
        return stack

    def _stumble(self, error: BaseException) -> None:
        """Go on with half as many where memory is short, else with each alone."""
        together, self._together, self._stack = self._together, [], None
        forget_locals(error)
        if is_out_of_memory(error) and len(together) > 1:
            self.size = max(1, len(together) // 2)
            self.notes.append(f"A stack of {len(together)} did not fit: it was halved.")
            for one in together:
                one.again()
        else:
            self._blame(together, error)

    def _blame(self, those: list[StackMember], error: BaseException) -> None:
        """Let some be trained alone, where whatever raises is told of the run that does it."""
        self.notes.append(f"{len(those)} runs were taken out of the stack: {why_not(error)}.")
        for one in those:
            one.again()
            one.alone = True

    # Ending -----------------------------------------------------------------------------------

    def _end(self, one: StackMember) -> Iterator[Event]:
        """Save and measure a run that is at the end of its job, or that broke."""
        job, losses = one.job, one.since_part()
        state, seconds = one.state, time.monotonic() - one.since
        self._let_go(one)
        if not np.isfinite(losses).all():
            begun = one.at - len(losses)
            whole = np.concatenate(
                [np.full(begun, 0.0), losses, np.full(one.stop - one.at, np.nan)]
            )
            bad = cut(whole, begun)
            outcome = Outcome(whole[begun:], {}, None, bad, whole=False)
            yield Done(job.index, outcome, None, seconds)
            return
        kept: SavedState | None = None
        if job.save:
            try:
                kept = self._states.write(job.name(one.stop), state)
            except OSError as error:
                yield no_room(job.index, error)
                return
        outcome = self._worker.measure(job, state, losses, kept is not None)
        yield Done(job.index, outcome, kept, seconds)

    def _checkpoint(self, one: StackMember, state: Any) -> Iterator[Event]:
        """Save a run on its way."""
        now = time.monotonic()
        try:
            kept = self._states.write(one.job.name(one.at), state)
        except OSError as error:
            yield no_room(one.job.index, error)
            return
        losses, seconds = one.since_part(), now - one.since
        one.losses, one.since = [], now
        yield Checkpointed(one.job.index, one.at, losses, kept, seconds)

    def _let_go(self, one: StackMember) -> None:
        """Take a job out, and let go of the state that it began from if nobody else needs it."""
        self._held.remove(one)
        job = one.job
        if job.last and job.start:
            name = job.name(job.start)
            needed = (other.job for other in self._held if other.job.start == job.start)
            if all(other.name(job.start) != name for other in needed):
                self._states.let_go(name)
