"""A schedule on an engine: bound when the run starts, shown what the engines have measured."""

from __future__ import annotations

import warnings
from typing import Any

from ignite.engine import Engine, Events

from ratewise.adapters.torch.scheduler import Scheduler, announce, recall, rewind
from ratewise.adapters.torch.trainers import RunSettings, hear, take_up
from ratewise.schedule import ScheduleError

WHO = "attach"


class EngineSchedule:
    """Follows a schedule with an optimizer that an engine of Ignite steps.

    It has `state_dict` and `load_state_dict`, so that it is one more object for `Checkpoint`; what
    is loaded before the run starts is taken up when it does.

    Attributes:
        scheduler: The scheduler of the run; None until it starts.
    """

    def __init__(
        self, optimizer: Any, settings: RunSettings, accumulation: int, evaluator: Any
    ) -> None:
        self.scheduler: Scheduler | None = None
        self._optimizer = optimizer
        self._settings = settings
        self._accumulation = accumulation
        self._evaluator = evaluator
        self._total: int | None = None
        self._loaded: dict[str, Any] | None = None
        self._seen: set[str] = set()
        self._begun = -1  # committed updates when this run was started
        self._checked = False

    def follow(self, trainer: Any) -> None:
        """Register with the engines."""
        trainer.add_event_handler(Events.STARTED, self._start)
        trainer.add_event_handler(Events.ITERATION_STARTED, self._announce)
        trainer.add_event_handler(Events.ITERATION_COMPLETED, self._look)
        trainer.add_event_handler(Events.EPOCH_COMPLETED, self._hear_trainer)
        trainer.add_event_handler(Events.COMPLETED, self._end)
        if self._evaluator is not None:
            self._evaluator.add_event_handler(Events.COMPLETED, self._hear_evaluator, trainer)

    # State ----------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the schedule, primitives only; before the run, what was loaded."""
        if self.scheduler is not None:
            return self.scheduler.state_dict()
        return dict(self._loaded or {})

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where a state was saved; before the run starts, when it does."""
        if self.scheduler is not None:
            self.scheduler.load_state_dict(state_dict)
        else:
            self._loaded = dict(state_dict)

    # While it runs --------------------------------------------------------------------------

    def _start(self, trainer: Any) -> None:
        """Bind to the optimizer, with what the engine knows of its run."""
        state = trainer.state
        known = self._known(state)
        if self.scheduler is not None and not self._settings.knows_total:
            if state.iteration and known["total"] != self._total:
                rule = f"was begun as a run of {self._total} updates, which is to make "
                rule += f"{known['total']} now"
                raise ScheduleError(WHO, rule, f"give attach(…, total={known['total']})")
            if not state.iteration and self.scheduler.committed:  # a run of its own
                rewind(self.scheduler)
                self.scheduler = None
        if self.scheduler is None:
            self.scheduler = self._settings.bind(self._optimizer, **known)
            self._total = known["total"]
            if self._loaded:
                self.scheduler.load_state_dict(self._loaded)
                self._loaded = None
            take_up(self.scheduler, state.iteration // self._accumulation, WHO)
        self._begun, self._seen, self._checked = self.scheduler.committed, set(), False

    def _known(self, state: Any) -> dict[str, Any]:
        """Return the horizon that an engine's state gives."""
        iterations = getattr(state, "max_iters", None)
        if iterations is None and state.max_epochs and state.epoch_length:
            iterations = state.max_epochs * state.epoch_length
        batch = getattr(state.dataloader, "batch_size", None)
        return {
            "total": iterations and iterations // self._accumulation,
            "epoch": state.epoch_length and state.epoch_length / self._accumulation,
            "samples": batch and batch * self._accumulation,
        }

    def _announce(self, trainer: Any) -> None:
        """Let who looks at the start of an iteration find the coming rates, as with Ignite's own.

        By the second window an accumulation that nobody has told of is heard.
        """
        scheduler = self._running()
        announce(scheduler)
        if not self._checked and scheduler.committed >= self._begun + 2:
            self._checked = True
            self._check_pace(trainer.state.iteration - 1)

    def _check_pace(self, iterations: int) -> None:
        made = self._running().committed
        if self._begun or self._settings.knows_total or made * self._accumulation >= iterations:
            return
        warnings.warn(
            f"attach: {made} updates in {iterations} iterations, and the run's length was taken "
            f"for one in each {self._accumulation}: give attach(…, accumulation=…) the iterations "
            "of an update, or total=…",
            stacklevel=2,
        )

    def _look(self, trainer: Any) -> None:
        """End a run whose schedule has found its end."""
        if self._running().finished:
            trainer.terminate()

    def _hear_trainer(self, trainer: Any) -> None:
        self._hear(trainer, trainer.state.metrics, self._evaluator is None)

    def _hear_evaluator(self, evaluator: Engine, trainer: Any) -> None:
        scheduler = self.scheduler
        if scheduler is not None and scheduler.committed > self._begun:
            self._hear(trainer, evaluator.state.metrics, trainer.state.epoch >= 1)

    def _hear(self, trainer: Any, metrics: Any, sure: bool) -> None:
        if hear(self._running(), metrics, self._seen, sure=sure):
            trainer.terminate()

    def _end(self, trainer: Any) -> None:
        """Leave in the groups what the last update used."""
        recall(self._running())

    def _running(self) -> Scheduler:
        if self.scheduler is None:
            rule = "came after the engine had started"
            raise ScheduleError(WHO, rule, "attach before trainer.run(…)")
        return self.scheduler


def check_engine(trainer: Any, optimizer: Any, evaluator: Any) -> None:
    """Refuse what is no engine, and several optimizers at once."""
    if not isinstance(trainer, Engine):
        fix = "write attach(trainer, optimizer, schedule)"
        raise ScheduleError(WHO, "needs an ignite.engine.Engine", fix, given=trainer)
    if isinstance(optimizer, list | tuple | dict):
        rule = f"was given {len(optimizer)} optimizers"
        raise ScheduleError(WHO, rule, "attach once for each, attach(trainer, optimizer, …)")
    if evaluator is not None and not isinstance(evaluator, Engine):
        fix = "write attach(trainer, optimizer, schedule, evaluator=evaluator)"
        raise ScheduleError(WHO, "needs an engine as its evaluator", fix, given=evaluator)
