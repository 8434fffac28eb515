"""A Transformers `Trainer` as a task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ratewise._extras import require
from ratewise.adapters.torch.adaptive import to_train, unwrap
from ratewise.schedule.strict import strict
from ratewise.tasks.calls import as_metrics
from ratewise.tasks.protocols import Losses, OwnSchedule, Parts, Rates, length_of
from ratewise.tasks.ready import ReadyTask
from ratewise.tasks.torch.groups import RateSetter, check_optimizer, shares_of
from ratewise.tasks.torch.loader_state import StatefulLoader, SwappedState
from ratewise.tasks.torch.measuring import measuring, on_host
from ratewise.tasks.torch.random_stream import TorchRandomStream
from ratewise.tasks.torch.snapshot import restore_training, save_training
from ratewise.tasks.torch.stacked_parts import StackParts
from ratewise.tasks.transformers.memory import TrainerMemory
from ratewise.tasks.transformers.stacked import TrainerFeed, check_stackable
from ratewise.tasks.transformers.trainer import MAKER, made
from ratewise.tasks.transformers.windows import UpdateWindows

torch = require("torch", extra="transformers")
require("accelerate", extra="transformers")
require("transformers", extra="transformers")

_METRIC, _OPTIMIZER = "TrainerTask(metric=…)", "TrainerTask(optimizer=…)"
_RUNNING = ("runtime", "per_second", "model_preparation_time", "compilation_time")
"""How the names of what an evaluation says about itself end; besides, it names the epoch."""


@strict
@dataclass(frozen=True)
class TrainerTask(ReadyTask):
    """Train with a `transformers.Trainer`; the rates come from `compare`.

    An update is the trainer's own: its data, collator, loss, accumulation, precision and clipping.
    The weights are those of `trainer.train()` with the same rates, bit for bit, also with dropout;
    only what a dataset or a collator draws at random from an epoch's second batch on differs.

    A run makes a trainer of its own. It logs nothing, saves nothing and calls no callback. What
    learns must live in the model: a run is saved as the model, the optimizer, the random numbers,
    the place in the data, the numbers and generators that dataset, sampler and collator have as
    attributes, and what the trainer itself remembers: numbers, tensors, and lists and dicts of
    them, such as the completions that GRPO and RLOO make once and learn from several times. Going
    back means to read the epoch again up to there.

    Args:
        make_trainer: Returns a new trainer, with a new model, for a seed: of `make_trainer(seed)`
            the arguments are taken as they are, so pass the seed on, as
            `TrainingArguments(seed=seed, …)`; of `make_trainer()` the seed is set by the task. It
            is given if a parameter is called `seed`, or the first has no default. Before,
            `torch.manual_seed(seed)` was called.
        metric: Returns a float, then called "metric", or a dict of floats, of the trainer, in
            evaluation mode and without gradients; whatever it changes is put back. Left out, all
            that `trainer.evaluate()` measures, without "eval_": `loss`, `accuracy`, ….
        optimizer: Returns the optimizer of a model, in place of the trainer's.
        higher_is_better: Names of the metrics of which more is better; of all others less is.
        small: Whether two of its runs fit on a device, and one alone leaves it idle: then workers
            are two for each.

    Raises:
        ScheduleError: an argument is not what it should be; at `open`, what was made is no
            trainer, has a scheduler or follows a schedule, scales its losses (fp16), adds noise
            (NEFTune), needs several processes, makes its updates while it goes back (LOMO,
            layer-wise optimizers), has a callback that learns (a reference model that is
            synchronised), generates elsewhere (vLLM), or has no data to train on or to evaluate;
            at `save`, the trainer remembers what cannot be copied.
    """

    make_trainer: Callable[..., Any]
    metric: Callable[[Any], Any] | None = None
    optimizer: Callable[[Any], Any] | None = None
    higher_is_better: tuple[str, ...] = ()

    _functions: ClassVar = ("make_trainer", "metric", "optimizer")

    def open(self, seed: int) -> TrainerRun:
        """Return a run before its first update."""
        return TrainerRun(self, seed)

    def parts(self) -> Parts:
        """Return the model, its optimizer, and the sizes that the trainer knows."""
        with TorchRandomStream(0, settings=True):
            trainer = made(self.make_trainer, 0, evaluates=False)
            if self.optimizer is not None:
                trainer.optimizer = _checked(self.optimizer(trainer.model))
            trainer.create_optimizer()
        args = trainer.args
        batch = int(args.train_batch_size) * int(args.gradient_accumulation_steps)
        sizes = batch, length_of(trainer.train_dataset)
        groups = shares_of(trainer.optimizer, keys=("initial_lr",))
        return Parts(trainer.model, trainer.optimizer, *sizes, groups, "transformers")

    def own_schedule(self, total: int) -> OwnSchedule:
        """Return the trainer's arguments: its scheduler multiplies the rate of every group."""
        with TorchRandomStream(0, settings=True):
            args = made(self.make_trainer, 0, evaluates=False).args
        return OwnSchedule(args, lr=self.peak)


class TrainerRun:
    """One training run of a `TrainerTask`.

    Attributes:
        trainer: The trainer of this run.
        optimizer: Its optimizer, as it was made.
    """

    def __init__(self, task: TrainerTask, seed: int) -> None:
        self._task, self._seed = task, seed
        self._own = TorchRandomStream(seed, settings=True)
        with self._own, torch.inference_mode(False), torch.enable_grad():
            self.trainer = trainer = made(task.make_trainer, seed, evaluates=task.metric is None)
            loader = trainer.get_train_dataloader()
            if task.optimizer is not None:
                trainer.optimizer = _checked(task.optimizer(trainer.model))
            trainer.create_optimizer()
            self.optimizer = unwrap(MAKER, trainer.optimizer)
            self._groups = RateSetter(MAKER, self.optimizer, keys=("initial_lr",))
            prepared = trainer.accelerator.prepare(trainer.model, trainer.optimizer)
            self._model, trainer.optimizer = prepared
            trainer.model_wrapped = self._model
            self._model.zero_grad()
            self._model.train()
            to_train(self.optimizer)
        self._loader = StatefulLoader(loader, self._own, seed)
        self._windows = UpdateWindows(trainer, self._loader)
        self._memory = TrainerMemory(MAKER, [trainer, trainer.state, trainer.control])

    @property
    def peak(self) -> float:
        """The largest learning rate among the optimizer's groups, as it was made."""
        return self._groups.reference

    @property
    def stack_parts(self) -> StackParts:
        """What a stack of such runs is made of.

        Raises:
            Unstackable: an update of the trainer is more than a step on the gradient of its loss.
        """
        check_stackable(self.trainer, self._model, self.optimizer)
        held = self._loader, self._windows, self._memory, self._own
        feed = TrainerFeed(self.trainer, *held)
        norm = self.trainer.args.max_grad_norm
        clip = norm if norm and norm > 0 else None
        return StackParts(self._model, self.optimizer, feed, self._groups, clip)

    def train(self, rates: Rates) -> Losses:
        """Make one update per rate; losses stay on the device until the last is made."""
        with self._own, torch.inference_mode(False), torch.enable_grad():
            losses = [self._update(rate) for rate in rates.tolist()]
        return on_host(losses)

    def _update(self, rate: float) -> Any:
        """Train on the batches of one update; a stream's last few count for the next one."""
        trainer, total = self.trainer, None
        self._groups.set(rate)
        for batches, items, last in self._windows.draw():
            trainer.current_gradient_accumulation_steps = len(batches)
            for number, batch in enumerate(batches, start=1):
                trainer.accelerator.sync_gradients = last and number == len(batches)
                loss = trainer.training_step(self._model, batch, items)
                total = loss if total is None else total + loss
        if trainer.args.max_grad_norm and trainer.args.max_grad_norm > 0:
            norm = trainer.args.max_grad_norm
            trainer.accelerator.clip_grad_norm_(self._model.parameters(), norm)
        trainer.optimizer.step()
        self._model.zero_grad()
        self._windows.made()
        assert total is not None
        return total.reshape(())

    def measure(self) -> Mapping[str, float]:
        """Return the metrics, in evaluation mode and with random numbers that no update sees."""
        state = self.save()
        data = getattr(self.trainer, "eval_dataset", None)
        several = list(data.values()) if isinstance(data, dict) else [data]
        history = list(self.trainer.state.log_history)

        def back() -> None:
            self.trainer.state.log_history = history
            self._put_back(state)

        swapped = SwappedState(several)
        with measuring(self._model, self.optimizer, self._own, self._seed, back), swapped:
            return as_metrics(_METRIC, (self._task.metric or _evaluated)(self.trainer))

    def save(self) -> dict[str, Any]:
        """Return the state, in main memory."""
        return {
            "random": self._own.state,
            "data": self._loader.save(),
            "trainer": self._memory.state,
            **save_training(self.trainer.model, self.optimizer),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go to a saved state; the data follow when the next batch is asked for."""
        self._own.state = state["random"]
        self._loader.restore(state["data"])
        self._put_back(state)

    def _put_back(self, state: Mapping[str, Any]) -> None:
        restore_training(self.trainer.model, self.optimizer, state)
        self._memory.put(state["trainer"])


def _checked(optimizer: Any) -> Any:
    """Return an optimizer; a trainer that is given None would make one of its own."""
    check_optimizer(_OPTIMIZER, optimizer)
    return optimizer


def _evaluated(trainer: Any) -> dict[str, float]:
    """Return what the trainer's own evaluation says about the model."""
    found = {key.removeprefix("eval_"): value for key, value in trainer.evaluate().items()}
    numbers = {key: value for key, value in found.items() if isinstance(value, int | float)}
    own = [key for key in numbers if key == "epoch" or key.endswith(_RUNNING)]
    return {key: value for key, value in numbers.items() if key not in own}
