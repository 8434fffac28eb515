"""What compositions of PyTorch's schedulers do that one would not expect, in plain sentences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ratewise.convert.live._torch_replay import milestones, parts

_OVERWRITE = ("LambdaLR", "CosineAnnealingWarmRestarts", "CyclicLR", "OneCycleLR")


def remarks(source: Any) -> tuple[str, ...]:
    """Return what to know about a composition and those inside it."""
    return tuple(dict.fromkeys(_remarks(source)))


def _remarks(source: Any) -> Iterator[str]:
    inner = parts(source)
    if _is_sequence(source):
        yield from _of_sequence(inner, milestones(source))
    elif inner:
        yield from _of_chain(inner)
    for part in inner:
        yield from _remarks(part)


def _of_sequence(inner: list[Any], marks: list[int]) -> Iterator[str]:
    ends = [*marks, None]
    for i, (part, begin) in enumerate(zip(inner, [0, *marks], strict=True)):
        name, end = type(part).__name__, ends[i]
        length = getattr(part, "total_iters", 0)
        if end is not None and begin < end < begin + length:
            yield (
                f"SequentialLR leaves its {name} of {length} updates at update {end}, after "
                f"{end - begin}: the rate jumps."
            )
        if i and name in ("MultiplicativeLR", "SWALR"):
            yield f"{name} goes on from the rate that it finds at update {begin}, not the base."
        if _is_sequence(part) and i == 0:
            yield (
                "A SequentialLR at the beginning of another one is an update ahead: it reaches its "
                f"milestones {milestones(part)} one update early."
            )


def _of_chain(inner: list[Any]) -> Iterator[str]:
    for i, part in enumerate(inner):
        name = type(part).__name__
        if name in _OVERWRITE and i:
            yield f"{name} sets the rate anew at each step: what comes before it has no effect."
        if name in _OVERWRITE and i < len(inner) - 1:
            yield (
                f"{name} sets the rate anew at each step: of the schedulers behind it, only what "
                "they do in the same step is left."
            )


def _is_sequence(source: Any) -> bool:
    return type(source).__name__ == "SequentialLR"
