"""A plain PyTorch training loop as a task."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, ClassVar

from ratewise._extras import require
from ratewise.adapters.torch.adaptive import to_train
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import number, shorten
from ratewise.schedule.strict import strict
from ratewise.tasks.batches import TAPE_BYTES
from ratewise.tasks.calls import as_metrics
from ratewise.tasks.protocols import Losses, Parts, Rates, sizes_of
from ratewise.tasks.ready import ReadyTask
from ratewise.tasks.torch.batches import TorchTape
from ratewise.tasks.torch.groups import RateSetter, check_optimizer, shares_of
from ratewise.tasks.torch.measuring import check_loss, measuring, on_host
from ratewise.tasks.torch.random_stream import TorchRandomStream
from ratewise.tasks.torch.snapshot import (
    restore_model,
    restore_training,
    save_model,
    save_training,
)
from ratewise.tasks.torch.stacked_batches import TapeFeed
from ratewise.tasks.torch.stacked_parts import StackParts

torch = require("torch", extra="torch")

_MODEL, _OPTIMIZER = "TorchTask(model=…)", "TorchTask(optimizer=…)"
_LOSS, _METRIC = "TorchTask(loss=…)", "TorchTask(metric=…)"


@strict
@dataclass(frozen=True)
class TorchTask(ReadyTask):
    """Train a PyTorch model: five functions say what, the rates come from `compare`.

    One batch is one update: zero the gradients, `loss(model, batch)`, backward, `optimizer.step()`.
    What else a step needs beside `clip` is hooked on the optimizer, with
    `optimizer.register_step_pre_hook`.

    A run owns its random numbers: torch's (CPU and GPUs), `random`'s and `numpy.random`'s start
    from the seed, are swapped in when it trains, and leave those of the process untouched. The
    model is what `torch.manual_seed(seed); model()` gives. The data draw from a stream of their
    own, so all candidates see the same batches, and so do all metrics.

    Everything that learns must live in the model: a run is saved as its parameters, buffers and
    plain attributes, the optimizer's state, the random numbers and the position in the data. Then
    a shared prefix changes no bit, as far as the device itself repeats its results.

    An optimizer with modes of its own, as the schedule-free ones have, is in its training mode,
    and in its evaluation mode while the metric is computed.

    Args:
        model: Returns a new model on its device. It is put into training mode.
        optimizer: Returns the `torch.optim.Optimizer` of a model. The group with the largest
            learning rate is set to the rates, and the others keep their ratio to it.
        data: Returns the batches for a seed, an iterable that is started again when it ends.
            Whatever has a state (a loader, a generator) is to be made inside.
        loss: Returns the loss of a model and a batch, a scalar tensor. It gets a copy of the
            batch and may change it.
        metric: Returns a float, then called "metric", or a dict of floats. It is called in
            evaluation mode and without gradients; whatever it changes is put back.
        higher_is_better: Names of the metrics of which more is better; of all others less is.
        tape_bytes: Memory for recent batches, in bytes, in [0, inf): where it reaches back to a
            fork, going back costs nothing, and otherwise the data are read again up to there.
        clip: Largest norm of the gradient, in (0, inf): that of all parameters of the optimizer
            together is scaled down to it before each update. None for no clipping.
        small: Whether two of its runs fit on a device, and one alone leaves it idle: then workers
            are two for each.

    Raises:
        ScheduleError: an argument is not what it should be; at `open`, no batch comes from the
            data, or the optimizer has no learning rate above 0.
    """

    model: Callable[[], Any]
    optimizer: Callable[[Any], Any]
    data: Callable[[int], Iterable[Any]]
    loss: Callable[[Any, Any], Any]
    metric: Callable[[Any], Any]
    higher_is_better: tuple[str, ...] = ()
    tape_bytes: int = TAPE_BYTES
    clip: float | None = None

    _functions: ClassVar = ("model", "optimizer", "data", "loss", "metric")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.clip is not None:
            number(f"TorchTask(clip={shorten(self.clip)})", "clip", self.clip, above=True)

    def open(self, seed: int) -> TorchRun:
        """Return a run before its first update."""
        return TorchRun(self, seed)

    def parts(self) -> Parts:
        """Return the model, its optimizer, and what the data say of their sizes."""
        with TorchRandomStream(0, settings=True):
            model, optimizer = _made(self)
            sizes = sizes_of(self.data(0))
        return Parts(model, optimizer, *sizes, shares_of(optimizer), "torch")

    @cached_property
    def peak(self) -> float:
        """The optimizer's own learning rate, of the group where it is largest."""
        with TorchRandomStream(0, settings=True):
            return RateSetter(_OPTIMIZER, _made(self)[1]).reference


class TorchRun:
    """One training run of a `TorchTask`.

    Attributes:
        model: The model.
        optimizer: Its optimizer.
    """

    def __init__(self, task: TorchTask, seed: int) -> None:
        self._task = task
        self._seed = seed
        self._position = 0
        self._own = TorchRandomStream(seed, settings=True)
        with self._own:
            self.model, self.optimizer = _made(task)
            self.model.train()
            to_train(self.optimizer)
            self._batches = TorchTape(task.data, seed, task.tape_bytes)
        self._groups = RateSetter(_OPTIMIZER, self.optimizer)

    @property
    def stack_parts(self) -> StackParts:
        """What a stack of such runs is made of."""
        feed = TapeFeed(self._task.loss, self._batches, self._seed)
        return StackParts(self.model, self.optimizer, feed, self._groups, self._task.clip)

    def train(self, rates: Rates) -> Losses:
        """Make one update per rate; losses stay on the device until the last is made."""
        losses: list[Any] = []
        with self._own, torch.inference_mode(False), torch.enable_grad():
            batches = self._batches.take(self._position, len(rates))
            for rate, batch in zip(rates.tolist(), batches, strict=True):
                losses.append(self._update(rate, batch))
                self._position += 1
            self.optimizer.zero_grad(set_to_none=True)
        return on_host(losses)

    def _update(self, rate: float, batch: Any) -> Any:
        self._groups.set(rate)
        self.optimizer.zero_grad(set_to_none=True)
        loss = self._task.loss(self.model, batch)
        check_loss(_LOSS, loss)
        loss.backward()
        if self._task.clip is not None:
            held = [p for group in self.optimizer.param_groups for p in group["params"]]
            torch.nn.utils.clip_grad_norm_(held, self._task.clip)
        self.optimizer.step()
        return loss.detach().reshape(())

    def measure(self) -> Mapping[str, float]:
        """Return the metrics, in evaluation mode and with random numbers that no update sees."""
        # Back to the bit, which changing modes is not.
        back = partial(restore_model, self.model, save_model(self.model))
        with measuring(self.model, self.optimizer, self._own, self._seed, back):
            return as_metrics(_METRIC, self._task.metric(self.model))

    def save(self) -> dict[str, Any]:
        """Return the state, in main memory."""
        place = {"position": self._position, "random": self._own.state}
        return {**place, **save_training(self.model, self.optimizer)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go to a saved state; the data follow when the next batch is asked for."""
        self._position = state["position"]
        self._own.state = state["random"]
        restore_training(self.model, self.optimizer, state)


def _made(task: TorchTask) -> tuple[Any, Any]:
    """Return a new model, and its optimizer."""
    model = task.model()
    if not isinstance(model, torch.nn.Module):
        fix = "return a torch.nn.Module"
        raise ScheduleError(_MODEL, "returned no model", fix, given=model)
    optimizer = task.optimizer(model)
    check_optimizer(_OPTIMIZER, optimizer)
    return model, optimizer
