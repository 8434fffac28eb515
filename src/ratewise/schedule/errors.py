"""The one error of the package, and the checks that raise it."""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from numbers import Complex, Real
from typing import Any, NoReturn

from ratewise._printable import printable


@dataclass(frozen=True)
class Context:
    """How whoever is spoken to writes what an error asks for; here, in Python.

    Args:
        called: What the user has called, if it is another name than that of the code at fault.
    """

    called: str | None = None

    def argument(self, name: str, example: str) -> str:
        """Return how an argument is given; one without a name is given by its place."""
        return f"{name}={example}" if name else example

    def item(self, name: str) -> str:
        """Return how one of several things that have names is shown."""
        return f"{{{name!r}: …}}"

    def call(self, function: str, given: str) -> str:
        """Return how what was called is shown, with what was given to it."""
        return f"{self.called or function}({given})" if given else self.called or function

    def around(self, inner: Context) -> Context:
        """Return what holds for an error that was already told of a context further in."""
        return self if self.called else replace(self, called=inner.called)


@dataclass(frozen=True)
class Call:
    """A call at fault, `Call("compare", "seeds", 0)`: a context may know it by another name.

    Args:
        function: What was called.
        argument: Name of the argument at fault, or "".
        value: What was given for it; left out, it is shown as …
        item: In place of a value, the name of what is at fault among several.
        inner: What is at fault inside of it.

    >>> print(ScheduleError(Call("compare", item="a"), "has no end", "give total=9"))
    compare({'a': …}) has no end: give total=9.
    """

    function: str
    argument: str = ""
    value: Any = ...
    item: str = ""
    inner: Who = ""

    def text(self, context: Context) -> str:
        """Return the call as the user knows it."""
        given = ""
        if self.item:
            given = context.item(self.item)
            given = context.argument(self.argument, given) if self.argument else given
        elif self.argument or self.value is not ...:
            value = "…" if self.value is ... else shorten(self.value)
            given = context.argument(self.argument, value)
        told = context.call(self.function, given)
        return f"{told}: {written(self.inner, context)}" if self.inner else told


class Fix:
    """What to write, with arguments that every context has its own way to give.

    Args:
        template: The advice, with the name of each argument in braces.
        alone: The advice where nobody speaks for the code at fault; "" for the same.
        examples: What to give for each argument.

    >>> Fix("give {total}, or a length in updates", total="…").text(Context())
    'give total=…, or a length in updates'
    """

    def __init__(self, template: str, alone: str = "", **examples: str) -> None:
        self._template, self._alone, self._examples = template, alone, examples

    def text(self, context: Context) -> str:
        """Return the advice in the language of a context."""
        if self._alone and context == PYTHON:
            return self._alone
        given = {name: context.argument(name, example) for name, example in self._examples.items()}
        return self._template.format(*given.values(), **given)


PYTHON = Context()
"""That of an error which nobody has spoken for."""

Who = str | Call


def written(what: str | Call | Fix, context: Context) -> str:
    """Return who is at fault, or the advice, in the language of a context."""
    return what if isinstance(what, str) else what.text(context)


class ScheduleError(ValueError):
    """A schedule that cannot mean what it says, or a use that cannot work.

    Every message has one grammar: who, rule, what you gave, what to write.

    Args:
        who: The thing at fault, as the user wrote it, `Warmup(over=1200)`.
        rule: What it breaks, with the numbers given, `does not fit in total=1000`.
        fix: What to write in its place, `use over < 1000, or a longer run`.
        given: The value that was given, if the rule does not name it.

    Attributes:
        context: How the user writes what `fix` asks for; see `speaking`.

    >>> print(ScheduleError("Hold(level=-1)", "needs level in [0, inf)", "give 0 or more"))
    Hold(level=-1) needs level in [0, inf): give 0 or more.
    >>> print(ScheduleError("compare(peaks=…)", "needs peaks above 0", "give 3e-4", given=-1))
    compare(peaks=…) needs peaks above 0, got -1: give 3e-4.
    """

    def __init__(self, who: Who, rule: str, fix: str | Fix, *, given: Any = ...) -> None:
        super().__init__(who, rule, fix)
        self._who, self.rule, self._fix = who, rule, fix
        self.given: str | None = None if given is ... else shorten(given)
        self.context = PYTHON

    @property
    def who(self) -> str:
        """The thing at fault."""
        return written(self._who, self.context)

    @property
    def fix(self) -> str:
        """What to write."""
        return written(self._fix, self.context)

    @property
    def broken(self) -> str:
        """The rule, and what was given."""
        return self.rule if self.given is None else f"{self.rule}, got {self.given}"

    def about(self, who: Who, fix: str | Fix | None = None) -> ScheduleError:
        """Return the same error, told of another thing, or with other advice."""
        error = type(self)(who, self.rule, self._fix if fix is None else fix)
        error.given, error.context = self.given, self.context
        return error

    def within(self, outer: Call) -> ScheduleError:
        """Return the same error, told of a thing inside of another."""
        return self.about(replace(outer, inner=self._who))

    def __str__(self) -> str:
        who, broken, fix = (_cut(part) for part in (self.who, self.broken, self.fix))
        return printable(f"{who} {broken}: {fix}.", keep="\n")

    def __reduce__(self) -> tuple[Any, ...]:
        said = {"given": self.given, "context": self.context}
        return type(self), (self._who, self.rule, self._fix), said


LONGEST_PART = 1000
"""Characters of each part of a message: names of others may have any number."""


def _cut(part: str) -> str:
    return part if len(part) <= LONGEST_PART else f"{part[: LONGEST_PART - 1]}…"


@contextmanager
def speaking(context: Context) -> Generator[None]:
    """Let errors from within be told in the language of whoever is spoken to.

    >>> with speaking(Context(called="choose")):
    ...     raise ScheduleError(Call("compare", "seeds", 0), "needs a seed", "give seeds=1")
    Traceback (most recent call last):
    ratewise.schedule.errors.ScheduleError: choose(seeds=0) needs a seed: give seeds=1.
    """
    try:
        yield
    except ScheduleError as error:
        error.context = context.around(error.context)
        raise


def refuse_epochs(who: str, epoch: Any, *rate: Any) -> NoReturn:
    """Refuse a call of `LearningRateScheduler`, which hands over the epoch and the current rate."""
    told = ", ".join(map(shorten, (epoch, *rate)))
    rule = "takes the update alone, not an epoch and a rate"
    fix = "write LearningRateScheduler(by_epoch(schedule, lr=3e-4, epochs=…)), of ratewise.keras"
    raise ScheduleError(f"{who}({told})", rule, fix)


def shorten(value: object, limit: int = 60) -> str:
    """Return the repr of a user's value, cut so that a message stays readable.

    No more of it is written than is shown, however large the value is.
    """
    text = _spelled(value, limit + 1)
    return text if len(text) <= limit else text[: limit - 1] + "…"


_BRACKETS: dict[Any, tuple[str, str]] = {
    dict.__repr__: ("{", "}"),
    list.__repr__: ("[", "]"),
    tuple.__repr__: ("(", ")"),
}


def _spelled(value: Any, room: int) -> str:
    """Return the repr of a value, or at least the beginning of it with `room` characters."""
    room = max(room, 0)
    spell: Any = type(value).__repr__
    if spell in (str.__repr__, bytes.__repr__) and len(value) > room:
        value = value[:room]
    if spell not in _BRACKETS or not value:
        try:
            return repr(value)
        except Exception:  # Python writes no integer of more than 4,300 digits
            large = isinstance(value, int) and f" of {int.bit_length(value):,} bits"
            return f"<{type(value).__name__}{large or ''}>"
    opening, closing = _BRACKETS[spell]
    text, comma = opening, ""
    for item in value.items() if isinstance(value, dict) else value:
        if len(text) >= room:
            return text
        text += comma
        if isinstance(value, dict):
            key, item = item
            text += _spelled(key, room - len(text)) + ": "
        text += _spelled(item, room - len(text))
        comma = ", "
    only = isinstance(value, tuple) and len(value) == 1  # pyright: ignore
    return text + (",)" if only else closing)


def number(
    who: Who,
    name: str,
    value: Any,
    *,
    low: float = 0.0,
    high: float = math.inf,
    above: bool = False,
) -> float:
    """Return `value` as a finite float in [low, high), or in (low, high) if `above`.

    `high` itself belongs to the interval when it is finite.
    """
    bracket = "(" if above else "["
    closing = ")" if math.isinf(high) else "]"
    interval = f"{bracket}{low:g}, {high:g}{closing}"
    rule = f"needs {name} in {interval}"
    fix = f"give a finite number in {interval}"
    unreal = isinstance(value, Complex) and not isinstance(value, Real)
    if isinstance(value, bool | str | bytes) or value is None or unreal:
        raise ScheduleError(who, rule, fix, given=value)
    try:
        result = float(value)  # pyright: ignore[reportArgumentType]
    except Exception:  # whatever the number of another library raises
        raise ScheduleError(who, rule, fix, given=value) from None
    inside = low < result if above else low <= result
    if not (math.isfinite(result) and inside and result <= high):
        raise ScheduleError(who, rule, fix, given=value)
    return result + 0.0  # turns -0.0 into 0.0


def whole(who: Who, name: str, value: Any, *, low: int = 0, high: int = 2**62) -> int:
    """Return `value` as an int in [low, high]; bools and floats are refused."""
    rule = f"needs {name} as a whole number in [{low}, 2**62]"
    fix = f"give an int of {low} or more"
    if isinstance(value, bool):
        raise ScheduleError(who, rule, fix, given=value)
    try:
        result = operator.index(value)
    except Exception:  # as above
        raise ScheduleError(who, rule, fix, given=value) from None
    if not low <= result <= high:
        raise ScheduleError(who, rule, fix, given=value)
    return result


def one_of(who: Who, rule: str, value: Any, known: Iterable[str]) -> str:
    """Return `value` if it is one of the words that are known; a rule such as "is not a mode"."""
    names = list(known)
    if not isinstance(value, str) or value not in names:
        raise ScheduleError(who, rule, nearest(value, names))
    return value


def flag(who: Who, name: str, value: Any) -> bool:
    """Return `value` as a bool; other things that Python takes for true are refused."""
    if type(value).__name__ not in ("bool", "bool_"):  # NumPy's has had both names
        raise ScheduleError(who, f"needs {name} as True or False", "give one of them", given=value)
    return bool(value)


MOST_LISTED = 1_000_000
"""Items that are taken from what a user gives for several, which may have no end."""


def listed(value: Any) -> list[Any] | None:
    """Return the items of what a user gives for several; None if it is not several.

    Raises:
        ScheduleError: there are more than anybody writes down.
    """
    try:
        found = [] if isinstance(value, str | bytes) else itertools.islice(value, MOST_LISTED + 1)
        items = list(found)
    except Exception:  # it cannot be gone through, or what goes through it raises
        return None
    if len(items) > MOST_LISTED:
        rule = f"holds more than {MOST_LISTED:,} items"
        raise ScheduleError(shorten(value), rule, "give fewer, or a formula")
    return None if isinstance(value, str | bytes) else items


def paired(value: Any) -> list[tuple[Any, Any]] | None:
    """Return the pairs of what a user gives as a dict or as pairs; None if it is neither.

    Raises:
        ScheduleError: there are more than anybody writes down.
    """
    items = listed(value.items() if isinstance(value, Mapping) else value)
    pairs = [listed(item) or [] for item in items or ()]
    if items is None or any(len(pair) != 2 for pair in pairs):
        return None
    return [(pair[0], pair[1]) for pair in pairs]


LONGEST_WORD = 200
"""Characters that are looked at of a word that may be misspelt."""


def nearest(word: object, known: Iterable[str]) -> str:
    """Return advice for a misspelt word: the near match, or the whole list."""
    import difflib  # late: only who errs needs it

    names = sorted(known)
    word = word if isinstance(word, str) else shorten(word)
    lowered = {name.lower(): name for name in names}
    match = difflib.get_close_matches(word[:LONGEST_WORD].lower(), lowered, n=1, cutoff=0.5)
    if match:
        return f"did you mean {lowered[match[0]]}"
    return f"known are {', '.join(names)}" if names else "nothing is known here"
