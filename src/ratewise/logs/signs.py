"""What a loss curve shows before any law speaks: flat, rising, cut short, one rate and others.

A sign is a fact about the data, found by a stated rule. Some stop a ranking: what a law says of
other schedules would be made up.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from ratewise._arrays import Floats, running_medians
from ratewise.logs.curve import Curve, jitter
from ratewise.logs.epoch_signs import EACH, epoch_signs
from ratewise.logs.reading import NoCurve, read_logs
from ratewise.logs.sign import Sign, called
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

FALLEN_BACK = 0.05
"""A training loss that ends this share above its best has gone up, noise aside."""

LEAP, SPREADS = math.log(1.5), 8.0
"""How far a point is above those around it, as a logarithm and in their robust deviations, to be a
spike."""

FEWEST_SPIKED = 20
"""Points below which nothing is said of spikes."""

RATE_UP = 1.2
"""A rate that is so many times the one before it, and had fallen, was set up again."""

EARLY = 0.9
"""A best that lies before this share of the points is no last one."""

SHORT = 0.98
"""A run that made less than this share of its plan was cut short."""

SAME = 0.01
"""Rates within this share of each other are one rate."""

GUESSED = 12
"""Classes up to which a flat loss is compared with that of guessing."""


def read_signs(curves: Iterable[Curve]) -> tuple[Sign, ...]:
    """Return what runs of one task show: each by itself, and all of them together.

    | kind | rule |
    |---|---|
    | flat | the course stays within .3 %, or first and last third differ by < 3 standard errors |
    | overfitting | validation: ends > 2 % and > 3 standard errors above its best, before 90 % |
    | jump | rises by > 6 robust deviations and half of all that was won, and stays there |
    | risen | training: ends > 5 % and > 3 standard errors above its best, before 90 % |
    | spikes | points > 50 % and > 8 robust deviations above the median of nine around them |
    | rate_jump | the rate rises by > 20 % from a point to the next, after it had fallen |
    | inside_warmup | the rate rises to the last point |
    | cut_short | fewer than 98 % of the planned updates were made |
    | first_epoch | training: it ends within 1.2 epochs, and the plan goes on beyond them |
    | repeated_epochs | training: ≥ 30 % of the later fall lies where epochs begin, > 4 errors |
    | seen_often | training: ≥ 5 epochs and no validation loss |
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
        _risen(run, losses),
        _spikes(run, losses),
        _rate_jumps(run),
        _climbs(run),
        _is_short(run),
    ]
    return [*(sign for sign in found if sign is not None), *epoch_signs(run)]


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
    said = f"{called(run)}the loss stays at {at:.4g} from the first point to the last"
    if not still:
        said = (
            f"{called(run)}the loss changes by less than its jitter can tell, {first:.4g} in its "
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
            f"{called(run)}the validation loss is lowest at its first point, {losses[0]:.4g} at "
            f"update {steps[0]:,.0f}, and never comes back to it"
        )
        return Sign("overfitting", said, OVERFITS, stops=True)
    risen = last - smooth[best]
    # Medians of three jitter by two thirds, and the lowest of n is low by chance as well.
    least = (SURE + math.sqrt(2 * math.log(len(losses)))) * 0.67 * noise
    if risen <= max(RISEN * smooth[best], least) or best >= EARLY * (len(losses) - 1):
        return None
    said = (
        f"{called(run)}the validation loss is lowest at update {steps[best]:,.0f}, "
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
                f"{called(run)}the loss jumps from {before:.4g} to {behind.max():.4g} at update "
                f"{steps[i]:,.0f}, at a rate of {rates[i]:g}"
            )
            advice = "it diverged there: a lower rate, a longer warm-up or clipping comes first"
            return Sign("jump", said, advice, stops=True)
    return None


def _risen(run: Curve, losses: Floats) -> Sign | None:
    """Find a training loss that ends above its best: what overfitting is to one of validation."""
    if run.validation or run.diverged or len(losses) < 8 or _jumps(run, losses) is not None:
        return None
    smooth = running_medians(losses, 5)
    best = int(smooth.argmin())
    last = float(np.median(losses[-max(3, len(losses) // 10) :]))
    noise = (SURE + math.sqrt(2 * math.log(len(losses)))) * 0.6 * jitter(losses)
    if last / smooth[best] - 1 <= max(FALLEN_BACK, noise) or best >= EARLY * (len(losses) - 1):
        return None
    said = (
        f"{called(run)}the training loss is lowest at update {np.asarray(run.steps)[best]:,.0f}, "
        f"{smooth[best]:.4g}, and goes up again to {last:.4g}"
    )
    return Sign("risen", said, "a lower rate or clipping comes before a schedule", stops=True)


def _spikes(run: Curve, losses: Floats) -> Sign | None:
    """Find single points that leap far above those around them."""
    if len(losses) < FEWEST_SPIKED or (losses <= 0).any():
        return None
    around = running_medians(losses, 9)
    above = np.log(losses / around)
    spread = 1.4826 * float(np.median(np.abs(above - np.median(above))))
    kept = np.diff(np.unique(losses)).min(initial=math.inf)  # what was rounded off leaps as well
    leaps = np.flatnonzero((above > max(LEAP, SPREADS * spread)) & (losses - around > 4 * kept))
    leaps = leaps[leaps >= len(losses) // 10]  # a loss that falls steeply leaps at first
    if not len(leaps):
        return None
    top = int(leaps[np.argmax(above[leaps])])
    points = "1 point leaps" if len(leaps) == 1 else f"{len(leaps):,} points leap"
    said = (
        f"{called(run)}{points} above what is around, the highest at update "
        f"{np.asarray(run.steps)[top]:,.0f}, {losses[top]:.4g} where it is {around[top]:.4g}"
    )
    return Sign("spikes", said, "look at the batches there, and at the norm of the gradient")


def _rate_jumps(run: Curve) -> Sign | None:
    """Find where the rate goes up again at once, after it had fallen."""
    rates, steps = np.asarray(run.rates), np.asarray(run.steps)
    fell = np.maximum.accumulate(rates) > (1 + SAME) * rates
    up = np.flatnonzero((rates[1:] > RATE_UP * rates[:-1]) & fell[:-1]) + 1
    if not len(up):
        return None
    first = int(up[0])
    more = f", and {len(up) - 1:,} times more" if len(up) > 1 else ""
    said = (
        f"{called(run)}the rate goes up from {rates[first - 1]:.3g} to {rates[first]:.3g} at "
        f"update {steps[first]:,.0f}{more}"
    )
    return Sign("rate_jump", said, "if no restart was meant, it was resumed with another schedule")


def _climbs(run: Curve) -> Sign | None:
    rates = np.asarray(run.rates)
    rising = (np.diff(rates) >= 0).all() and rates[-1] > (1 + SAME) * float(np.median(rates))
    if not rising:
        return None
    said = f"{called(run)}the rate rises to the last point: the run ended inside its warm-up"
    return Sign("inside_warmup", said, "give a run that left it", stops=True)


def _is_short(run: Curve) -> Sign | None:
    last = int(np.asarray(run.steps)[-1])
    if run.planned is None or last >= SHORT * run.planned:
        return None
    said = f"{called(run)}it stopped after {last:,} of {run.planned:,} planned updates"
    return Sign("cut_short", said)


def _behind_warmup(run: Curve) -> Floats:
    rates = run.every_rate
    return rates[int(np.argmax(rates >= 0.999 * rates.max())) :]
