"""Best peaks carried from one schedule and length to another, on recorded grids of short runs.

A best peak is the bottom of a parabola in the logarithm of the peak through the lowest loss and
its neighbours, mean of two seeds; where the lowest loss is at an end of the grid, that end.
Printed are the share of the theory's log-ratios that is there (a slope); mean |log ratio errors|
over all ordered pairs of cells, of one peak for all, of the theory, and with a few more peaks
measured; how many best peaks are inside the 90 % interval; and the same of lengths, from forks of
the constant run that were cooled early. See docs/predict.md.

    python benchmarks/transfer.py [TASK …]
"""

from __future__ import annotations

import sys
from itertools import permutations
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent / "grids"))

from replay import TASKS, Candidate, Grid, written

import ratewise as rw
from ratewise.choose import bound, transfer

KNOWN, DRAWS, SEED = 3, 200, 0


class Cell(NamedTuple):
    """A schedule, its length and the best peak found."""

    schedule: rw.Schedule
    total: int
    peak: float


def best_peak(peaks: NDArray[np.float64], losses: NDArray[np.float64]) -> float:
    """Return the bottom of the parabola about the lowest loss, never beyond its neighbours."""
    at = int(np.argmin(losses))
    if at in (0, len(peaks) - 1) or not np.isfinite(losses[at - 1 : at + 2]).all():
        return float(peaks[at])
    x = np.log(peaks[at - 1 : at + 2])
    second, first, _ = np.polyfit(x - x[1], losses[at - 1 : at + 2], 2)
    return float(np.exp(x[1] + np.clip(-first / (2 * second), x[0] - x[1], x[2] - x[1])))


def cells(grid: Grid) -> list[Cell]:
    """Return the best peak of every shape with every warm-up."""
    found: list[Cell] = []
    for shape, warmup in dict.fromkeys((one.shape, one.warmup) for one in grid.candidates):
        peaks, losses, text = column(grid, grid.final, shape, warmup)
        found.append(Cell(written(text), grid.total, best_peak(peaks, losses)))
    return found


def column(
    grid: Grid, metric: NDArray[np.float64], shape: str, warmup: str
) -> tuple[NDArray[np.float64], NDArray[np.float64], str]:
    peaks = np.array(sorted({one.peak for one in grid.candidates}))
    at = [grid.candidates.index(Candidate(shape, peak, warmup)) for peak in peaks]
    return peaks, metric[at].mean(1), grid.schedules[at[0]]


def lengths(grid: Grid) -> list[list[Cell]]:
    """Return the best peaks of a constant run that is cooled early, and of one that is not."""
    found: list[list[Cell]] = []
    for warmup in dict.fromkeys(one.warmup for one in grid.candidates):
        row: list[Cell] = []
        for share, metric in grid.cooled.items():
            peaks, losses, _ = column(grid, metric, "constant", warmup)
            cut = round(share * grid.total)
            cooldown = round(0.2 * cut)
            climb = rw.Warmup(round(float(warmup.rstrip("%")) / 100 * grid.total))
            run = (climb >> rw.Hold()).cool(at=cut, over=cooldown)
            row.append(Cell(run, cut + cooldown, best_peak(peaks, losses)))
        peaks, losses, text = column(grid, grid.final, "wsd 20%", warmup)
        found.append([*row, Cell(written(text), grid.total, best_peak(peaks, losses))])
    return found


def carried(old: Cell, new: Cell, known: list[Cell]) -> tuple[float, bool]:
    """Return the log error of the peak, and whether the interval holds the best one."""
    measured = [(one.schedule, one.total, one.peak) for one in known]
    told = transfer(old.peak, old.schedule, old.total, new.schedule, new.total, measured=measured)
    return abs(float(np.log(told.lr / new.peak))), told.low <= new.peak <= told.high


def shapes(every: list[Cell]) -> str:
    """Return how well peaks are carried between the shapes of one task."""
    pairs = list(permutations(every, 2))
    same = np.mean([apart(old, new) for old, new in pairs])
    off, inside = np.mean([carried(old, new, []) for old, new in pairs], axis=0)
    random = np.random.default_rng(SEED)
    few: list[tuple[float, bool]] = []
    mean: list[float] = []
    for _ in range(DRAWS):
        old, new, *known = (every[i] for i in random.permutation(len(every))[: KNOWN + 2])
        few.append(carried(old, new, known))
        level = np.mean(np.log([one.peak for one in (old, *known)]))
        mean.append(abs(float(level - np.log(new.peak))))
    known_off, known_inside = np.mean(few, axis=0)
    theory = np.log([bound(one.schedule, one.total).best_peak for one in every])
    share = np.polyfit(theory, np.log([one.peak for one in every]), 1)[0]
    return (
        f"share of theory {share:.2f}; same peak {same:.2f}, theory {off:.2f} ({inside:.0%} inside)"
        f"; with {KNOWN} more peaks:"
        f" their mean {np.mean(mean):.2f}, theory {known_off:.2f} ({known_inside:.0%} inside)"
    )


def apart(old: Cell, new: Cell) -> float:
    return abs(float(np.log(old.peak / new.peak)))


def main() -> None:
    """Print everything, task by task."""
    for task in sys.argv[1:] or TASKS:
        grid = Grid(task)
        print(f"{task:10} shapes: {shapes(cells(grid))}", flush=True)
        if not grid.cooled:
            continue  # recorded at one length
        for row in lengths(grid):
            totals, peaks = np.log([one.total for one in row]), np.log([one.peak for one in row])
            slope = -np.polyfit(totals, peaks, 1)[0]
            pairs = list(permutations(row, 2))
            same = np.mean([apart(old, new) for old, new in pairs])
            off, inside = np.mean([carried(old, new, []) for old, new in pairs], axis=0)
            told = ", ".join(f"{one.peak:.2g} at {one.total}" for one in row)
            print(
                f"{'':10} lengths: {told}: exponent {slope:+.2f}; same peak {same:.2f},"
                f" theory {off:.2f} ({inside:.0%} inside)"
            )


if __name__ == "__main__":
    main()
