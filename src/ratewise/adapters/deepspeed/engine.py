"""A schedule on an engine of DeepSpeed: in the place of its scheduler, on its own count."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any

from torch.optim import Optimizer

from ratewise.adapters.deepspeed.dial import EngineDial
from ratewise.adapters.torch.carried import count_in
from ratewise.adapters.torch.scheduler import Scheduler, announce, rewind, synced_clock_of
from ratewise.adapters.torch.state import is_of_another
from ratewise.adapters.torch.trainers import RunSettings, take_up
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import speaking

WHO = "attach"


class EngineScheduler(Scheduler):
    """The scheduler of an engine, which calls `step()` behind every update that was committed.

    Whoever else calls it moves nothing: behind each update of the optimizer one call counts, and
    before the next one the engine's own count is asked.

    Attributes:
        loaded: Whether its state was loaded since the last update: what it says then comes first.
    """

    __module__ = "ratewise.deepspeed"
    loaded = False

    def step(self, *args: Any, **kwargs: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Count an update, as DeepSpeed does behind each that it has committed."""
        dial: Any = self.optimizer
        if dial.due:
            dial.due = False
            dial.step()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where a state was saved, whatever the engine has counted."""
        super().load_state_dict(state_dict)
        self.loaded = not is_of_another(state_dict)


class EngineClock:
    """Keeps a schedule at the count of its engine, and its rates in the groups.

    A state says at which update it was saved: our own, and that of an optimizer, which carries the
    count in its groups. From there on the engine's count is followed, which may be another one, as
    where the state of the optimizer was loaded alone.

    Args:
        inner: The optimizer of PyTorch whose groups the engine reads its rates from.
        settings: What is to be followed.
        known: What is known of the size of the run.
        engine: The engine; None while it is being made.

    Attributes:
        scheduler: What stands, or is to stand, at `engine.lr_scheduler`.
    """

    def __init__(
        self, inner: Optimizer, settings: RunSettings, known: Mapping[str, Any], engine: Any = None
    ) -> None:
        before = _bound_before(inner, engine)
        if before is not None:
            rewind(before)
        self._dial = EngineDial(inner)
        bound: Any = settings.bind(self._dial, kind=EngineScheduler, **known)
        self.scheduler: EngineScheduler = bound
        self._given: int | None = settings.policies["updates"]
        self._engine: Any = lambda: None
        self._shift = 0  # of the engine's count in the schedule's
        self._carried = count_in(inner.param_groups) is not None and before is None
        if engine is not None:
            self.join(engine)
        inner.register_step_pre_hook(self._before)
        inner.register_load_state_dict_post_hook(self._loaded)

    def join(self, engine: Any) -> None:
        """Take the place of the scheduler of an engine, at its count."""
        self._engine = weakref.ref(engine)
        if self._given is not None:
            self._shift = self._given - _committed(engine)
        self._settle()
        take_up(self.scheduler, self._count(), WHO)
        engine.lr_scheduler = self.scheduler

    def _count(self) -> int:
        engine = self._engine()
        if engine is None:
            return self.scheduler.committed
        return max(_committed(engine) + self._shift, 0)

    def _before(self, inner: Optimizer, *_: Any) -> None:
        """Put the rates of the coming update in place; some of its groups may be stepped alone."""
        self._dial.follow(inner)
        self._settle()
        count = self._count()
        if self.scheduler.committed != count:
            if not self.scheduler.committed:
                take_up(self.scheduler, count, WHO)
            else:
                self.scheduler.seek(count)
        clock = synced_clock_of(self.scheduler)
        for question in clock.questions.values():
            with speaking(clock.face):
                raise question  # now: the dial's own hooks come behind the update
        announce(self.scheduler)
        self._dial.due = True

    def _loaded(self, inner: Optimizer) -> None:
        """Take up what a state of the optimizer carries; an older one carries nothing."""
        clock = synced_clock_of(self.scheduler)
        self._dial.follow(inner)
        self._carried = count_in(inner.param_groups) is not None
        clock.relink(self._dial)

    def _settle(self) -> None:
        """Go on from the update of what was loaded, of which the engine may have counted none."""
        engine = self._engine()
        if engine is None:
            return
        if self._carried or self.scheduler.loaded:
            self._shift = self.scheduler.committed - _committed(engine)
        self._carried = self.scheduler.loaded = False


def inner_of(engine: Any) -> Optimizer:
    """Return the optimizer of PyTorch whose groups an engine reads its rates from."""
    inner = getattr(engine, "basic_optimizer", None)
    if not isinstance(inner, Optimizer):
        rule = f"found no optimizer of PyTorch in this engine, but {type(inner).__name__}"
        fix = "give deepspeed.initialize(optimizer=…), or one of its config by its type"
        raise ScheduleError(WHO, rule, fix)
    return inner


def check_engine(engine: Any) -> None:
    """Refuse what is no engine, and one that cannot follow a schedule rightly.

    Raises:
        ScheduleError: another scheduler is there, or copies of the rates are made.
    """
    names = ("global_steps", "skipped_steps", "lr_scheduler", "gradient_accumulation_steps")
    if not all(hasattr(engine, name) for name in names):
        fix = "write engine, *_ = deepspeed.initialize(…), and attach(engine, schedule, total=…)"
        raise ScheduleError(WHO, "needs an engine of DeepSpeed", fix, given=engine)
    if isinstance(engine.lr_scheduler, EngineScheduler):
        fix = "attach once; put several schedules in a Plan"
        raise ScheduleError(WHO, "found a schedule on this engine", fix)
    own = engine.lr_scheduler
    if own is not None and not isinstance(own, Scheduler):
        rule = f"found a {type(own).__name__} on this engine, which sets the rate as well"
        fix = 'leave "scheduler" out of its config, and lr_scheduler out of initialize(…)'
        raise ScheduleError(WHO, rule, fix)
    if getattr(engine, "zenflow", False):
        rule = "cannot follow ZenFlow, whose own steps copy the rates when they like"
        raise ScheduleError(WHO, rule, 'leave "zenflow" out of the config')


def _bound_before(inner: Optimizer, engine: Any) -> Scheduler | None:
    """Return a schedule that was bound before the engine came, which would count its groups.

    Some engines take a step of zeros when they are made, so that there is a state.
    """
    try:
        found = Scheduler.of(inner)
    except ScheduleError:
        return None
    if found.committed > (0 if engine is not None and engine.global_steps else 1):
        rule = f"found a schedule on its optimizer that has made {found.committed} updates"
        fix = "attach(engine, …) alone, in the place of Scheduler(optimizer, …)"
        raise ScheduleError(WHO, rule, fix)
    return found


def _committed(engine: Any) -> int:
    return engine.global_steps - engine.skipped_steps


def known_of(engine: Any) -> dict[str, Any]:
    """Return what an engine knows of its run: an epoch, and the samples in an update."""
    loader = getattr(engine, "training_dataloader", None)
    try:
        epoch = None if loader is None else len(loader) / engine.gradient_accumulation_steps()
    except TypeError:  # a stream
        epoch = None
    return {"epoch": epoch, "samples": engine.train_batch_size()}
