"""What a range test has found."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from ratewise._arrays import Floats
from ratewise._json import plain
from ratewise._printable import printable
from ratewise.range_test.ladder import Ladder, Sweep
from ratewise.range_test.marks import Mark, MarkedCurve, read_sweeps
from ratewise.range_test.refusals import Refusal, at_once, notes, refused
from ratewise.schedule.errors import PYTHON, Context, written
from ratewise.view.format import format_rate, format_table

TOWARDS = 0.2
"""How far the suggestion goes from the minimum towards the onset of divergence, in decades."""


@dataclass(frozen=True, eq=False)
class RangeTestResult:
    """Where a task learns, and where it breaks; `print(found)` shows the curve and says it.

    All rates are those of the group with the largest; the others keep their ratio to it.

    Args:
        ladder: The rates that were tried.
        sweeps: The losses, one sweep per seed.
        reading: The curve through them and its marks; None if there was nothing to read.
        refusal: Why there is no answer and what to do, or None.
        how: How the sweeps were trained, a sentence, or "" for each alone.

    >>> from ratewise.range_test.ladder import Ladder
    >>> refusal = Refusal("it diverged at once", "give a lower lowest=")
    >>> print(RangeTestResult(Ladder(), (), None, refusal))
    No answer, because it diverged at once: give a lower lowest=.
    """

    ladder: Ladder
    sweeps: tuple[Sweep, ...] = field(repr=False)
    reading: MarkedCurve | None = field(repr=False)
    refusal: Refusal | None = None
    how: str = field(default="", kw_only=True)

    towards: ClassVar[float] = TOWARDS
    """How far the suggestion goes from the minimum towards the onset, in decades of them."""

    @property
    def rate(self) -> float | None:
        """The suggested peak, or None: a fifth of the way, in decades, from minimum to onset.

        log rate = min(0.8 log minimum + 0.2 log onset, log of the onset's lower end)
        """
        if self.refusal is not None or self.minimum is None:
            return None
        onset = self.onset or self.minimum
        low, high = math.log10(self.minimum.rate), math.log10(onset.rate)
        rate = min(10 ** (low + self.towards * (high - low)), onset.low)
        return float(f"{rate:.3g}")

    @property
    def reason(self) -> str | None:
        """Why there is no answer, or None."""
        return None if self.refusal is None else self.refusal.reason

    @property
    def steepest(self) -> Mark | None:
        """Where the loss falls fastest per decade, or None without an answer."""
        return self._mark("steepest")

    @property
    def minimum(self) -> Mark | None:
        """Where the loss is lowest, or None without an answer."""
        return self._mark("minimum")

    @property
    def tenth(self) -> Mark | None:
        """A tenth of the minimum, the usual cautious choice, or None without an answer."""
        return None if self.minimum is None else self.minimum.scaled(0.1)

    @property
    def onset(self) -> Mark | None:
        """Where the loss has risen again by a fifth of its fall, or None if it has not."""
        return self._mark("onset")

    @property
    def updates(self) -> int:
        """Updates that were trained, of all sweeps."""
        return sum(len(sweep.losses) for sweep in self.sweeps)

    @property
    def rates(self) -> Floats:
        """The rates of the curve, float64[points], as far as the sweeps went."""
        return 10 ** self._reading().at

    @property
    def curve(self) -> Floats:
        """The loss at `rates`, smoothed without lag, float64[points]."""
        return self._reading().curve

    @property
    def notes(self) -> tuple[str, ...]:
        """What else there is to know, each a sentence."""
        if self.refusal is not None or self.reading is None:
            return ()
        return (*notes(self.ladder, self.reading), *filter(None, [self.how]))

    def told(self, context: Context) -> RangeTestResult:
        """Return the same, with its advice in the language of whoever is spoken to."""
        refusal = self.refusal
        return self if refusal is None else replace(self, refusal=refusal.told(context))

    def table(self) -> str:
        """Return the marks with their 90 % intervals, as text; empty without an answer."""
        marks = {
            "steepest": self.steepest,
            "minimum / 10": self.tenth,
            "minimum": self.minimum,
            "onset of divergence": self.onset,
        }
        rows = [
            (name, *(format_rate(v, 2) for v in (mark.rate, mark.low, mark.high)))
            for name, mark in marks.items()
            if mark is not None
        ]
        if not rows:
            return ""
        return format_table([("", "rate", "from", "to"), *rows])

    def text(self, width: int | None = None, colour: bool | None = None) -> str:
        """Return the curve drawn as text, the table, and the paragraph that tells it.

        Args:
            width: Columns, at least 40; left out, as wide as the terminal, at most 120.
            colour: Whether to use colours; left out, if standard output is a terminal.
        """
        from ratewise.view.range_test import LossCurve, draw_text
        from ratewise.view.terminal import read_screen

        width, colour = read_screen(width, colour)
        picture = ""
        if self.reading is not None:
            marks = {name[0]: mark.rate for name, mark in self._marks().items()}
            marks |= {} if self.rate is None else {"*": self.rate}
            key = "" if self.rate is None else "s steepest  m minimum  o onset  * to use"
            picture = draw_text(LossCurve(self.rates, self.curve), marks, key, width, colour)
        parts = [picture, self.table(), textwrap.fill(printable(str(self)), width)]
        return "\n".join(part for part in parts if part)

    def figure(self) -> Any:
        """Return a `matplotlib.figure.Figure` of the losses, the curve and its marks.

        Raises:
            ImportError: matplotlib is not installed.
        """
        from ratewise.view.range_test import paper

        return paper(self.chart())

    def chart(self) -> Any:
        """Return what is drawn of it, for whoever draws it."""
        from ratewise.view.range_test import LossCurve, chart

        seen = [sweep.rungs[: sweep.broke] for sweep in self.sweeps]
        sweeps = [LossCurve(self.ladder.rates[: len(losses)], losses) for losses in seen]
        curve = None if self.reading is None else LossCurve(self.rates, self.curve)
        marks = {name: (one.rate, one.low, one.high) for name, one in self._marks().items()}
        title = f"No answer, because {self.reason}"
        if self.rate is not None:
            title = f"Range test: use a peak of about {format_rate(self.rate)}"
        return chart(sweeps, curve, marks, self.rate, title)

    def _repr_html_(self) -> str:
        from ratewise.view.blocks import Prose, inline

        return inline([self.chart(), Prose([str(self)])])

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON types; a loss that is not finite becomes None."""
        read = self.reading
        told = {
            "rate": self.rate,
            "reason": self.reason,
            "advice": None if self.refusal is None else written(self.refusal.advice, PYTHON),
            "steepest": self.steepest,
            "minimum": self.minimum,
            "onset": self.onset,
            "notes": self.notes,
            "updates": self.updates,
            "ladder": vars(self.ladder),
            "rates": [] if read is None else self.rates,
            "curve": [] if read is None else read.curve,
            "sweeps": [
                {"seed": one.seed, "broke": one.rate, "losses": one.losses} for one in self.sweeps
            ],
        }
        return plain(told)

    def __str__(self) -> str:
        if self.refusal is not None:
            advice = written(self.refusal.advice, PYTHON)
            return f"No answer, because {self.refusal.reason}: {advice}."
        steepest, minimum, onset = self.steepest, self.minimum, self.onset
        assert self.rate is not None
        assert steepest is not None
        assert minimum is not None
        breaks = "" if onset is None else f" and breaks from {told_mark(onset)} on"
        said = (
            f"Use a peak of about {format_rate(self.rate)}. "
            f"The loss falls fastest at {told_mark(steepest)}, "
            f"is lowest at {told_mark(minimum)}{breaks}; a tenth of the minimum, "
            f"{format_rate(minimum.rate / 10, 2)}, is the cautious choice. "
        )
        limits = (
            f"Intervals are of 90 %, from {self.updates:,} updates in {len(self.sweeps)} "
            f"sweep{'s' if len(self.sweeps) > 1 else ''}. A range test finds an edge of stability, "
            "and knows nothing of how long you will train: longer runs want lower peaks."
        )
        return " ".join([said + limits, *self.notes])

    def _marks(self) -> dict[str, Mark]:
        named = {"steepest": self.steepest, "minimum": self.minimum, "onset": self.onset}
        return {name: mark for name, mark in named.items() if mark is not None}

    def _mark(self, name: str) -> Mark | None:
        if self.refusal is not None or self.reading is None:
            return None
        return getattr(self.reading, name)

    def _reading(self) -> MarkedCurve:
        if self.reading is None:
            raise ValueError(f"there is no curve, because {self.reason}")
        return self.reading


def conclude(ladder: Ladder, sweeps: tuple[Sweep, ...]) -> RangeTestResult:
    """Return what the sweeps say."""
    refusal = at_once(ladder, sweeps)
    if refusal is not None:
        return RangeTestResult(ladder, sweeps, None, refusal)
    read = read_sweeps(ladder, sweeps)
    return RangeTestResult(ladder, sweeps, read, refused(ladder, sweeps, read))


def told_mark(mark: Mark) -> str:
    """Return a mark with its interval."""
    rate, low, high = (format_rate(value, 2) for value in (mark.rate, mark.low, mark.high))
    return f"{rate} ({low} … {high})"
