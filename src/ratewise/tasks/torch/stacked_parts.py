"""What a task has to say of a run, so that several can be trained in one call of the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from ratewise._extras import require
from ratewise.tasks.torch.groups import RateSetter

torch = require("torch", extra="torch")


class Unstackable(Exception):
    """Runs of a task cannot be stacked; its text says why, to follow "as"."""


class StackFeed(Protocol):
    """The batches of one seed, and the loss of one, for all runs of the seed in a stack.

    It stands where they do. What it says of that place is the same for all of them, whatever their
    rates are.

    Attributes:
        stream: The random numbers of a run of this seed.
        draws: Whether batches are drawn with these, and not with some of their own.
        position: Updates that runs at this place have made.
    """

    stream: Any
    draws: bool

    @property
    def position(self) -> int: ...

    def loss(self, model: Any, batch: Any) -> Any:
        """Return the loss of a model and a part of an update's batch, a scalar tensor."""
        ...

    def stand(self, state: Mapping[str, Any]) -> None:
        """Go to the place in the data at which a run was saved."""
        ...

    def draw(self, ahead: int) -> Iterator[list[Any]]:
        """Yield the batch of the next update, in parts whose gradients add up.

        They come some at a time: nothing is drawn before those that came are learned from.

        Args:
            ahead: How many updates are going to be asked for, this one included.
        """
        ...

    def advance(self) -> None:
        """Take note that the update was made."""
        ...

    def place(self) -> dict[str, Any]:
        """Return what the state of a run says of its place in the data."""
        ...

    def share(self, run: Any) -> None:
        """Let go of the model of one's own; from now on the loss is that of another run's."""
        ...


class StackParts(NamedTuple):
    """What a run is made of, for those who train several in one call of the model.

    Args:
        model: The model.
        optimizer: Its optimizer.
        feed: The batches of the run's seed.
        groups: What sets the rates.
        clip: Largest norm of the gradient, or None.
    """

    model: Any
    optimizer: Any
    feed: StackFeed
    groups: RateSetter
    clip: float | None


class Stackable(Protocol):
    """A run that says what it is made of."""

    @property
    def stack_parts(self) -> StackParts:
        """What a stack of such runs is made of.

        Raises:
            Unstackable: there can be none.
        """
        ...


def why_not(error: BaseException) -> str:
    """Return why something cannot be stacked, from what was raised."""
    if isinstance(error, Unstackable):
        return str(error)
    said = " ".join(str(error).split())
    if ".item()" in said or "data-dependent" in said:
        return "its loss looks at the values of tensors (data-dependent control flow)"
    if "inplace" in said or "doesn't match the broadcast shape" in said:
        return "it writes in place into what is not a parameter or a buffer of the model"
    if "setup_context" in said or "generate_vmap_rule" in said:
        return "a function of its own (torch.autograd.Function) has no rule for vmap"
    return f"in a stack it raises {type(error).__name__} ({said[:160]})"


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether there was not enough memory, on whichever device."""
    if isinstance(error, MemoryError | torch.cuda.OutOfMemoryError):
        return True
    said = str(error).lower()
    short = ("not enough memory", "out of memory", "can't allocate memory")
    return isinstance(error, RuntimeError) and any(one in said for one in short)
