"""What a loss curve shows before any law speaks: flat, rising, cut short, one rate and others.

A sign is a fact about the data, found by a stated rule. Some stop a ranking: what a law says of
other schedules would be made up.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ratewise._arrays import Floats, running_medians
from ratewise.logs.curve import Curve, jitter
from ratewise.logs.reading import NoCurve, read_logs
from ratewise.schedule import ScheduleError

SURE = 3.0
"""Standard errors beyond which a change is no chance."""

STILL = 0.003
"""A loss whose course stays within this share of itself stands still."""

RISEN = 0.02
"""A validation loss that ends this share above its best has risen, noise aside."""

FAR = 2.0
"""Robust deviations of the others by which a first loss must be below them."""

OVERFITS = "it overfits: a shorter run or more data come before a schedule"

EARLY = 0.9
"""A best that lies before this share of the points is no last one."""

SHORT = 0.98
"""A run that made less than this share of its plan was cut short."""

SAME = 0.01
"""Rates within this share of each other are one rate."""

BOUNDARIES = 5.0
"""Standard errors by which the loss must fall where epochs begin."""

STAIRS = 0.3
"""Share of the fall behind the first epoch that happens where epochs begin."""

GUESS = (10.0, 0.6)
"""The same two where the log does not say how long an epoch is, and many lengths are tried."""

EACH = 4
"""Points of each epoch that are needed to see its course."""

MOST = 40
"""Epochs that are looked for where the log does not count them."""

GO_ON = ("flat", "one_rate")
"""Signs of runs that may go on as they did, though they tell nothing of other schedules."""

PASSED = 1.2
"""Epochs below which a run has hardly seen anything twice."""

GUESSED = 12
"""Classes up to which a flat loss is compared with that of guessing."""


@dataclass(frozen=True)
class Sign:
    """Something that a curve shows.

    Args:
        kind: flat, overfitting, one_rate, inside_warmup, cut_short, first_epoch, repeated_epochs
            or jump.
        sentence: What was seen, with its numbers.
        advice: What to do about it, or "".
        stops: Whether no schedule can be ranked by such a run.
    """

    kind: str
    sentence: str
    advice: str = ""
    stops: bool = False

    @property
    def blinds(self) -> bool:
        """Whether not even the end of the run itself is foreseen, were it to go on as it did.

        A loss that stands still and a rate that stays the same stop a ranking alone.
        """
        return self.stops and self.kind not in GO_ON

    def __str__(self) -> str:
        return f"{self.sentence}; {self.advice}" if self.advice else self.sentence


def read_signs(curves: Iterable[Curve]) -> tuple[Sign, ...]:
    """Return what runs of one task show: each by itself, and all of them together.

    | kind | rule |
    |---|---|
    | flat | the course stays within .3 %, or first and last third differ by < 3 standard errors |
    | overfitting | validation: ends > 2 % and > 3 standard errors above its best, before 90 % |
    | jump | rises by > 6 robust deviations and half of all that was won, and stays there |
    | inside_warmup | the rate rises to the last point |
    | cut_short | fewer than 98 % of the planned updates were made |
    | first_epoch | training: it ends within 1.2 epochs, and the plan goes on beyond them |
    | repeated_epochs | training: ≥ 30 % of the later fall lies where epochs begin, > 5 errors |
    | one_rate | all rates behind the warm-up, of all runs, are within 1 % |

    Standard errors are of the jitter from point to point.
    """
    runs = list(curves)
    found = [sign for run in runs for sign in _each(run)]
    rates = [_behind_warmup(run) for run in runs]
    if rates and not any(sign.kind == "inside_warmup" for sign in found):
        lowest, highest = (pick(pick(each) for each in rates) for pick in (min, max))
        if highest - lowest <= SAME * highest:
            what = "it ran" if len(runs) == 1 else "they ran"
            found.append(
                Sign(
                    "one_rate",
                    f"{what} at one rate, {highest:g}, which cannot tell what another does",
                    "add one run that is cooled down to 0 at its end",
                    stops=True,
                )
            )
    return tuple(found)


def signs_in(path: str) -> tuple[Sign, ...]:
    """Return the signs in the logs at a path; of those that make no curve, why they make none."""
    try:
        return read_signs(read_logs(path).curves)
    except NoCurve as error:
        said = f"its log {error.broken}"
        return (Sign("no_curve", said, str(error.fix), stops=error.another_kind),)
    except ScheduleError:
        return ()


def _each(run: Curve) -> list[Sign]:
    losses = np.asarray(run.losses)
    rises = _overfits(run)
    found = [
        rises,
        None if rises is not None and run.validation else _flat(run, losses),
        _jumps(run, losses),
        _climbs(run),
        _is_short(run),
        _in_first_epoch(run),
        _stairs(run, losses),
    ]
    return [sign for sign in found if sign is not None]


def _called(run: Curve) -> str:
    return f"{run.name}: " if run.name else ""


# Each sign ----------------------------------------------------------------------------------


def _flat(run: Curve, losses: Floats) -> Sign | None:
    smooth = running_medians(losses, 5)
    noise = jitter(losses) * float(np.median(losses))
    third = max(len(losses) // 3, 1)
    first, last = losses[:third].mean(), losses[-third:].mean()
    still = np.ptp(smooth) <= STILL * float(np.median(losses))
    began_above = smooth[0] - np.median(losses[-third:]) > 2 * SURE * noise
    level = abs(first - last) <= SURE * noise * math.sqrt(2 / third) and not began_above
    if not (still or level):
        return None
    at = float(np.median(losses))
    said = f"{_called(run)}the loss stays at {at:.4g} from the first point to the last"
    if not still:
        said = (
            f"{_called(run)}the loss changes by less than its jitter can tell, {first:.4g} in its "
            f"first third and {last:.4g} in its last"
        )
    chance = next((k for k in range(2, GUESSED + 1) if abs(at - math.log(k)) < 0.003 * at), None)
    if chance is not None:
        said += f", which is ln {chance}: that of guessing among {chance}"
    return Sign(
        "flat",
        said,
        "look at the data, the labels and the peak: there is nothing yet for a schedule",
        stops=True,
    )


def _overfits(run: Curve) -> Sign | None:
    steps, losses = _evaluations(run)
    if len(losses) < 2 or not np.isfinite(losses).all():
        return None
    many = len(losses) >= 8
    smooth = running_medians(losses, 5 if len(losses) >= 20 else 3) if many else losses
    best = int(smooth.argmin())
    last = float(np.median(losses[-max(3, len(losses) // 10) :]) if many else losses[-1])
    noise = jitter(losses) * last if many else 0.0
    if _only_first(losses):
        said = (
            f"{_called(run)}the validation loss is lowest at its first point, {losses[0]:.4g} at "
            f"update {steps[0]:,.0f}, and never comes back to it"
        )
        return Sign("overfitting", said, OVERFITS, stops=True)
    risen = last - smooth[best]
    # Medians of three jitter by two thirds, and the lowest of n is low by chance as well.
    least = (SURE + math.sqrt(2 * math.log(len(losses)))) * 0.67 * noise
    if risen <= max(RISEN * smooth[best], least) or best >= EARLY * (len(losses) - 1):
        return None
    said = (
        f"{_called(run)}the validation loss is lowest at update {steps[best]:,.0f}, "
        f"{smooth[best]:.4g}, and ends at {last:.4g}"
    )
    return Sign("overfitting", said, OVERFITS, stops=True)


def _only_first(losses: Floats) -> bool:
    """Tell whether the first loss is below all others, by more than they jitter."""
    rest = losses[1:]
    middle = float(np.median(rest))
    deviation = 1.4826 * float(np.median(np.abs(rest - middle)))
    below = (rest > (1 + RISEN) * losses[0]).all()
    return len(rest) >= EACH and bool(below) and middle - losses[0] > FAR * deviation


def _evaluations(run: Curve) -> tuple[Floats, Floats]:
    if run.validation:
        return np.asarray(run.steps), np.asarray(run.losses)
    pairs = np.array(run.evaluations, dtype=np.float64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def _jumps(run: Curve, losses: Floats) -> Sign | None:
    """Find a rise that takes back half of what was won, within a tenth of the points."""
    if run.diverged or len(losses) < 8:
        return None
    steps, rates = np.asarray(run.steps), np.asarray(run.rates)
    width = max(3, len(losses) // 10)
    noise = jitter(losses)
    for i in range(width, len(losses)):
        before = float(np.median(losses[i - width : i]))
        behind = losses[i : i + width]
        won = float(losses[:i].max()) - before
        rise = float(np.median(behind)) - before
        if rise > max(won / 2, before, 2 * SURE * noise * before):
            said = (
                f"{_called(run)}the loss jumps from {before:.4g} to {behind.max():.4g} at update "
                f"{steps[i]:,.0f}, at a rate of {rates[i]:g}"
            )
            advice = "it diverged there: a lower rate, a longer warm-up or clipping comes first"
            return Sign("jump", said, advice, stops=True)
    return None


def _climbs(run: Curve) -> Sign | None:
    rates = np.asarray(run.rates)
    rising = (np.diff(rates) >= 0).all() and rates[-1] > (1 + SAME) * float(np.median(rates))
    if not rising:
        return None
    said = f"{_called(run)}the rate rises to the last point: the run ended inside its warm-up"
    return Sign("inside_warmup", said, "give a run that left it", stops=True)


def _is_short(run: Curve) -> Sign | None:
    last = int(np.asarray(run.steps)[-1])
    if run.planned is None or last >= SHORT * run.planned:
        return None
    said = f"{_called(run)}it stopped after {last:,} of {run.planned:,} planned updates"
    return Sign("cut_short", said)


def _in_first_epoch(run: Curve) -> Sign | None:
    """Find runs that were planned for several epochs and saw one: losses fall where data repeat."""
    last, epoch = float(np.asarray(run.steps)[-1]), run.epoch
    if run.validation or epoch is None or run.planned is None:
        return None
    if last > PASSED * epoch or run.planned <= PASSED * epoch:
        return None
    said = (
        f"{_called(run)}it has seen hardly anything twice in {last:,.0f} updates, and its plan of "
        f"{run.planned:,} goes on to epochs of {epoch:,.0f} updates"
    )
    return Sign("first_epoch", said, "what is seen again has a lower training loss")


def _stairs(run: Curve, losses: Floats) -> Sign | None:
    """Find falls where epochs begin, in training losses: the data repeat there."""
    if run.validation or (losses <= 0).any():
        return None
    steps, logs = np.asarray(run.steps), np.log(losses)
    length = run.planned or int(steps[-1])
    epochs = [run.epoch] if run.epoch else [length / count for count in range(3, MOST + 1)]
    least = (BOUNDARIES, STAIRS) if run.epoch else GUESS
    found = max((_fall_at(steps, logs, each) for each in epochs), default=(0.0, 0.0, 0.0))
    errors, share, epoch = found
    if errors < least[0] or share < least[1]:
        return None
    said = (
        f"{_called(run)}the training loss falls where an epoch begins, every {epoch:,.0f} updates: "
        f"{min(share, 1):.0%} of its fall behind the first, which is no effect of the rate"
    )
    return Sign("repeated_epochs", said, "log a validation loss and predict from that", stops=True)


def _fall_at(steps: Floats, logs: Floats, epoch: float) -> tuple[float, float, float]:
    """Return (standard errors, share of the later fall, epoch) of the falls at boundaries.

    At each boundary a line is drawn through the points of half an epoch before it and one through
    those behind it; the gap between them there is the fall.
    """
    count = math.ceil((steps[-1] + 0.5) / epoch) - 1
    gaps: list[tuple[float, float]] = []
    freedom, residue = 0, 0.0
    for edge in epoch * np.arange(1, count + 1) + 0.5:
        sides = [
            (steps > edge - epoch / 2) & (steps <= edge),
            (steps > edge) & (steps <= edge + epoch / 2),
        ]
        if min(int(side.sum()) for side in sides) < EACH:
            continue
        levels, spreads = [], []
        for side in sides:
            at, there = (steps[side] - edge) / epoch, logs[side]
            design = np.stack([np.ones_like(at), at], axis=1)
            found, *_ = np.linalg.lstsq(design, there, rcond=None)
            levels.append(float(found[0]))
            spreads.append(float(np.linalg.inv(design.T @ design)[0, 0]))
            residue += float(((there - design @ found) ** 2).sum())
            freedom += len(at) - 2
        gaps.append((levels[0] - levels[1], sum(spreads)))
    if not gaps or len(gaps) < count / 2:
        return 0.0, 0.0, epoch
    total = sum(gap for gap, _ in gaps)
    error = math.sqrt(residue / max(freedom, 1) * sum(spread for _, spread in gaps))
    first = (steps > epoch / 2) & (steps <= epoch + 0.5)
    last = steps > steps[-1] - epoch / 2
    whole = float(logs[first].mean() - logs[last].mean()) if first.any() else 0.0
    if whole <= 0 or total <= 0:
        return 0.0, 0.0, epoch
    return total / max(error, 1e-9), total / whole, epoch


def _behind_warmup(run: Curve) -> Floats:
    rates = run.every_rate
    return rates[int(np.argmax(rates >= 0.999 * rates.max())) :]
