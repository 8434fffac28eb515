"""Moves as forms: what can be picked, and the fields of each, read off the classes themselves.

Nothing here names a shape. What a new class in `ratewise.schedule` has for fields, with their
kinds and what its docstring says of them, is what the page shows.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from ratewise import schedule as shapes
from ratewise.schedule import Cosine, Plan, Schedule, ScheduleError, Sequence, parse
from ratewise.schedule.errors import nearest, shorten
from ratewise.schedule.spelling import spell

LONGEST = 10_000
"""Characters of what is typed into one field."""

_EXAMPLES: dict[str, Any] = {
    "Any": {0: 1, "50%": 0.1},
    "Iterable[Length]": ("30%", "50%"),
    "Length": "10%",
    "Move": Cosine(),
    "Schedule": Cosine(),
    "float": 0.5,
    "int": 100,
    "tuple[Schedule, ...]": (Cosine(), Cosine()),
}
"""What stands in a field that has to be given, by its annotation."""

TRIED = 10_000
"""Updates of a run in which whatever is picked has to fit."""

_CANNOT = "Callable"
"""Annotation of what no text can say."""


@dataclass(frozen=True)
class FieldForm:
    """One field of a move, as it is shown.

    Attributes:
        name: Its name.
        text: What it holds, as it is typed; "" where it is left out.
        hint: What the docstring says of it.
        rest: Whether it may be left out, and stands for the rest of the run then.
        choices: The words that it takes, where its docstring lists them.
    """

    name: str
    text: str
    hint: str
    rest: bool
    choices: tuple[str, ...] = ()


@cache
def kinds() -> dict[str, Callable[..., Schedule | Plan]]:
    """Return whatever can be picked by name: the public shapes that a text can say.

    >>> kinds()["Cosine"]
    <class 'ratewise.schedule.moves.Cosine'>
    """
    every: dict[str, Any] = {name: getattr(shapes, name) for name in sorted(shapes.__all__)}
    return {name: shape for name, shape in every.items() if _makes_one(shape)}


def _makes_one(shape: Any) -> bool:
    """Tell whether something public makes a schedule that a text can say."""
    if inspect.isclass(shape):
        return dataclasses.is_dataclass(shape) and _concrete(shape)
    return inspect.isfunction(shape) and _composes(shape)


def _concrete(shape: type[Any]) -> bool:
    told = [str(field.type) for field in dataclasses.fields(shape)]
    chain = issubclass(shape, Sequence)  # it is what the moves are in
    return (
        issubclass(shape, Schedule)
        and not chain
        and not any(one.startswith(_CANNOT) for one in told)
    )


def _composes(shape: Callable[..., Any]) -> bool:
    """Tell whether a function makes a schedule of numbers, and does not read one of a text."""
    given = inspect.signature(shape)
    if str(given.return_annotation) not in ("Schedule", "Plan"):
        return False
    return all(str(one.annotation) in _EXAMPLES or one.default is not one.empty
               for one in given.parameters.values())  # fmt: skip


def example(name: str, around: Schedule | None = None) -> Schedule | Plan:
    """Return a shape as it is picked: fields that have to be given are filled by their kind.

    Args:
        name: Its name.
        around: What stands in a field for a schedule.

    Raises:
        ScheduleError: there is no such shape.

    >>> example("Cosine"), example("Step")
    (Cosine(to=0), Step(0.1, every="10%"))
    """
    if name not in kinds():
        raise ScheduleError(shorten(name), "is not a shape", nearest(name, kinds()))
    shape = kinds()[name]
    parameters = list(inspect.signature(shape).parameters.values())
    given = {one.name: _filled(one, around) for one in parameters if _has_to_be(one)}
    optional = [one for one in parameters if one.name not in given and _may_be_filled(one)]
    optional.sort(key=lambda one: str(one.annotation) == "Any")  # a length says more than points
    chosen = (more for count in range(3) for more in itertools.combinations(optional, count))
    error: ScheduleError | None = None
    for more in chosen:
        try:
            found = shape(**given, **{one.name: _filled(one, around) for one in more})
            found.resolve(TRIED)
        except ScheduleError as refused:
            error = error or refused
        else:
            return found
    assert error is not None
    raise error


def _has_to_be(one: inspect.Parameter) -> bool:
    """Tell whether a parameter needs a value; a length of one update shows nothing."""
    return one.default is one.empty or (str(one.annotation) == "Length" and one.default == 1)


def _may_be_filled(one: inspect.Parameter) -> bool:
    return one.default is None and str(one.annotation).removesuffix(" | None") in _EXAMPLES


def _filled(one: inspect.Parameter, around: Schedule | None) -> Any:
    kind = str(one.annotation).removesuffix(" | None")
    if around is not None and kind == "Schedule":
        return around
    return _EXAMPLES.get(kind, 1)


# Fields ------------------------------------------------------------------------------------


def forms(move: Schedule) -> tuple[FieldForm, ...]:
    """Return the fields of a move as they are shown.

    >>> [(one.name, one.text) for one in forms(Cosine(to=0.1))]
    [('to', '0.1'), ('over', ''), ('start', '')]
    """
    told = hints(type(move))
    return tuple(
        FieldForm(
            name=field.name,
            text=typed(getattr(move, field.name)),
            hint=told.get(field.name, ""),
            rest=field.name == "over",
            choices=_choices(told.get(field.name, ""), getattr(move, field.name)),
        )
        for field in dataclasses.fields(move)  # pyright: ignore[reportArgumentType]
    )


@cache
def hints(shape: Callable[..., Any]) -> dict[str, str]:
    """Return what the docstring of a shape says of its arguments, by name."""
    text = inspect.getdoc(shape) or ""
    match = re.search(r"^Args:\n((?:[ ]+.*\n?|\n)*)", text, re.MULTILINE)
    if match is None:
        return {}
    found = re.findall(r"^ {4}(\w+): ((?:.+)(?:\n {8,}.*)*)", match[1], re.MULTILINE)
    return {name: " ".join(said.split()) for name, said in found}


def summary(shape: Callable[..., Any]) -> str:
    """Return the first sentence of what a shape says of itself."""
    return (inspect.getdoc(shape) or "").partition("\n\n")[0].replace("\n", " ")


def _choices(hint: str, value: Any) -> tuple[str, ...]:
    """Return the words that a field takes, if its docstring quotes them and it holds one."""
    words = tuple(dict.fromkeys(re.findall(r'"([a-z][a-z0-9_-]*)"', hint)))
    return words if isinstance(value, str) and value in words and len(words) > 1 else ()


def typed(value: Any) -> str:
    """Return what is in a field as somebody would type it."""
    if value is None:
        return ""
    return value if isinstance(value, str) else spell(value)


def with_field(move: Schedule, name: str, text: str) -> Schedule:
    """Return the move with what was typed into one of its fields.

    Raises:
        ScheduleError: there is no such field, or it cannot hold this.

    >>> with_field(Cosine(to=0.1), "over", "20%")
    Cosine(to=0.1, over="20%")
    >>> with_field(Cosine(to=0.1), "to", "__import__('os')")
    Traceback (most recent call last):
    ratewise.schedule.errors.ScheduleError: Cosine(to=__import__('os')) cannot be read: ...
    """
    known = {field.name: field for field in dataclasses.fields(move)}  # pyright: ignore[reportArgumentType]
    if name not in known:
        raise ScheduleError(shorten(name), "is no field", nearest(name, known))
    if not text.strip():
        value = _left_out(known[name])
    else:
        who = f"{type(move).__name__}({name}={shorten(text)[1:-1]})"
        value = _value(who, text.strip(), known[name])
    return dataclasses.replace(move, **{name: value})  # pyright: ignore[reportArgumentType]


def _left_out(field: dataclasses.Field[Any]) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    raise ScheduleError(field.name, "has to be given", "type a value, or remove the move")


def _value(who: str, text: str, field: dataclasses.Field[Any]) -> Any:
    """Return what a text stands for: a number, a word or length, a schedule, or points."""
    kind = str(field.type)
    if len(text) > LONGEST:
        raise ScheduleError(who, f"got {len(text):,} characters", f"type at most {LONGEST:,}")
    if kind in ("Schedule", "Move"):
        return _schedule(text)
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    if kind.startswith("tuple[Schedule"):
        return _schedule(
            f"Product({text})" if text.startswith("(") else f"Product(({text},))"
        ).parts
    if text[0] in "([{'\"" or text in ("True", "False", "None"):
        return _literal(who, text)
    if "(" in text:
        raise ScheduleError(who, "cannot be read", "type a number, a length such as 10%, or a word")
    return text


def _schedule(text: str) -> Schedule:
    found = parse(text)
    if isinstance(found, Plan):
        raise ScheduleError(shorten(text), "is a plan", "type a schedule such as Cosine(to=0)")
    return found


def _literal(who: str, text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        rule = "cannot be read"
        raise ScheduleError(who, rule, 'type it such as {0: 1, "50%": 0.1}') from None


# Chains ------------------------------------------------------------------------------------


def moves_of(value: Schedule | Plan) -> tuple[Schedule, ...]:
    """Return the chain that a schedule is, or that of the rate in a plan."""
    schedule = value.lr if isinstance(value, Plan) else value
    if schedule is None:
        return ()
    return schedule.moves if isinstance(schedule, Sequence) else (schedule,)


def with_moves(value: Schedule | Plan, moves: tuple[Schedule, ...]) -> Schedule | Plan:
    """Return the same with another chain.

    Raises:
        ScheduleError: nothing is left of it, or two moves leave their length out.
    """
    if not moves:
        rule, fix = "is all there is", "add another move first, or remove the schedule"
        raise ScheduleError("The last move", rule, fix)
    schedule = moves[0] if len(moves) == 1 else Sequence(moves)
    return dataclasses.replace(value, lr=schedule) if isinstance(value, Plan) else schedule
