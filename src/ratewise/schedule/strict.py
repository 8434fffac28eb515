"""How values are made: a wrong argument is an error of ours."""

from __future__ import annotations

import abc
import dataclasses
import inspect
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from ratewise.schedule.budget import weigh
from ratewise.schedule.errors import ScheduleError, nearest, shorten
from ratewise.schedule.foreign import argument, call
from ratewise.schedule.foreign_names import NAMES


def advice(name: str, key: str, given: Mapping[str, Any], known: Collection[str]) -> str:
    """Return what to write for the keyword `key` of a call that does not know it.

    It may be that of a namesake in another library, or of its like there, or misspelt.
    """
    theirs = NAMES.get(name)
    if theirs and given.keys() <= set(theirs.names):
        return call(name, given)[1]
    if "over" not in known or not argument(key, given[key], known):
        return nearest(key, known)
    told = (argument(wrong, given[wrong], known) for wrong in given if wrong not in known)
    return "; ".join(text for text in told if text)


class Strict(abc.ABCMeta):
    """Gives a wrong keyword at construction an error of ours, with the nearest right one."""

    @property
    def __signature__(cls) -> inspect.Signature:
        """The signature of the constructor, for `help` and editors."""
        whole = inspect.signature(cls.__init__)
        return whole.replace(parameters=list(whole.parameters.values())[1:])

    if not TYPE_CHECKING:  # checkers see the constructor of each class as it is

        def __call__(cls, *args: Any, **kwargs: Any) -> Any:
            known = [f.name for f in dataclasses.fields(cls) if f.init]
            names = ", ".join(known)
            for key in kwargs:
                if key not in known:
                    rule = f"does not take {key}={shorten(kwargs[key])}"
                    fix = advice(cls.__name__, key, kwargs, known)
                    raise ScheduleError(cls.__name__, rule, f"{fix}; it takes {names}")
            try:
                made = super().__call__(*args, **kwargs)
            except TypeError as error:
                if "__init__()" not in str(error):
                    raise
                what = str(error).split("__init__() ")[-1]
                if "positional arguments but" in what:
                    what = f"got {len(args)} arguments"
                raise ScheduleError(cls.__name__, what, f"it takes {names}") from None
            weigh(made)
            return made
