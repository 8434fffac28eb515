"""How long a fit of fastai is, in updates."""

from __future__ import annotations

from typing import Any


def horizon_of(learn: Any) -> dict[str, Any]:
    """Return the horizon of the fit that a learner is in, as far as it is known."""
    sizes = _batch_sizes(learn.dls.train)
    if sizes is None:
        return {"total": None}
    window = getattr(learn, "gradient_accumulation", None)
    items = 1 if window is None else window.n_acc
    total = updates(sizes, learn.n_epoch, items if window is not None else 0)
    return {
        "total": total,
        "epoch": total / learn.n_epoch if learn.n_epoch else None,
        "samples": max(items, sizes[0]) if sizes else None,
    }


def updates(sizes: list[int], epochs: int, items: int) -> int:
    """Return the updates that so many epochs make; each takes at least `items` samples.

    As `GradientAccumulation` counts: a window goes on from one epoch to the next.

    >>> updates([4, 4, 2], 2, 0), updates([4, 4, 2], 2, 8), updates([4, 4, 2], 4, 8)
    (6, 2, 4)
    """
    if items <= (min(sizes) if sizes else 0):
        return len(sizes) * epochs
    made = held = 0
    for _ in range(epochs):
        for size in sizes:
            held += size
            if held >= items:
                made, held = made + 1, 0
    return made


def _batch_sizes(loader: Any) -> list[int] | None:
    """Return the samples of each batch of an epoch; None for a stream."""
    try:
        batches = len(loader)
    except TypeError:
        return None
    size = getattr(loader, "bs", None) or getattr(loader, "batch_size", None) or 1
    rows = getattr(loader, "n", None)
    if rows is None:
        try:
            rows = len(loader.dataset)
        except (AttributeError, TypeError):
            rows = size * batches
    last = min(size, max(rows - size * (batches - 1), 1))
    return [size] * (batches - 1) + [last] if batches else []
