"""The worker: where a segment is trained, by whichever engine."""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

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
from ratewise.runs.journal.states import StrangersState
from ratewise.runs.records import Outcome
from ratewise.schedule.errors import Fix
from ratewise.tasks.calls import measured, opened, trained
from ratewise.tasks.failures import TaskError, forget_locals, name_of, users_code
from ratewise.tasks.protocols import Losses, Run, Task

PIECE = 100
"""Updates trained between two looks at the losses, and between two reports of progress."""

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""How the system says that there is no room."""

STRANGE = "finds a checkpoint that takes code to read, and that was not written by you here"
TRUST = Fix("give a new journal, or {trust} if you trust whoever has written it", trust="True")

Root = tuple[int, str | None]


class States(Protocol):
    """A place for states, by name."""

    def write(self, name: str, state: Any) -> SavedState:
        """Keep a state; OSError if there is no room."""
        ...

    def read(self, name: str, digest: str) -> tuple[bool, Any]:
        """Return whether a state is there and whole, and the state.

        Raises:
            StrangersState: it would take code to read it, and it is somebody else's.
        """
        ...

    def let_go(self, name: str) -> None:
        """Say that a state is not read again."""
        ...


class Worker:
    """Trains jobs one after the other with one run of a task.

    The run stays open from job to job: who goes on where the last one stopped restores nothing.
    After an exception in the task's code it is opened anew, as nobody knows what it left behind.

    Args:
        tasks: The task, and with other optimizers, by their names; the task's own is None.
        states: Where states are kept.
    """

    def __init__(self, tasks: Mapping[str | None, Task], states: States) -> None:
        self._tasks, self._states = tasks, states
        self._run: Run | None = None
        self._root: Root | None = None
        self._at: str | None = None
        self._fresh = False
        self._first: Any = None

    def rehearse(self, seed: int, optimizer: str | None) -> Mapping[str, float]:
        """Open, save, measure and restore once, so that a mistake in them costs no training.

        Returns:
            What was measured.
        """
        run = self._open((seed, optimizer))
        with users_code(name_of(self._tasks[optimizer])):
            state = run.save()
            metrics = measured(run)
            run.restore(state)
        return metrics

    def work(self, job: Job) -> Iterator[Event]:
        """Train a job; yield what happens, a `Done` at the end if nothing came in between."""
        try:
            if not self._stand(job):
                yield StateMissing(job.index, job.name(job.start))
                return
        except StrangersState:
            yield Fatal(job.index, STRANGE, TRUST)
            return
        except (Exception, SystemExit) as error:
            yield self._failed(job, np.full(len(job.way.rates) - job.start, np.nan), 0.0, error)
            return
        yield from self._train(job)

    def measure(self, job: Job, state: Any, losses: Losses, kept: bool) -> Outcome:
        """Return what came of a job that was trained elsewhere, measured where it ends.

        Args:
            job: The job.
            state: The state at its end.
            losses: Its losses.
            kept: Whether that state was saved, so that others can go on from it.
        """
        if not job.measure:
            return Outcome(losses, {})
        root = job.way.seed, job.way.optimizer
        try:
            run = self._run if self._root == root and self._run is not None else self._open(root)
            self._at, self._fresh = None, False
            run.restore(state)
            return Outcome(losses, measured(run, job.metrics))
        except (Exception, SystemExit) as error:
            return self._broken(job, losses, error, whole=kept)

    def _train(self, job: Job) -> Iterator[Event]:
        low, total = job.start, len(job.way.rates)
        began = time.monotonic()
        losses = np.full(total, np.nan)
        try:
            for t in range(low, total, PIECE):
                stop = min(t + PIECE, total)
                assert self._run is not None
                self._at = None
                rates = job.way.rates[t:stop]
                losses[t:stop] = trained(self._run, rates)
                yield Trained(job.index, stop - t)
                if not np.isfinite(losses[t:stop]).all():
                    bad = cut(losses, t)
                    outcome = Outcome(losses[low:], {}, None, bad, whole=False)
                    yield Done(job.index, outcome, None, _since(began))
                    return
                if stop < total and _since(began) >= job.every:
                    kept = self._save(job, stop)
                    yield Checkpointed(job.index, stop, losses[low:stop], kept, _since(began))
                    low, began = stop, time.monotonic()
            yield self._end(job, losses[low:], began)
        except NoRoom as error:
            yield no_room(job.index, error.__cause__ or error)
        except (Exception, SystemExit) as error:
            yield self._failed(job, losses[low:], _since(began), error)

    def _end(self, job: Job, losses: Losses, began: float) -> Done:
        """Save and measure; where others go on, they do so from the state saved before."""
        kept = self._save(job, len(job.way.rates)) if job.save else None
        self._at = job.name(len(job.way.rates))
        outcome = Outcome(losses, {})
        if job.measure:
            self._at = None
            try:
                outcome = Outcome(losses, measured(self._run, job.metrics))
            except (Exception, SystemExit) as error:
                outcome = self._broken(job, losses, error, whole=kept is not None)
        return Done(job.index, outcome, kept, _since(began))

    def _save(self, job: Job, updates: int) -> SavedState:
        assert self._run is not None
        state = self._run.save()
        try:
            return self._states.write(job.name(updates), state)
        except OSError as error:
            raise NoRoom(error) from error

    def _stand(self, job: Job) -> bool:
        """Bring the run to where the job begins; return whether that state could be had."""
        root = job.way.seed, job.way.optimizer
        if not job.start:
            self._begin(root, job.opens)
            return True
        name = job.name(job.start)
        warm = self._run is not None and self._at == name
        if not warm:
            there, state = self._states.read(name, job.digest)
            if not there:
                return False
            run = self._run if self._root == root and self._run is not None else self._open(root)
            self._at = None
            self._fresh = False
            run.restore(state)
        if job.last:
            self._states.let_go(name)
        return True

    def _begin(self, root: Root, again: bool) -> None:
        if self._run is not None and self._root == root and self._first is not None:
            self._run.restore(self._first)
        else:
            run = self._run if self._fresh and self._root == root else None
            run = self._open(root) if run is None else run
            self._first = run.save() if again else None
        self._fresh = False
        self._at = None

    def _open(self, root: Root) -> Run:
        self._run = self._first = None  # let go of the old one's memory first
        self._run, self._root = opened(self._tasks[root[1]], root[0]), root
        self._at, self._fresh = None, True
        return self._run

    def _failed(self, job: Job, losses: Losses, seconds: float, error: BaseException) -> Done:
        return Done(job.index, self._broken(job, losses, error), None, seconds)

    def _broken(
        self, job: Job, losses: Losses, error: BaseException, whole: bool = False
    ) -> Outcome:
        """Return what came of a segment in which a user's code raised; let go of the run."""
        self._run = self._at = self._first = None
        failure = TaskError.of(name_of(self._tasks[job.way.optimizer]), error)
        forget_locals(failure)
        return Outcome(losses, {}, failure, whole=whole)


class NoRoom(Exception):
    """A state could not be written."""


def no_room(index: int, error: BaseException) -> Fatal:
    """Return what to make of a state that could not be written."""
    full = getattr(error, "errno", 0) in FULL
    fix = "make room" if full else "give another place for them"
    rule = f"cannot write checkpoints any more: {error}"
    return Fatal(index, rule, f"{fix}; with the same journal it goes on from here")


def cut(losses: Losses, low: int) -> int:
    """Return the first loss from `low` on that is not finite, and blank what follows it."""
    first = low + int(np.argmin(np.isfinite(losses[low:])))
    losses[first + 1 :] = np.nan
    return first


def _since(began: float) -> float:
    return time.monotonic() - began
