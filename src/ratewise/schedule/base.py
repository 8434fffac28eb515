"""The schedule: what every move and every composition is."""

from __future__ import annotations

import abc
import dataclasses
import operator
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self, overload
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from ratewise.schedule.budget import MOST
from ratewise.schedule.errors import Fix, ScheduleError, refuse_epochs, shorten, whole
from ratewise.schedule.lengths import Horizon, LengthMap
from ratewise.schedule.strict import Strict, strict
from ratewise.schedule.track import Track, lookup, sample

if TYPE_CHECKING:
    from ratewise.schedule.frames import Between, Clip, Until
    from ratewise.schedule.machine import Machine
    from ratewise.schedule.simulate import Simulation


class Described(metaclass=Strict):
    """A frozen value that can be written down: as code, as a dict, and as JSON."""

    nests: ClassVar[bool] = True
    """Whether it is one more level around what it holds, see `budget`."""
    most: ClassVar[int] = MOST
    """Schedules that it may hold."""
    draw: ClassVar[Callable[[Any], str | None] | None] = None
    """What makes a picture of it for a notebook; set by the package, as this room draws nothing."""

    def __repr__(self) -> str:
        from ratewise.schedule.spelling import spell

        return spell(self)

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return self is other or ((parts := _parts(self)) is not None and parts == _parts(other))

    def __hash__(self) -> int:
        parts = _parts(self)
        return object.__hash__(self) if parts is None else hash(parts)

    def _repr_html_(self) -> str | None:
        return None if Described.draw is None else Described.draw(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the value as a dict of JSON types, with the version of the form.

        Raises:
            ScheduleError: it contains a `Function`.
        """
        from ratewise.schedule.forms import to_dict

        return to_dict(self)

    def to_json(self) -> str:
        """Return the dict form as one line of JSON."""
        import json  # late, as are others that only few need: half of an import is spent on such

        return json.dumps(self.to_dict(), allow_nan=False)

    def keep(self, name: str, value: Any) -> None:
        """Set a field of this frozen value, at construction."""
        object.__setattr__(self, name, value)

    @staticmethod
    def read(who: str, value: Any) -> Any:
        """Return the schedule or plan that a text stands for; anything else as it is.

        Raises:
            ScheduleError: the text cannot be read; it says who was given it.
        """
        from ratewise.schedule.text import parse

        try:
            return parse(value) if isinstance(value, str) else value
        except ScheduleError as error:
            raise error.about(f"{who}: {error.who}") from None

    def __copy__(self) -> Self:
        """Return itself: what never changes needs no copy, however deep it is."""
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


class Schedule(Described):
    """A map from updates `t` = 0, 1, … to levels in [0, inf), as a frozen value.

    `a >> b` then · `a * b` product · `a * 0.5` scaled · `a.clip(low, high)`. Equality, hash,
    pickle and `repr` go by the fields alone.

    A class made from it, or from `Move`, is known by its name to texts and dict forms. With
    `class Mine(Move, written=True)` it says that its formula is written over the array namespace
    alone, without a look at values: then `ratewise.convert.write` writes it as code.
    """

    __array_ufunc__ = None  # so that NumPy does not make an array of products of an array

    kinds: ClassVar[dict[str, type[Schedule]]] = {}
    written: ClassVar[bool] = False

    def __init_subclass__(cls, written: bool = False, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.written = written
        if not cls.__name__.startswith("_") and abc.ABC not in cls.__bases__:
            Schedule.kinds[cls.__name__] = cls

    # What a kind of schedule has to say -----------------------------------------------------

    @abc.abstractmethod
    def extent(self, horizon: Horizon) -> Fraction | None:
        """Return the exact length in updates, before rounding; None if it takes the rest."""

    @abc.abstractmethod
    def settle(self, horizon: Horizon, n: int | None) -> Schedule:
        """Return this schedule with all lengths ints, `n` updates long (None: without end)."""

    @abc.abstractmethod
    def track(self, level: float | None) -> Track:
        """Return what evaluates this settled schedule, behind `level` (None: at the beginning)."""

    @abc.abstractmethod
    def map_lengths(self, change: LengthMap) -> Self:
        """Return this schedule with `change` applied to every length in it."""

    # What a composition says besides ----------------------------------------------------------

    @property
    def parts(self) -> tuple[Schedule, ...]:
        """The schedules that it is made of, in order."""
        return ()

    def with_parts(self, parts: tuple[Schedule, ...]) -> Schedule:
        """Return the same composition, made of other schedules."""
        return self

    @property
    def open(self) -> bool:
        """Whether it leaves its length out, and so takes the rest of the run."""
        return getattr(self, "over", None) is None

    @property
    def idle(self) -> bool:
        """Whether it only holds the level that is there, as what fills up a run does."""
        return False

    # Resolving ------------------------------------------------------------------------------

    @strict
    def resolve(
        self,
        total: int | str | None = None,
        *,
        epoch: float | None = None,
        samples: float | None = None,
        tokens: float | None = None,
    ) -> Schedule:
        """Return the schedule with every length in updates, as long as the run.

        Args:
            total: Updates in the run, at least 1; or a length such as "3 epochs".
            epoch: Updates in an epoch, in (0, inf).
            samples: Samples in an update, in (0, inf).
            tokens: Tokens in an update, in (0, inf).

        Raises:
            ScheduleError: a length does not fit, or needs what was not given.

        >>> import ratewise as rw
        >>> (rw.Warmup("5%") >> rw.Cosine(to=0.1)).resolve(total=1000)
        Warmup(50) >> Cosine(to=0.1, over=950)
        """
        horizon = Horizon.of(total, epoch, samples, tokens)
        return self.fit(horizon, horizon.total)

    def fit(self, horizon: Horizon, total: int | None) -> Schedule:
        """Return this schedule settled and, where it ends before `total`, held up to there."""
        from ratewise.schedule.layout import fit

        return fit(self, horizon, total)

    @property
    def length(self) -> int | None:
        """Updates covered, or None if the schedule has no end.

        Raises:
            ScheduleError: a length needs a horizon.
        """
        return self._own_track.length

    @property
    def end(self) -> float:
        """The level held past the end."""
        return self._own_track.end

    # Evaluating -----------------------------------------------------------------------------

    @cached_property
    def _own_track(self) -> Track:
        return self.resolve().track(None)

    @overload
    def __call__(self, t: int) -> float: ...
    @overload
    def __call__(self, t: NDArray[np.integer[Any]]) -> NDArray[np.float64]: ...
    def __call__(self, t: Any = ..., *others: Any) -> Any:
        """Return the level of update `t`, an int >= 0, or of an array of such.

        Raises:
            ScheduleError: not an update; nothing or more, as Keras calls what gives a rate.

        >>> import ratewise as rw
        >>> rw.Linear(to=0, over=4)(1)
        0.75
        """
        if t is ...:
            rule = "gives the level of an update, and was asked for a rate without one"
            fix = "give the update; in an optimizer of Keras, LearningRate(schedule, lr=3e-4)"
            raise ScheduleError("schedule()", rule, fix)
        if others:
            refuse_epochs("schedule", t, *others)
        if isinstance(t, np.ndarray) and t.ndim:
            return lookup(self._own_track, _positions(t))
        step = whole(f"schedule({shorten(t)})", "the update", t)
        return float(self._own_track.levels(np, np.array([step], dtype=np.int64))[0])

    @strict
    def values(self, n: int | None = None, start: int = 0) -> NDArray[np.float64]:
        """Return the levels of `n` updates from `start` on, float64[n]; without `n`, of all.

        `s.values(n)[t] == s(t)` to the last bit, whatever `n` and `start`.
        """
        start = whole("values", "start", start)
        if n is None:
            length = self.length
            if length is None:
                raise ScheduleError(
                    "values()",
                    "was called on a schedule without end",
                    Fix("give {total}", "use values(n), or resolve(total=…) first", total="…"),
                )
            n = max(length - start, 0)
        n = whole("values", "n", n)
        try:
            return sample(self._own_track, n, start)
        except MemoryError:
            rule = f"has no memory for {n:,} levels"
            raise ScheduleError("values", rule, "ask for them in parts, values(n, start)") from None

    # Composing ------------------------------------------------------------------------------

    def __rshift__(self, other: Schedule) -> Schedule:
        from ratewise.schedule.compose import Sequence

        if not isinstance(other, Schedule):
            raise ScheduleError(f"… >> {shorten(other)}", "joins schedules", "write … >> Hold()")
        return Sequence((self, other))

    def __rrshift__(self, other: object) -> NoReturn:
        raise ScheduleError(f"{shorten(other)} >> …", "joins schedules", "write Hold() >> …")

    def __mul__(self, other: Schedule | float) -> Schedule:
        from ratewise.schedule.compose import Product
        from ratewise.schedule.frames import Scale

        if isinstance(other, Schedule):
            return Product((self, other))
        return Scale(self, other) if _numeric(other) else NotImplemented

    def __rmul__(self, other: float) -> Schedule:
        from ratewise.schedule.frames import Scale

        return Scale(self, other) if _numeric(other) else NotImplemented

    @strict
    def clip(self, low: float | None = None, high: float | None = None) -> Clip:
        """Return the schedule with levels kept within [low, high]; None leaves a side open."""
        from ratewise.schedule.frames import Clip

        return Clip(self, low, high)

    @strict
    def between(self, low: float = 0.0, high: float = 1.0) -> Between:
        """Return the schedule stretched so that level 0 becomes `low` and 1 becomes `high`."""
        from ratewise.schedule.frames import Between

        return Between(self, low, high)

    @strict
    def until(self, over: int | float | str) -> Until:
        """Return the first `over` updates of the schedule as it was planned for the whole run."""
        from ratewise.schedule.frames import Until

        return Until(self, over)

    @strict
    def cool(
        self,
        at: int | float | str,
        over: int | float | str | None = None,
        to: float = 0.0,
        shape: str = "linear",
    ) -> Schedule:
        """Return the schedule up to `at`, then a cooldown to `to` over `over` updates.

        >>> import ratewise as rw
        >>> (rw.Warmup(10) >> rw.Hold()).cool(at=100, over=20)
        (Warmup(10) >> Hold()).until(100) >> Linear(to=0, over=20)
        """
        from ratewise.schedule.named import cooldown

        return self.until(at) >> cooldown(shape, to, over)

    # Listening ------------------------------------------------------------------------------

    @property
    def listens(self) -> bool:
        """Whether the schedule depends on metrics."""
        return any(part.listens for part in self.parts)

    def machine(self) -> Machine:
        """Return the schedule, resolved, as a pure state machine."""
        from ratewise.schedule.machine import Machine

        return Machine(self)

    @strict
    def replay(self, log: dict[str, Any]) -> Schedule:
        """Return the open-loop schedule that a run with this record followed.

        Args:
            log: What `machine.log(state)`, or an adapter's `log`, gave.
        """
        return self.machine().replay(log)

    @strict
    def simulate(self, metrics: Any, total: int | None = None) -> Simulation:
        """Return what the schedule would have done to recorded metrics.

        Args:
            metrics: Pairs of an update and a dict of metrics by name, in rising order; or a dict
                from updates to such dicts.
            total: Updates of the run, if the schedule is not resolved.
        """
        from ratewise.schedule.simulate import simulate

        return simulate(self if total is None else self.resolve(total), metrics)

    def __reduce__(self) -> tuple[Any, tuple[type[Schedule], dict[str, Any]]]:
        fields = dataclasses.fields(self)  # pyright: ignore[reportArgumentType]
        return _rebuild, (type(self), {f.name: getattr(self, f.name) for f in fields})


def _parts(value: Any) -> tuple[Any, ...] | None:
    """Return the class and the fields that a value is compared by; None if it has no fields.

    Written once, since a dataclass would compile a comparison and a hash for each of forty classes
    whenever the package is imported.
    """
    kind = type(value)
    getter = _GETTERS.get(kind)
    if getter is None:
        if not dataclasses.is_dataclass(kind):
            return None
        names = [field.name for field in dataclasses.fields(kind) if field.compare]
        getter = _GETTERS[kind] = operator.attrgetter("__class__", *names)
    return getter(value)


_GETTERS: WeakKeyDictionary[type, Callable[[Any], tuple[Any, ...]]] = WeakKeyDictionary()


def _rebuild(kind: type[Schedule], fields: dict[str, Any]) -> Schedule:
    return kind(**fields)


def _numeric(value: object) -> bool:
    return isinstance(value, Real | Decimal) and not isinstance(value, bool)


def _positions(t: NDArray[Any]) -> NDArray[np.int64]:
    if not np.issubdtype(t.dtype, np.integer) or (t.size and (t.min() < 0 or t.max() > 2**62)):
        rule = f"needs updates in [0, 2**62], got an array of {t.dtype}"
        raise ScheduleError("schedule(array)", rule, "give an integer array without negatives")
    return t.astype(np.int64)
