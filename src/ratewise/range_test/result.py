"""What a range test has found."""

from __future__ import annotations

import math
import sys
import textwrap
from dataclasses import dataclass, field
from typing import Any

from ratewise._arrays import Floats
from ratewise.range_test.ladder import Ladder, Sweep
from ratewise.range_test.marks import Mark, MarkedCurve, read_sweeps
from ratewise.range_test.refusals import Refusal, at_once, notes, refused
from ratewise.view.tables import tabled
from ratewise.view.ticks import rate as spell

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

    >>> from ratewise.range_test.ladder import Ladder
    >>> refusal = Refusal("it diverged at once", "give a lower lowest=")
    >>> print(RangeTestResult(Ladder(), (), None, refusal))
    No answer, because it diverged at once: give a lower lowest=.
    """

    ladder: Ladder
    sweeps: tuple[Sweep, ...] = field(repr=False)
    reading: MarkedCurve | None = field(repr=False)
    refusal: Refusal | None = None

    @property
    def rate(self) -> float | None:
        """The suggested peak, or None: a fifth of the way, in decades, from minimum to onset.

        log rate = min(0.8 log minimum + 0.2 log onset, log of the onset's lower end)
        """
        if self.refusal is not None or self.minimum is None:
            return None
        onset = self.onset or self.minimum
        low, high = math.log10(self.minimum.rate), math.log10(onset.rate)
        rate = min(10 ** (low + TOWARDS * (high - low)), onset.low)
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
        return notes(self.ladder, self.reading)

    def table(self) -> str:
        """Return the marks with their 90 % intervals, as text; empty without an answer."""
        marks = {
            "steepest": self.steepest,
            "minimum / 10": self.tenth,
            "minimum": self.minimum,
            "onset of divergence": self.onset,
        }
        rows = [
            (name, *(spell(float(f"{v:.2g}")) for v in (mark.rate, mark.low, mark.high)))
            for name, mark in marks.items()
            if mark is not None
        ]
        if not rows:
            return ""
        return tabled([("", "rate", "from", "to"), *rows])

    def text(self, width: int | None = None, colour: bool | None = None) -> str:
        """Return the curve drawn as text, the table, and the paragraph that tells it.

        Args:
            width: Columns, at least 40; left out, as wide as the terminal, at most 120.
            colour: Whether to use colours; left out, if standard output is a terminal.
        """
        from ratewise.view.range_test_text import draw
        from ratewise.view.terminal import NARROWEST, is_coloured, screen_width

        width = screen_width() if width is None else max(width, NARROWEST)
        colour = is_coloured(sys.stdout) if colour is None else colour
        told = textwrap.fill(str(self), width)
        parts = [draw(self, width, colour) if self.reading else "", self.table(), told]
        return "\n".join(part for part in parts if part)

    def figure(self) -> Any:
        """Return a `matplotlib.figure.Figure` of the losses, the curve and its marks.

        Raises:
            ImportError: matplotlib is not installed.
        """
        from ratewise.view.range_test import draw

        return draw(self)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON types; a loss that is not finite becomes None."""
        marks = {name: _as_dict(getattr(self, name)) for name in ("steepest", "minimum", "onset")}
        read = self.reading
        return {
            "rate": self.rate,
            "reason": self.reason,
            "advice": None if self.refusal is None else self.refusal.advice,
            **marks,
            "notes": list(self.notes),
            "updates": self.updates,
            "ladder": dict(vars(self.ladder)),
            "rates": [] if read is None else self.rates.tolist(),
            "curve": [] if read is None else read.curve.tolist(),
            "sweeps": [_sweep(one) for one in self.sweeps],
        }

    def __str__(self) -> str:
        return _paragraph(self)

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


def _paragraph(found: RangeTestResult) -> str:
    """Return the answer as one paragraph."""
    if found.refusal is not None:
        return f"No answer, because {found.refusal.reason}: {found.refusal.advice}."
    steepest, minimum, onset = found.steepest, found.minimum, found.onset
    assert found.rate is not None
    assert steepest is not None
    assert minimum is not None
    breaks = "" if onset is None else f" and breaks from {_told(onset)} on"
    said = (
        f"Use a peak of about {spell(found.rate)}. The loss falls fastest at {_told(steepest)}, "
        f"is lowest at {_told(minimum)}{breaks}; a tenth of the minimum, "
        f"{_short(minimum.rate / 10)}, is the cautious choice. "
    )
    limits = (
        f"Intervals are of 90 %, from {found.updates:,} updates in {len(found.sweeps)} "
        f"sweep{'s' if len(found.sweeps) > 1 else ''}. A range test finds an edge of stability, "
        "and knows nothing of how long you will train: longer runs want lower peaks."
    )
    return " ".join([said + limits, *found.notes])


def _told(mark: Mark) -> str:
    return f"{_short(mark.rate)} ({_short(mark.low)} … {_short(mark.high)})"


def _short(value: float) -> str:
    return spell(float(f"{value:.2g}"))


def _as_dict(mark: Mark | None) -> dict[str, float] | None:
    return None if mark is None else dict(vars(mark))


def _sweep(sweep: Sweep) -> dict[str, Any]:
    losses = [loss if math.isfinite(loss) else None for loss in sweep.losses]
    return {"seed": sweep.seed, "broke": sweep.rate, "losses": losses}
