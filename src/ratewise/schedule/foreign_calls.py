"""Calls of other libraries: what was written there, and the advice what to write here."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from ratewise._printable import literal
from ratewise.schedule.errors import shorten


class Verbatim(str):
    """What a user wrote for an argument, where it is no literal: it is shown as it stands."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


@dataclass(frozen=True)
class Instead:
    """What to write.

    Args:
        write: A schedule as text. A level that only the peak can tell is a name in braces.
        rates: For each such name, the rate that is divided by the peak.
        exact: The text that has their rates at every update; "" if none has.
        note: What to know besides.
    """

    write: str
    rates: Mapping[str, Any] = field(default_factory=dict[str, Any])
    exact: str = ""
    note: str = ""

    def text(self, lr: float) -> str:
        """Return the text with their rates (else what comes near) for a peak of `lr`."""
        text = self.exact or self.write
        for name, rate in self.rates.items():
            text = text.replace(f"{{{name}}}", spell(float(f"{rate / lr:.12g}")))
        return text

    def __str__(self) -> str:
        """The advice as a sentence that begins with `write`."""
        write, exact = self.write, self.exact
        for name in self.rates:
            write, exact = (text.replace(f"{{{name}}}", "…") for text in (write, exact))
        parts = [f"write {write}"]
        if self.rates:
            shares = " and ".join(
                f"{name} = {spell(rate)} / lr" for name, rate in self.rates.items()
            )
            parts.append(f"with the share of the peak: {shares}")
            known = [rate for rate in self.rates.values() if type(rate) in (int, float)]
            if known and len(known) == len(self.rates) and max(known) > 0:
                lr = 1e-3 if max(known) < 1e-3 else float(f"{max(known) * 10:.1g}")
                parts.append(f"so {replace(self, exact='').text(lr)} for lr={lr:g}")
        if exact and exact != write:
            parts.append(f"or, for the same rate at every update, {exact}")
        return ", ".join(parts) + (f"; {self.note}" if self.note else "")


EXAMPLES: dict[str, Any] = {
    **dict.fromkeys(("T_max", "total_iters", "t_initial", "over", "end"), 100),
    **dict.fromkeys(("decay_steps", "transition_steps", "max_iters", "total_num_update"), 1000),
    **dict.fromkeys(("T_0", "step_size", "decay_t", "step", "first_decay_steps"), 30),
    **dict.fromkeys(("first_cycle_steps", "num_decay_steps", "max_steps"), 200),
    **dict.fromkeys(("warmup_steps", "num_warmup_steps", "warmup_iters", "t_warmup"), 100),
    **dict.fromkeys(("warmup_epochs", "total_epoch"), 5),
    **dict.fromkeys(("gamma", "decay_rate"), 0.9),
    "milestones": (30, 60),
    "d_model": 512,
    "power": 2,
}
"""What stands for an argument that a call needs and does not give, so that advice can be read."""


class Arguments:
    """The arguments of a call of theirs, their defaults where they were left out.

    Args:
        signature: Names in order, `"T_max eta_min=0.0"`; one without a default is required.
        given: What was written, by name.
    """

    def __init__(self, signature: str, given: Mapping[str, Any]) -> None:
        self.given = given
        self.rates: dict[str, Any] = {}
        self.guessed: dict[str, Any] = {}
        """What was asked for and is not there: what stands for it, by name."""
        self._values: dict[str, Any] = {}
        for word in signature.split():
            name, _, default = word.partition("=")
            self._values[name] = ast.literal_eval(default) if default else Verbatim(name)
        self._values.update(given)

    def __getitem__(self, name: str) -> Any:
        value = self._values.get(name)
        if name in self.given or name not in EXAMPLES or not isinstance(value, Verbatim):
            return value
        return self.guessed.setdefault(name, EXAMPLES[name])

    def known(self, *names: str) -> bool:
        """Whether numbers were given for all of these."""
        return all(type(self[name]) in (int, float) for name in names)

    def spelt(self, name: str) -> str:
        """Return the text of an argument."""
        return spell(self[name])

    def share(self, name: str, to: str = "to", peak: str = "") -> str:
        """Return a rate of theirs as a level: 0, a number if they give the peak, or a blank."""
        if self[name] in (0, None):
            return "0"
        if isinstance(self[name], Verbatim) and name not in self.given:
            self.guessed[name] = 0
            return "0"
        if peak and self.known(name, peak) and self[peak]:
            return spell(float(f"{self[name] / self[peak]:.12g}"))
        self.rates[to] = self[name]
        return f"{{{to}}}"

    def options(self, **written: tuple[str, Any]) -> str:
        """Return `, here=value` for each argument of theirs that differs from our default."""
        pairs = ((here, self[there], ours) for here, (there, ours) in written.items())
        return "".join(f", {here}={spell(value)}" for here, value, ours in pairs if value != ours)

    def advice(self, write: str, *, same: bool = True, note: str = "") -> Instead:
        """Return advice with the rates that were asked for on the way."""
        return Instead(write, self.rates, write if same else "", note)


LONGEST_SPELT = 200
"""Characters of a text, and items of a list, that are spelt out; longer ones are left blank."""


def spell(value: Any, depth: int = 0) -> str:
    """Return the text of a literal of theirs; what is none stays as it was written."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, str) and not isinstance(value, Verbatim):
        return literal(value) if len(value) <= LONGEST_SPELT else "…"
    if isinstance(value, list | tuple):
        items: Sequence[Any] = value  # pyright: ignore[reportUnknownVariableType]
        if depth > 4 or len(items) > LONGEST_SPELT:
            return "(…)"
        texts = [spell(item, depth + 1) for item in items]
        return f"({', '.join(texts)}{',' * (len(texts) == 1)})"
    return shorten(value, 200)


Told = Callable[[Arguments], Instead]


MEANINGLESS = ("optimizer", "last_epoch", "verbose", "name", "num_training_steps", "lr", "step")
"""Arguments that do not change the shape."""


_BOUND = ("PyTorch", "Transformers", "timm", "detectron2", "MMEngine", "NeMo", "AllenNLP")
"""Libraries whose schedulers take the optimizer first."""


class Foreign(NamedTuple):
    """One name of another library.

    Args:
        library: Whose it is.
        signature: Its arguments, as of `Arguments`.
        told: What is written in its place.
        asks: Arguments without which the name alone does not say what is meant.
    """

    library: str
    signature: str
    told: Told
    asks: str = ""

    @property
    def names(self) -> list[str]:
        """The names of its arguments, in order."""
        return [word.partition("=")[0] for word in self.signature.split()]

    def advice(self, given: Mapping[str, Any], placed: Sequence[Any] = ()) -> Instead:
        """Return what to write for a call with these arguments, the optimizer left out or not."""
        bound = self.library.startswith(_BOUND)
        if bound and placed and isinstance(placed[0], Verbatim) and "lambda" not in placed[0]:
            placed = placed[1:]
        named = dict(zip(self.names, placed, strict=False))
        arguments = Arguments(self.signature, {**named, **given})
        advice = self.told(arguments)
        if arguments.guessed:
            said = " and ".join(f"{n}={spell(v)}" for n, v in arguments.guessed.items())
            verb = "is an example" if len(arguments.guessed) == 1 else "are examples"
            note = "; ".join(filter(None, (advice.note, f"{said} {verb}")))
            advice = replace(advice, note=note)
        left = [name for name in given if name not in self.names and name not in MEANINGLESS]
        left += [spell(value) for value in placed[len(self.names) :]]
        if not left:
            return advice
        note = "; ".join(filter(None, (advice.note, f"{', '.join(left)} not counted in")))
        return replace(advice, exact="", note=note)
