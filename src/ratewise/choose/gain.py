"""How much better a choice is than what the task does of its own accord."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ratewise.compare.verdict import Noise, Standing, ranked


@dataclass(frozen=True)
class Gain:
    """The best finalist against the task's own settings, paired by seed.

    Args:
        text: One sentence: the gain with its interval, or that there is none.
        value: By how much the best finalist is better, in the metric's unit; NaN if one of the two
            did not finish, and 0 if the own settings are the best.
        low: Lower end of the interval, which holds for all finalists together; NaN with one seed.
        high: Upper end.
        level: Probability that it holds.
        advice: What to do to be surer, a sentence, or "".
    """

    text: str
    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    level: float = math.nan
    advice: str = ""

    @property
    def sure(self) -> bool:
        """Whether there is a gain beyond noise."""
        return self.low > 0


def gain_over(
    own: str,
    standings: Sequence[Standing],
    metric: str,
    higher_is_better: bool,
    *,
    level: float,
    look: float,
) -> Gain:
    """Return the gain of the best of some candidates over one of them.

    Args:
        own: Name of that one.
        standings: The candidates.
        metric: Name of the metric.
        higher_is_better: Whether more of it is better.
        level: Probability that all looks at them hold together.
        look: Probability that this one does.
    """
    finished = ranked([one for one in standings if one.values], higher_is_better)
    mine = next(one for one in standings if one.name == own)
    if not finished:
        return Gain(f"Neither {own} nor anything else got to its end with every seed.")
    best = finished[0]
    ends = f"ends at {metric} {best.mean:.4g}"
    if not mine.values:
        return Gain(f"Yours break, and this does not: {own} did not get to their end with every "
                    f"seed, and {best.name} {ends}.")  # fmt: skip
    if best is mine:
        at = f"is better than their {metric} of {mine.mean:.4g}"
        rest = f"nothing that was tried {at}" if len(finished) > 1 else "nothing else finished"
        return Gain(f"No gain over {own}: {rest}.", 0.0)
    value = abs(best.mean - mine.mean)
    ahead = f"{best.name} is ahead by {value:.3g}"
    if len(best.values) == 1:
        text = f"{ahead} in {metric} of {own}, but one seed cannot tell whether that is a gain."
        return Gain(text, value)
    noise = Noise.of(finished, look)
    ends_at = value - noise.margin, value + noise.margin
    within = f"[{ends_at[0]:.3g}, {ends_at[1]:.3g}] in {metric}"
    if value > noise.margin:
        text = f"A gain of {value:.3g} {within} over {own} ({mine.mean:.4g} to {best.mean:.4g})."
        return Gain(text, value, *ends_at, level)
    said = noise.told_apart((best, mine), value)[2]
    text = f"No gain over {own} beyond noise: {ahead} {within}."
    return Gain(text, value, *ends_at, level, said)
