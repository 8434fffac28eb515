"""What a scheduler may be given, for type checkers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeAlias, TypeVar, overload

from torch.optim import Optimizer

from ratewise.adapters.torch.contract import Contract
from ratewise.adapters.torch.several import Schedulers
from ratewise.schedule import Plan, Schedule
from ratewise.schedule.lengths import Length


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


class Calls(Contract):
    """The calls of `Scheduler` that there are: with one optimizer, or with several."""

    if TYPE_CHECKING:

        @overload
        def __new__(
            cls,
            optimizer: OneOptimizer,
            schedule: AnySchedule,
            *,
            warmup: Length | None = None,
            total: int | str | None = None,
            epoch: float | None = None,
            samples: float | None = None,
            tokens: float | None = None,
            resume: str | None = None,
            by_hand: str = "warn",
            updates: int | None = None,
            last_epoch: int = -1,
            on_device: bool | None = None,
            **unknown: Any,
        ) -> Self: ...
        @overload
        def __new__(
            cls,
            optimizer: SeveralOptimizers[_O],
            schedule: AnySchedule | Sequence[AnySchedule],
            *,
            warmup: OneOrEach[Length | None] = None,
            total: OneOrEach[int | str | None] = None,
            epoch: OneOrEach[float | None] = None,
            samples: OneOrEach[float | None] = None,
            tokens: OneOrEach[float | None] = None,
            resume: OneOrEach[str | None] = None,
            by_hand: OneOrEach[str] = "warn",
            updates: OneOrEach[int | None] = None,
            last_epoch: OneOrEach[int] = -1,
            on_device: OneOrEach[bool | None] = None,
            **unknown: Any,
        ) -> Schedulers: ...
        def __new__(cls, *args: Any, **options: Any) -> Any: ...
