"""Runs of a Transformers `Trainer` in one call of its model: its own data, collator and loss.

The trainer's `training_step` is called as it is, for all runs at once. What it would go back from
is kept, and gone back from for the whole stack; clipping and the step of the optimizer follow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ratewise._extras import require
from ratewise.tasks.torch.loader_state import StatefulLoader
from ratewise.tasks.torch.random_stream import TorchRandomStream
from ratewise.tasks.torch.stacked_parts import Stackable, Unstackable
from ratewise.tasks.transformers.memory import TrainerMemory
from ratewise.tasks.transformers.windows import UpdateWindows

transformers = require("transformers", extra="transformers")


class MicroBatch(NamedTuple):
    """A batch whose gradient is added to those of others, and what the trainer knows of these.

    Args:
        inputs: The batch, as the collator has made it.
        items: What is counted in all of them, or None.
        several: How many there are.
    """

    inputs: Any
    items: Any
    several: int


class _NotBackward:
    """The trainer's accelerator, which keeps what it is to go back from."""

    def __init__(self, accelerator: Any) -> None:
        self._accelerator = accelerator
        self.losses: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._accelerator, name)

    def backward(self, loss: Any, **_: Any) -> None:
        self.losses.append(loss / self._accelerator.gradient_accumulation_steps)


class TrainerFeed:
    """The batches of one seed, as its trainer draws them, and the trainer's loss.

    Args:
        trainer: The trainer.
        loader: Its batches.
        windows: The same, update by update.
        memory: What it remembers.
        stream: The random numbers of the run.
    """

    draws = True

    def __init__(
        self,
        trainer: Any,
        loader: StatefulLoader,
        windows: UpdateWindows,
        memory: TrainerMemory,
        stream: TorchRandomStream,
    ) -> None:
        self.stream = stream
        self._trainer, self._loader, self._windows = trainer, loader, windows
        self._memory = memory
        self._told: dict[str, Any] | None = None

    @property
    def position(self) -> int:
        return int(self._trainer.state.global_step)

    def loss(self, model: Any, batch: MicroBatch) -> Any:
        trainer, own = self._trainer, self._trainer.accelerator
        trainer.current_gradient_accumulation_steps = batch.several
        trainer.accelerator = kept = _NotBackward(own)
        try:
            trainer.training_step(model, batch.inputs, batch.items)
        finally:
            trainer.accelerator = own
        if not kept.losses:
            raise Unstackable("its trainer goes back from no loss by its accelerator")
        return sum(kept.losses)

    def stand(self, state: Mapping[str, Any]) -> None:
        self.stream.state = state["random"]
        if self._told is None or state["data"] is not self._told["data"]:
            self._loader.restore(state["data"])  # which reads the epoch again up to there
            self._memory.put(state["trainer"])
            self._told = None

    def draw(self, ahead: int) -> Iterator[list[Any]]:
        self._told = None
        for batches, items, _ in self._windows.draw():
            yield [MicroBatch(inputs, items, len(batches)) for inputs in batches]

    def advance(self) -> None:
        self._told = None
        self._windows.made()

    def place(self) -> dict[str, Any]:
        if self._told is None:
            self._told = {"data": self._loader.save(), "trainer": self._memory.state}
        return self._told

    def share(self, run: Stackable) -> None:
        other = run.stack_parts.feed
        assert isinstance(other, TrainerFeed)
        mine, theirs = self._trainer, other._trainer
        for name in ("model", "model_wrapped", "optimizer"):
            setattr(mine, name, getattr(theirs, name))
        mine.callback_handler.model = theirs.model
        mine.callback_handler.optimizer = theirs.optimizer
        mine.accelerator.free_memory()  # which only forgets what was prepared


def check_stackable(trainer: Any, model: Any, optimizer: Any) -> None:
    """Refuse a trainer whose update is more than a step on the gradient of its loss.

    Raises:
        Unstackable: it is.
    """
    if _overridden(trainer, "training_step"):
        kind = type(trainer).__name__
        raise Unstackable(f"{kind} has a training_step of its own, which may do more than a loss")
    if model is not trainer.model:
        raise Unstackable(f"its model is wrapped, in a {type(model).__name__}")
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    if any(p.requires_grad and id(p) not in held for p in model.parameters()):
        raise Unstackable("its model has a parameter with a gradient that the optimizer leaves out")


def _overridden(trainer: Any, name: str) -> bool:
    """Tell whether somebody's subclass, or somebody by hand, has replaced a method."""
    own = getattr(type(trainer), name) is not getattr(transformers.Trainer, name)
    return own or name in vars(trainer)
