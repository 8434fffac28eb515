"""How values are made and verbs are called: a call that does not fit is an error of ours.

`Strict` is the metaclass of values, `strict` the decorator of functions, methods and constructors
of other classes. Both leave signatures as they are, and cost a call that fits nothing.
"""

from __future__ import annotations

import abc
import functools
import inspect
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ratewise.schedule.budget import weigh
from ratewise.schedule.errors import ScheduleError, nearest, shorten
from ratewise.schedule.foreign import RUN, argument, call, namesakes, run_argument

_F = TypeVar("_F", bound=Callable[..., Any])


def advice(name: str, key: str, given: Mapping[str, Any], known: Collection[str]) -> str:
    """Return what to write for the keyword `key` of a call that does not know it.

    It may be that of a namesake in another library, or of its like there, or misspelt.
    """
    if any(given.keys() <= set(theirs.names) for theirs in namesakes(name)):
        return call(name, given)[1]
    if "total" in known:  # where a run is described, with its schedule or without
        ours = f"write {RUN[key]}=…" if RUN.get(key) in known else ""
        with_schedule = {"schedule", "plan", "s"} & {*known}
        told = run_argument(key, given[key], known) if with_schedule else ours
        return told or nearest(key, known)
    told = {wrong: argument(wrong, given[wrong], known, name) for wrong in given}
    if not told[key]:
        return nearest(key, known)
    return "; ".join(dict.fromkeys(told[wrong] for wrong in given if wrong not in known))


def refuse_misfit(
    who: str, signature: inspect.Signature, args: Sequence[Any], given: Mapping[str, Any]
) -> None:
    """Refuse a call that does not fit a signature; pass if it does.

    Raises:
        ScheduleError: a keyword that is not known, too many arguments, one twice or none where one
            is needed; with what it takes, and what to write for a name of another library.
    """
    try:
        signature.bind(*args, **given)
    except TypeError:
        pass
    else:
        return
    parameters = signature.parameters.values()
    named = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    names = [p.name for p in named]
    takes = f"it takes {', '.join(names)}" if names else "it takes nothing"
    free = any(p.kind is p.VAR_KEYWORD and p.name != "unknown" for p in parameters)
    for key in given:
        if key not in names and not free:
            rule = f"does not take {shorten(key)[1:-1]}={shorten(given[key])}"
            fix = advice(who, key, given, names) if names else ""
            raise ScheduleError(who, rule, "; ".join(filter(None, (fix, takes))))
    placed = [p.name for p in named if p.kind is not p.KEYWORD_ONLY]
    if len(args) > len(placed):
        more = ", ".join(shorten(value, 30) for value in args[len(placed) :][:3])
        several = f"{len(placed) or 'no'} argument{'s' * (len(placed) != 1)}"
        rule = f"takes {several} without a name, got {len(args)}"
        raise ScheduleError(who, rule, f"name what {more} is for; {takes}")
    for name, value in zip(placed, args, strict=False):
        if name in given:
            rule = f"got {name} twice, {shorten(value)} and {name}={shorten(given[name])}"
            raise ScheduleError(who, rule, "give it once")
    here = {*placed[: len(args)], *given}
    left = [p.name for p in named if p.default is p.empty and p.name not in here]
    raise ScheduleError(who, f"has no {left[0]}", f"give {left[0]}=…; {takes}")


def strict(given: _F) -> _F:
    """Answer a call that does not fit with an error of ours: of a function, or of a constructor.

    >>> @strict
    ... def wait(over: int) -> int:
    ...     return over
    >>> wait(ovr=3)
    Traceback (most recent call last):
    ratewise.schedule.errors.ScheduleError: wait does not take ovr=3: did you mean over; ...
    """
    if isinstance(given, type):
        kind: Any = given
        kind.__init__ = strict(kind.__init__)
        return kind
    function: Callable[..., Any] = given
    bound = function.__code__.co_varnames[:1] in (("self",), ("cls",))
    who = function.__qualname__.removesuffix(".__init__").removeprefix("Schedule.")

    @functools.wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except TypeError:
            signature = inspect.signature(function)
            own = list(signature.parameters.values())[bound:]
            refuse_misfit(who, signature.replace(parameters=own), args[bound:], kwargs)
            raise

    return cast(_F, checked)


def handed(value: Any) -> Any:
    """Return an argument as it was meant: Hydra wraps lists and dicts, and schedules in them.

    Whatever its `_convert_` is, a nested `_target_` is a schedule here, and not its fields.
    """
    if type(value).__module__.partition(".")[0] != "omegaconf":
        return value
    made_by: Any = sys.modules["omegaconf"]  # it made the value, so it is there
    return made_by.OmegaConf.to_object(value)


class Strict(abc.ABCMeta):
    """Gives a construction that does not fit an error of ours."""

    @property
    def __signature__(cls) -> inspect.Signature:
        """The signature of the constructor, for `help` and editors."""
        whole = inspect.signature(cls.__init__)
        return whole.replace(parameters=list(whole.parameters.values())[1:])

    if not TYPE_CHECKING:  # checkers see the constructor of each class as it is

        def __call__(cls, *args: Any, **kwargs: Any) -> Any:
            args = tuple(map(handed, args))
            kwargs = {key: handed(value) for key, value in kwargs.items()}
            try:
                made = super().__call__(*args, **kwargs)
            except TypeError:
                refuse_misfit(cls.__name__, cls.__signature__, args, kwargs)
                raise
            if hasattr(made, "nests"):  # a schedule or a plan
                weigh(made)
            return made
