"""The picture: curves with their landmarks, as text, as a figure, as a file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ratewise.schedule import ScheduleError
from ratewise.schedule.strict import strict
from ratewise.show.curves import ScheduleCurve, What, gather
from ratewise.show.landmarks import Landmark
from ratewise.show.metrics import Recorded, read_metrics


@dataclass(frozen=True, repr=False)
class Picture:
    """Schedules as they will run; `print(picture)` draws them in the terminal.

    A notebook and the Python prompt show it by themselves.

    Attributes:
        curves: What is drawn, in order.
        notes: The notes of the plans among it.
        log: Whether levels are drawn on a logarithmic scale.
    """

    curves: tuple[ScheduleCurve, ...]
    notes: tuple[str, ...] = ()
    log: bool = False

    @cached_property
    def landmarks(self) -> tuple[tuple[Landmark, ...], ...]:
        """The landmarks of each curve."""
        return tuple(curve.landmarks for curve in self.curves)

    def text(self, width: int | None = None, colour: bool | None = None) -> str:
        """Return the drawing as text.

        Args:
            width: Columns, at least 40; left out, as wide as the terminal, at most 120.
            colour: Whether to use colours; left out, if standard output is a terminal and
                NO_COLOR is not set. Without colours several curves are told apart by letters.
        """
        from ratewise.view.schedules import draw_text
        from ratewise.view.terminal import read_screen

        width, colour = read_screen(width, colour)
        lines = [curve.line() for curve in self.curves]
        return draw_text(lines, self.notes, width=width, colour=colour, log=self.log)

    def figure(self) -> Any:
        """Return the drawing as a `matplotlib.figure.Figure`.

        Raises:
            ImportError: matplotlib is not installed.
        """
        from ratewise.view.schedules import draw

        return draw([curve.line() for curve in self.curves], log=self.log)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the figure to a file; its ending says in which format (.png, .svg, .pdf).

        Raises:
            ImportError: matplotlib is not installed.
            ScheduleError: it knows no format of that name.
        """
        from ratewise.view.style import to_bytes

        path = Path(path)
        picture = self.figure()
        ending = path.suffix.lstrip(".").lower()
        if ending not in picture.canvas.get_supported_filetypes():
            rule, fix = f"is no kind of figure ({path.suffix!r})", "end it in .png, .svg or .pdf"
            raise ScheduleError(f"File {str(path)!r}", rule, fix)
        path.write_bytes(to_bytes(picture, 150, ending))

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return self.text()

    def html(self, code: str = "", notes: tuple[str, ...] | None = None) -> str:
        """Return it as a piece of a page, as notebooks show it: charts, and tables of landmarks.

        Args:
            code: What stands above it, such as the text of the schedule.
            notes: What stands below it; left out, the notes of the plans.
        """
        from ratewise.view.blocks import Block, PageTable, Prose, inline, number
        from ratewise.view.format import format_rate
        from ratewise.view.schedules import charts

        told: list[Block] = [Prose([f"    {code}"])] if code else []
        told += charts([curve.line() for curve in self.curves], log=self.log)
        for curve in self.curves[:4]:
            value = [] if curve.peak is None else ["value"]
            rows = [
                [(f"{at:,}", float(at)), (format_rate(level), level),
                 *([] if curve.peak is None else [number(level * curve.peak, 4)]), what]
                for at, level, what in curve.landmarks
            ]  # fmt: skip
            label = f"{curve.row} {curve.name}".strip()
            told.append(
                PageTable(["update", "level", *value, label], rows, f"Landmarks of {label}")
            )
        return inline([*told, Prose(list(self.notes if notes is None else notes), "rw-note")])

    def _repr_html_(self) -> str:
        return self.html()

    def _repr_png_(self) -> bytes | None:
        from ratewise.view.style import to_bytes

        try:
            return to_bytes(self.figure(), 100)
        except ImportError:
            return None


@strict
def show(
    what: What,
    total: int | str | None = None,
    *,
    epoch: float | None = None,
    samples: float | None = None,
    tokens: float | None = None,
    lr: float | None = None,
    log: bool = False,
    png: str | os.PathLike[str] | None = None,
    metrics: Recorded | str | os.PathLike[str] | None = None,
) -> Picture:
    """Return a picture of schedules over a run; print it, or look at its figure.

    The levels are those that training uses, from the same function.

    Args:
        what: A schedule, a plan or the text of one; or several, in a list or a dict by name.
            Schedules are drawn over each other; every key and group of a plan gets its own row.
        total: Updates in the run, at least 1, or a length such as "3 epochs"; not needed if
            the schedules know their lengths.
        epoch: Updates in an epoch, in (0, inf).
        samples: Samples in an update, in (0, inf).
        tokens: Tokens in an update, in (0, inf).
        lr: Learning rate at level 1, in (0, inf), in place of a plan's peak; rates are shown too.
        log: Whether to draw levels on a logarithmic scale; a level of 0 is not on it.
        png: File to write the figure to; needs matplotlib.
        metrics: What schedules that listen are shown: pairs of an update and a dict of metrics,
            or a CSV or JSON file of them (see `read_metrics`).

    Raises:
        ScheduleError: a length does not fit, or needs what was not given.
        ImportError: `png` is given and matplotlib is not installed.

    >>> import ratewise as rw
    >>> picture = show("Warmup(50) >> Cosine(to=0.1)", 1000, lr=3e-4)
    >>> picture.landmarks[0][1]
    Landmark(update=50, level=1.0, what='Warmup ends, Cosine begins; peak')
    """
    units = {"epoch": epoch, "samples": samples, "tokens": tokens}
    shown = read_metrics(metrics) if isinstance(metrics, str | os.PathLike) else metrics
    curves, notes = gather(what, total, units, lr, shown)
    picture = Picture(curves, notes, log)
    if png is not None:
        picture.save(png)
    return picture


@strict
def figure(what: What, total: int | str | None = None, **options: Any) -> Any:
    """Return a `matplotlib.figure.Figure` of schedules; arguments as of `show`.

    Raises:
        ImportError: matplotlib is not installed.
    """
    return show(what, total, **options).figure()
