"""What a task has to be, so that schedules can be compared on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Rates = NDArray[np.float64]
"""Absolute learning rates, float64[k]: `rates[i]` is what update `i` of the piece uses."""

Losses = NDArray[np.float64]
"""Training losses, float64[k]: `losses[i]` is the loss that update `i` of the piece descended."""


@runtime_checkable
class Run(Protocol):
    """One training run: it stands after some number of updates and can go back.

    A run is a machine with a state. Everything that the next update depends on is in that state:
    weights, buffers, the optimizer's moments, random numbers, the position in the data. These laws
    make a shared prefix exact; `compare` relies on them and on nothing else:

    * `train(a)` and then `train(b)` equals `train` of both in one.
    * `restore(state)` brings back exactly what `save()` saw, any number of times, also in another
      run that was opened with the same seed, and whatever was trained since.
    * `measure()` changes nothing that training can notice.
    """

    def train(self, rates: Rates) -> Losses:
        """Make one update per rate and return its training losses, each as it was before it.

        A run whose loss is no longer finite may stop there and fill the rest with NaN.
        """
        ...

    def measure(self) -> Mapping[str, float]:
        """Return the metrics of the run as it stands; the names are the same every time."""
        ...

    def save(self) -> Any:
        """Return the state: picklable, and independent of what the run does next."""
        ...

    def restore(self, state: Any) -> None:
        """Go back, or forward, to a saved state; the state itself stays usable."""
        ...


Over = Callable[[float], bool]
"""Is told the loss of every update, and returns whether to stop."""


class LiveRun(NamedTuple):
    """A run of objects that are there already: what a range test needs of a `Run`, and no more.

    It is told when to stop as its losses are made, so what someone else will use is trained no
    further than it has to be, and a trainer can stay in a single fit, which cannot be left and
    entered again. It is not saved: whoever opened it puts the objects back.

    Args:
        train_until: Makes one update per rate, and tells the loss of each, until it is to stop.
    """

    train_until: Callable[[Rates, Over], None]


Opener = Callable[[int], Run | LiveRun]
"""Opens a run for a seed; a run of what is there already begins as it was given."""


class GroupShare(NamedTuple):
    """What a group of an optimizer gets of the rate that a run is trained with.

    Args:
        name: What the group is called, or None.
        share: Its rate, as a share of that rate, in [0, 1].
    """

    name: Any
    share: float


class Parts(NamedTuple):
    """What a ready task is made of, opened with seed 0 and not trained.

    Args:
        model: The model.
        optimizer: Its optimizer, or None.
        batch: Samples in an update, or None.
        examples: Samples to train on, or None.
        groups: What each of the optimizer's groups gets of the rate; empty where there are none.
        framework: "torch", "transformers", "lightning", "keras", "optax", or "" for another.
    """

    model: Any
    optimizer: Any
    batch: int | None = None
    examples: int | None = None
    groups: tuple[GroupShare, ...] = ()
    framework: str = ""


class OwnSchedule(NamedTuple):
    """What moves the rates of a task's optimizer where nobody else sets them.

    Args:
        source: What `ratewise.convert.read` reads: training arguments, a live scheduler that has
            not been stepped, the config of a schedule.
        every: Updates between two of its steps, at least 1; None if that is not known.
        lr: Its largest rate, where the source does not know the optimizer; None where it does.
    """

    source: Any
    every: float | None = 1
    lr: float | None = None


def sizes_of(data: Any) -> tuple[int | None, int | None]:
    """Return the samples in a batch and in the data, as far as a loader says them."""
    batch = getattr(data, "batch_size", None)
    return batch if isinstance(batch, int) else None, length_of(getattr(data, "dataset", None))


def length_of(data: Any) -> int | None:
    """Return how many there are, or None if the data do not say."""
    try:
        return len(data) or None
    except TypeError:  # a stream, or no data at all
        return None


@runtime_checkable
class Task(Protocol):
    """Something that can be trained from a seed with a list of learning rates.

    Six more attributes are read where they exist: `higher_is_better`, the names of the metrics
    of which more is better (of all others less is); `peak`, the learning rate to use when neither
    the call nor a plan names one; `with_optimizer(optimizer)`, which returns the same task with
    another optimizer, for candidates that bring one; `parts()`, which returns the `Parts` that
    advice looks at, and that a choice hands its plan over for; `own_schedule(total)`, which
    returns the `OwnSchedule` that a choice measures its candidates against, or None; and `small`,
    whether two of its runs fit on a device, for the number of workers.
    """

    def open(self, seed: int) -> Run:
        """Return a run before its first update; the same seed gives the same run, bit by bit."""
        ...
