"""Whether runs of a task can be stacked, and whether that pays: tried with a few updates."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from ratewise._arrays import Floats
from ratewise._extras import require
from ratewise.tasks.protocols import Task
from ratewise.tasks.torch.stacked import DIFFERENT, NONE, SAME, Stack, Stacking
from ratewise.tasks.torch.stacked_model import LARGE
from ratewise.tasks.torch.stacked_parts import Unstackable, is_out_of_memory, why_not
from ratewise.tasks.torch.stacked_state import alike, attributes_of, places_of
from ratewise.tasks.torch.stacked_steps import hooked_parameters, steps_alike

torch = require("torch", extra="torch")

REPEATS, PATIENCE = 4, 5.0
"""How often each is timed, and seconds after which it is not timed again."""

FEW = 8
"""Runs that are stacked to measure what it is worth."""

CLOSE, SMALL = 1e-4, 0.02
"""How far losses may be apart: relative to the loss, and to what the updates have changed of it."""

MOST = 128
"""Runs in a stack at most, where the user does not say."""

PAYS = 1.3
"""Updates a second in a stack, over those of runs alone, from which on runs are stacked."""

UNKNOWN = 2.0**31
"""Bytes that are taken to be free where no system says it."""

SHARE = 0.5
"""Share of the memory that is free now that a stack may take."""


LEARNED = ("model", "optimizer", "random", "data")
"""Parts of a run's state in which runs at other rates differ, or may draw in another order."""


@dataclass(frozen=True)
class StackTrial:
    """What a trial says.

    Args:
        stacking: How runs are stacked.
        gain: Updates a second in a small stack, as a multiple of those of runs alone.
        bytes: Memory that a run of a stack takes.
        room: Runs that the memory has room for, at least 1.
    """

    stacking: Stacking
    gain: float
    bytes: int
    room: int


def try_stack(task: Task, seed: int, clock: Callable[[], float] = time.perf_counter) -> StackTrial:
    """Train a few runs alone and in a stack, and compare.

    Raises:
        Unstackable: they cannot be stacked, or do not do the same there.
    """
    run = task.open(seed)
    if not hasattr(type(run), "stack_parts"):
        raise Unstackable(f"a {type(task).__name__} says nothing of its model, loss and batches")
    return _Bench(task, run, seed, clock).trial()


class _Bench:
    """A run that is open, and what it does alone."""

    def __init__(self, task: Task, run: Any, seed: int, clock: Callable[[], float]) -> None:
        self._task, self._run, self._seed, self._clock = task, run, seed, clock
        self._parts = run.stack_parts
        self._start = run.save()
        peak = float(self._parts.groups.reference)
        steps = np.array([1.0, 0.5, 1.0, 0.25])
        self._rates: Floats = peak * np.stack([steps, steps[::-1] / 3])

    def trial(self) -> StackTrial:
        if hooked_parameters(self._parts.model):
            raise Unstackable("something is hooked on the gradients of its parameters")
        alone, seconds = self._alone()
        stacking = Stacking(NONE, not steps_alike(self._parts.optimizer), self._still)
        if self._draws:
            stacking = self._drawing(stacking, alone)
        else:
            self._check(stacking, alone)
        size = len(self._rates)
        stack = self._stack(stacking, FEW)
        rates = np.tile(self._rates, (FEW // size, 1))
        took = self._timed(lambda: stack.train(rates)) / FEW
        return StackTrial(
            stacking, seconds / took, self._bytes, _room(self._bytes, self._parts.model)
        )

    def _timed(self, train: Callable[[], Any]) -> float:
        """Return the seconds that training takes where nothing else comes between."""
        best, spent = float("inf"), 0.0
        for again in range(REPEATS):
            began = self._clock()
            train()
            took = max(self._clock() - began, 1e-9)
            best, spent = min(best, took), spent + took
            if again and spent > PATIENCE:
                break
        return best

    def _alone(self) -> tuple[Floats, float]:
        """Train each run alone; return the losses, and the seconds that one takes."""
        losses: list[Floats] = []
        self._begin()
        with _saved_bytes(self._parts.model) as saved:
            self._run.train(self._rates[0, :1])
        self._bytes = _bytes_of(self._parts) + saved[0]
        self._note_changes(self._run.save())
        kept: list[dict[str, Any]] = []
        for rates in self._rates:
            self._begin()
            losses.append(self._run.train(rates))
            kept.append(beside(self._run.save()))
        if not alike(*kept):
            raise Unstackable("it remembers what it learns outside of its model")
        self._kept = kept[0]
        took = self._timed(lambda: self._run.train(self._rates[0]))
        self._begin()
        return np.stack(losses), took

    def _begin(self) -> None:
        self._run.restore(self._start)

    def _note_changes(self, after: Mapping[str, Any]) -> None:
        """Take note of what an update changes beside parameters.

        Raises:
            Unstackable: a plain attribute, which all runs of a stack would have in common.
        """
        was, now = self._start["model"]["modules"], after["model"]["modules"]
        for name in was:
            if attributes_of(was[name]) != attributes_of(now[name]):
                where = f"module {name!r}" if name else "its model"
                raise Unstackable(f"{where} keeps what it learns in an attribute, not in a buffer")
        self._still = tuple(
            place.name
            for place in places_of(self._parts.model)
            if (kept := was[place.module]["buffers"][place.own].value).numel() >= LARGE
            and torch.equal(kept, now[place.module]["buffers"][place.own].value)
        )
        self._drawn, self._after = self._drawn_by_data(), after["random"]
        self._draws = not alike(self._drawn, self._after)

    def _drawn_by_data(self) -> Any:
        """Return the random numbers where the first batch is drawn and nothing else."""
        self._begin()
        feed = self._parts.feed
        if not feed.draws:
            return self._start["random"]
        feed.stand(self._start)
        with feed.stream:
            next(feed.draw(1))
        return feed.stream.state

    def _drawing(self, stacking: Stacking, alone: Floats) -> Stacking:
        """Return how runs are stacked that draw random numbers as they are trained."""
        same = Stacking(SAME, stacking.own_steps, stacking.still)
        try:
            self._check(same, alone)
            return same
        except Unstackable as error:
            if not alike(self._drawn[0], self._after[0]):  # those of Python and numpy
                raise Unstackable(f"{error}, and it draws from random or numpy.random") from None
        other = Stacking(DIFFERENT, stacking.own_steps, stacking.still)
        with self._calm():
            losses, _ = self._alone()
            self._check(Stacking(DIFFERENT, stacking.own_steps), losses)
        self._train(other)
        return other

    @contextmanager
    def _calm(self) -> Generator[None]:
        """Let the model leave nothing out by chance while it is trained."""
        before = self._start
        for module in self._parts.model.modules():
            for name in [name for name in vars(module) if _leaves_out(module, name)]:
                setattr(module, name, 0.0)
        self._run.restore({**before, "model": self._run.save()["model"]})
        self._start = self._run.save()
        try:
            yield
        finally:
            self._start = before
            self._run.restore(before)

    def _check(self, stacking: Stacking, alone: Floats) -> None:
        """Refuse a stack whose losses are not those of runs alone.

        Raises:
            Unstackable: they are not, or it cannot be trained.
        """
        losses = self._train(stacking)
        if not alike(beside(self._parts.feed.place()), self._kept):
            raise Unstackable("it remembers something else than alone")
        scale = np.abs(alone)
        sound = np.isfinite(alone)
        moved = np.where(sound, np.abs(alone - alone[:, :1]), 0.0).max(axis=1, keepdims=True)
        close = np.abs(losses - alone) <= self._close * scale + SMALL * moved
        if not (close | ~sound).all():
            first = np.argwhere(~(close | ~sound))[0]
            told = f"{losses[tuple(first)]:.6g} and not {alone[tuple(first)]:.6g}"
            raise Unstackable(f"its loss at update {first[1]} is {told} in a stack")

    @property
    def _close(self) -> float:
        """How far losses may be apart: by a few roundings, where weights are of a short type."""
        kinds = {p.dtype for p in self._parts.model.parameters() if p.is_floating_point()}
        return max([CLOSE, *(8 * torch.finfo(kind).eps for kind in kinds)])

    def _train(self, stacking: Stacking) -> Floats:
        """Train both runs in a stack.

        Raises:
            Unstackable: that cannot be done.
        """
        try:
            return self._stack(stacking, len(self._rates)).train(self._rates)
        except Exception as error:  # whatever vmap, the model or the loss says
            if is_out_of_memory(error):
                raise
            raise Unstackable(why_not(error)) from error

    def _stack(self, stacking: Stacking, runs: int) -> Stack:
        seeds, feeds = [self._seed] * runs, {self._seed: self._parts.feed}
        return Stack(self._task.open, self._run, [self._start] * runs, seeds, feeds, stacking)


def beside(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a state holds beside weights, random numbers and the place in the data."""
    return {name: one for name, one in state.items() if name not in LEARNED}


def _leaves_out(module: Any, name: str) -> bool:
    """Tell whether an attribute of a module is a share that it leaves out by chance."""
    own = "dropout" in type(module).__name__.lower() and name == "p"
    return isinstance(getattr(module, name), float) and (own or "dropout" in name)


@contextmanager
def _saved_bytes(model: Any) -> Generator[list[int]]:
    """Count the bytes that are kept for going backward, parameters aside."""
    own = {p.untyped_storage().data_ptr() for p in [*model.parameters(), *model.buffers()]}
    found, seen = [0], set[int]()

    def keep(tensor: Any) -> Any:
        if tensor.layout is torch.strided:
            place = tensor.untyped_storage().data_ptr()
            if place not in own and place not in seen:
                seen.add(place)
                found[0] += tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda kept: kept):
        yield found


def _bytes_of(parts: Any) -> int:
    """Return the bytes of a run's weights, gradients, moments and what a step needs beside."""
    trained = sum(p.numel() * p.element_size() for p in parts.model.parameters() if p.requires_grad)
    buffers = sum(b.numel() * b.element_size() for b in parts.model.buffers())
    return 6 * trained + buffers


def _room(bytes_each: int, model: Any) -> int:
    """Return how many runs fit into the memory that is free now, at least one and at most `MOST`.

    What goes backward takes about as much again as what was kept for it.
    """
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    free = _free_bytes(device)
    return int(min(max(SHARE * free // max(2 * bytes_each, 1), 1), MOST))


def _free_bytes(device: Any) -> float:
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    if hasattr(os, "sysconf") and {"SC_AVPHYS_PAGES", "SC_PAGE_SIZE"} <= os.sysconf_names.keys():
        return float(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return UNKNOWN
