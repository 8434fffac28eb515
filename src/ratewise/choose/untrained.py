"""What a model is worth before its first update, and what a constant answer would be worth."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ratewise.runs.journal import found_once
from ratewise.tasks.calls import measured, opened
from ratewise.tasks.failures import name_of, users_code
from ratewise.tasks.random_stream import RandomStream

BATCHES, LABELS = 32, 4000
"""Batches that are looked at for labels, and labels after which no more are."""

FEWEST = 16
"""Labels that say nothing about how often each comes up."""

NAMES = ("labels", "label", "targets", "target", "y")
"""What labels are called in a batch that is a dict."""

IGNORED = -100
"""A label that losses leave out."""


@dataclass(frozen=True)
class Constant:
    """What a metric is worth if the same is answered every time.

    Args:
        value: The metric.
        told: What is answered, in words that follow "is what".
        kind: "loss" or "accuracy".
        close: How far the labels that were seen may be from those that it is measured on.
        seen: Whether labels were seen; else it is a number that losses often are.
    """

    value: float
    told: str
    kind: str
    close: float
    seen: bool = True


@dataclass(frozen=True)
class Untrained:
    """A task before its first update.

    Args:
        metrics: All metrics, by seed.
        constants: What constant answers are worth.
    """

    metrics: Mapping[int, Mapping[str, float]] = field(
        default_factory=dict[int, Mapping[str, float]]
    )
    constants: tuple[Constant, ...] = ()

    def values(self, metric: str, seeds: Iterable[int]) -> tuple[float, ...]:
        """Return a metric for some seeds; none if it is not a number for each of them."""
        found = tuple(self.metrics.get(seed, {}).get(metric, math.nan) for seed in seeds)
        return found if all(map(math.isfinite, found)) else ()


def look_at(task: Any, seeds: Sequence[int], journal: str | os.PathLike[str]) -> Untrained:
    """Return what a task is before its first update, from the journal if it was looked at before.

    Raises:
        TaskError: the task cannot be opened or measured.
    """

    def make() -> Any:
        metrics: list[list[Any]] = []
        labels: NDArray[Any] | None = None
        for seed in seeds:
            with users_code(name_of(task)):
                run = opened(task, seed)
                metrics.append([seed, [[k, v] for k, v in measured(run).items()]])
                labels = labels_of(task, run) if labels is None else labels
            del run  # before the next one: there may not be room for two
        return {"metrics": metrics, "constants": [asdict(one) for one in constants(labels)]}

    told = found_once(journal, task, f"untrained {list(seeds)}", make)
    metrics = {int(seed): dict(row) for seed, row in told["metrics"]}
    return Untrained(metrics, tuple(Constant(**one) for one in told["constants"]))


# Labels -------------------------------------------------------------------------------------


def labels_of(task: Any, run: Any) -> NDArray[Any] | None:
    """Return the labels of a task's data as far as they can be seen, or None."""
    trainer = getattr(run, "trainer", None)
    rows = getattr(trainer, "eval_dataset", None)
    make = getattr(task, "data", None)
    found: list[NDArray[Any]] = []
    try:
        with _random_stream():
            if rows is not None and not isinstance(rows, Mapping):
                source = islice((rows[i] for i in range(len(rows))), LABELS)
            elif callable(make):
                source = islice(iter(_iterable(make(0))), BATCHES)
            else:
                return None
            for batch in source:
                found.append(_labels(batch))
                if sum(map(len, found)) >= LABELS:
                    break
    except Exception:  # the data of others: what cannot be read says nothing
        return None
    joined = np.concatenate(found) if found else np.empty(0)
    return joined if len(joined) >= FEWEST else None


def _iterable(data: Any) -> Iterator[Any]:
    yield from data


def _random_stream() -> RandomStream:
    """Return a stream that keeps what is drawn here from the user's own random numbers."""
    if "torch" in sys.modules:
        from ratewise.tasks.torch.random_stream import TorchRandomStream

        return TorchRandomStream(0)
    return RandomStream(0)


def _labels(batch: Any) -> NDArray[Any]:
    """Return the labels of a batch in one row; none if there are none that are known as such."""
    if isinstance(batch, Mapping):
        named: Mapping[str, Any] = batch
        given: Any = next((named[name] for name in NAMES if name in named), None)
    else:
        given = batch[1] if isinstance(batch, list | tuple) and len(batch) > 1 else None  # pyright: ignore[reportUnknownArgumentType]
    if given is None:
        return np.empty(0)
    given = given.detach().cpu() if hasattr(given, "detach") else given
    table = np.asarray(given)
    if table.dtype.kind in "iub":
        flat = table.reshape(-1).astype(np.int64)
        return flat[flat != IGNORED]
    one_hot = table.ndim == 2 and table.shape[1] > 1
    if one_hot and ((table == 0) | (table == 1)).all() and (table.sum(axis=1) == 1).all():
        return table.argmax(axis=1)
    return np.empty(0)


# Constant answers ---------------------------------------------------------------------------


def constants(labels: NDArray[Any] | None) -> list[Constant]:
    """Return what constant answers are worth, given some labels, or what losses often are.

    Where p is how often each label comes up:

        loss = −Σ p ln p,  accuracy = max p;  of k classes alike ln k

    A mean over other labels of the same kind differs from it by twice its standard error.

    >>> [round(one.value, 4) for one in constants(np.array([0, 1] * 50))]
    [0.6931, 0.5]
    """
    if labels is None:
        told = "all of {} classes, held to be as likely, give"
        return [
            Constant(math.log(k), told.format(k), "loss", 1e-3, seen=False) for k in range(2, 11)
        ]
    counts = np.unique(labels, return_counts=True)[1]
    n, p = int(counts.sum()), counts / counts.sum()
    if len(p) < 2 or len(p) > n / 2:
        return []
    entropy, most = float(-(p * np.log(p)).sum()), float(p.max())
    spread = math.sqrt(max(float((p * np.log(p) ** 2).sum()) - entropy**2, 0.0))
    bias = (len(p) - 1) / (2 * n)
    answer = "answering how often each label comes up gives"
    found = [
        Constant(entropy, answer, "loss", 2 * spread / math.sqrt(n) + bias),
        Constant(most, "always answering the most frequent label gives", "accuracy",
                 2 * math.sqrt(most * (1 - most) / n)),
    ]  # fmt: skip
    even = math.log(len(p))
    if abs(even - entropy) > found[0].close:
        told = f"all of {len(p)} classes, held to be as likely, give"
        found.append(Constant(even, told, "loss", 1e-3))
    return found
