"""How values are made: a wrong argument is an error of ours."""

from __future__ import annotations

import abc
import dataclasses
import inspect
from typing import TYPE_CHECKING, Any

from ratewise.schedule.errors import ScheduleError, nearest, shorten


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
                    raise ScheduleError(
                        cls.__name__, rule, f"{nearest(key, known)}; it takes {names}"
                    )
            try:
                return super().__call__(*args, **kwargs)
            except TypeError as error:
                if "__init__()" not in str(error):
                    raise
                what = str(error).split("__init__() ")[-1]
                if "positional arguments but" in what:
                    what = f"got {len(args)} arguments"
                raise ScheduleError(cls.__name__, what, f"it takes {names}") from None
