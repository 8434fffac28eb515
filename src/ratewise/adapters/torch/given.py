"""What a scheduler may be given, for type checkers."""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias, TypeVar

from torch.optim import Optimizer

from ratewise.schedule import Plan, Schedule


class HoldsOptimizer(Protocol):
    """A wrapper that is no optimizer itself, as Lightning's."""

    @property
    def optimizer(self) -> Optimizer:
        """The optimizer inside."""
        ...


OneOptimizer: TypeAlias = Optimizer | HoldsOptimizer
AnySchedule: TypeAlias = Schedule | Plan | str

_T = TypeVar("_T")
_O = TypeVar("_O", bound=OneOptimizer)

SeveralOptimizers: TypeAlias = list[_O] | tuple[_O, ...] | dict[Any, _O]
OneOrEach: TypeAlias = _T | list[_T] | tuple[_T, ...]
"""One value for all optimizers, or one for each."""
