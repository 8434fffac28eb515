"""Where nothing was learned, or nothing can be told: what is said in place of a choice."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ratewise._arrays import Floats
from ratewise.choose.untrained import Constant, Untrained
from ratewise.compare.verdict import ALIKE, Noise, Standing, ranked
from ratewise.runs.records import Record
from ratewise.schedule.errors import Context, Fix
from ratewise.view.format import format_rate

SEVERAL = 3
"""Runs, or peaks of a ladder, of which it means something that all are alike or one is the last."""

ALL, NEAR = 0.75, 0.01
"""Share of the runs that end near a number that losses often are, and how near, if it is that."""

TAIL = 0.1
"""Share of a run at its beginning, and at its end, whose mean training losses are compared."""


@dataclass(frozen=True)
class ChoiceRefusal:
    """Why a choice recommends nothing.

    Args:
        kind: "flat": the metric is the same for all runs. "rising": training makes it worse.
            "untrained": no run is better than the untrained model. "chance": none is better than
            a constant answer. "edge": the best peak is the last that was tried.
        text: One sentence.
        advice: What to try, each a sentence.
    """

    kind: str
    text: str
    advice: tuple[str | Fix, ...] = ()

    def lines(self, context: Context) -> list[str]:
        """Return the advice as whoever is advised would type it."""
        return [one if isinstance(one, str) else one.text(context) for one in self.advice]

    def to_dict(self, context: Context) -> dict[str, Any]:
        """Return it as JSON types."""
        return {"kind": self.kind, "text": self.text, "advice": self.lines(context)}


@dataclass(frozen=True)
class SearchEvidence:
    """What is known when a search has ended.

    Args:
        metric: Name of the metric that decides.
        higher_is_better: Whether more of it is better.
        standings: The finalists, each over the same seeds.
        seeds: These seeds.
        records: Every run that was trained.
        untrained: The task before its first update.
        level: Probability with which that is said of a task on which nothing can be learned.
    """

    metric: str
    higher_is_better: bool
    standings: Sequence[Standing]
    seeds: Sequence[int]
    records: Sequence[Record]
    untrained: Untrained
    level: float

    @property
    def sign(self) -> float:
        """What a metric is multiplied by so that less is better."""
        return -1.0 if self.higher_is_better else 1.0

    @property
    def finished(self) -> list[Standing]:
        """Finalists that got to their end with every seed, the best first."""
        return ranked([one for one in self.standings if one.values], self.higher_is_better)

    @property
    def values(self) -> Floats:
        """Final metric of every run that has one."""
        found = np.array([run.metrics[self.metric] for run in self.records])
        return found[np.isfinite(found)]

    def before(self) -> tuple[float, ...]:
        """Return the metric of the untrained model with every seed; none if it is not known."""
        return self.untrained.values(self.metric, self.seeds)


def refuse(evidence: SearchEvidence) -> ChoiceRefusal | None:
    """Return why nothing is recommended, or None: then something was learned, or nobody knows."""
    for look in (_flat, _no_better_than_untrained, _no_better_than_constant):
        found = look(evidence)
        if found is not None:
            return found
    return None


# Flat ---------------------------------------------------------------------------------------


def _flat(evidence: SearchEvidence) -> ChoiceRefusal | None:
    values, metric = evidence.values, evidence.metric
    if len(values) < SEVERAL or float(np.ptp(values)) > ALIKE * float(np.abs(values).max()):
        return None
    before = evidence.before()
    if before and max(abs(np.array(before) - values[0])) <= ALIKE * abs(values[0]):
        text = (
            f"The metric {metric} is {values[0]:.4g} before the first update and at the end of all "
            f"{len(values)} runs: nothing that was trained moves it."
        )
        look = "Look whether the metric is of the model that is trained, and the optimizer has its"
        return ChoiceRefusal("flat", text, (f"{look} weights.", *_of_losses(evidence)))
    text = (
        f"All {len(values)} runs end at the same {metric}, {values[0]:.4g}, whatever their "
        "schedule and peak: it does not tell them apart."
    )
    finer = Fix("Let a finer metric decide, such as the loss: {metric}.", metric="…")
    return ChoiceRefusal("flat", text, (finer,))


# The untrained model ------------------------------------------------------------------------


def _no_better_than_untrained(evidence: SearchEvidence) -> ChoiceRefusal | None:
    """Look whether the untrained model, as one more candidate, is within noise of the best."""
    before, finished = evidence.before(), evidence.finished
    if not before or not finished or len(before) != len(finished[0].values):
        return None
    start = float(np.mean(before))
    gap = evidence.sign * (start - finished[0].mean)
    if len(before) == 1:
        return _one_seed(evidence, start)
    untrained = Standing("the untrained model", math.nan, before, (), finished[0].total)
    noise = Noise.of([*finished, untrained], evidence.level)
    margin = noise.margin
    if gap > margin:
        return None
    if gap < -margin:
        return _rising(evidence, start, finished[0].mean)
    text = (
        f"Nothing was learned, as far as {len(before)} seeds can tell: the best run ends at "
        f"{evidence.metric} {finished[0].mean:.4g}, and untrained it is {start:.4g}; both differ "
        f"by chance up to {margin:.2g}{_chance(evidence, finished[0].mean, margin)}."
    )
    more, _, said = noise.told_apart((finished[0], untrained), gap)
    return ChoiceRefusal("untrained", text, (*_of_losses(evidence), *([said] if more else [])))


def _one_seed(evidence: SearchEvidence, start: float) -> ChoiceRefusal | None:
    """Look whether no run of one seed is better than the untrained model, which needs no noise."""
    values = evidence.sign * evidence.values
    if len(values) < SEVERAL or values.min() < evidence.sign * start:
        return None
    return _rising(evidence, start, float(evidence.sign * values.min()))


def _rising(evidence: SearchEvidence, start: float, best: float) -> ChoiceRefusal:
    text = (
        f"Training makes it worse: {evidence.metric} is {start:.4g} untrained, and the best run "
        f"ends at {best:.4g}."
    )
    lower = "Try far lower peaks ({peaks}), and look at the sign of the loss and at the labels."
    return ChoiceRefusal("rising", text, (Fix(lower, peaks="…"), *_of_losses(evidence)))


def _of_losses(evidence: SearchEvidence) -> list[str]:
    """Return what the training losses say, as a sentence of advice."""
    falls: list[tuple[float, float]] = []
    for run in evidence.records:
        n = max(1, round(TAIL * len(run.losses)))
        first, last = float(np.mean(run.losses[:n])), float(np.mean(run.losses[-n:]))
        if run.ended and len(run.losses) > n:
            falls.append((first, last))
    if not falls:
        return []
    first, last = min(falls, key=lambda one: one[1] - one[0])
    noise = max((_noise(run, TAIL) for run in evidence.records if run.ended), default=0.0)
    if last < first - 3 * noise:
        return [
            f"The training loss falls all the same, from {first:.4g} to {last:.4g} at best: look "
            "whether the metric is of the same thing, and whether there are too few data."
        ]
    return [
        "The training loss does not fall by more than its noise either "
        f"({first:.4g} to {last:.4g} at best): look at the "
        "data and their labels, whether the optimizer has the weights, and try longer runs and "
        "higher peaks."
    ]


def _noise(run: Record, share: float) -> float:
    """Return the standard error of a mean loss over a share of a run, from its differences."""
    n = max(1, round(share * len(run.losses)))
    steps = np.diff(run.losses)
    return float(np.std(steps)) / math.sqrt(2 * n) if len(steps) else 0.0


# A constant answer --------------------------------------------------------------------------


def _no_better_than_constant(evidence: SearchEvidence) -> ChoiceRefusal | None:
    """Look whether the best finalist is at a constant answer, which the untrained model is not.

    What starts there and ends better than it has learned, however little.
    """
    finished, before = evidence.finished, evidence.before()
    if not finished or not before or len(finished[0].values) < 2:
        return None
    best, start = finished[0], float(np.mean(before))
    margin = Noise.of(finished, evidence.level).margin if len(finished) > 1 else 0.0
    for one in _fitting(evidence):
        off = evidence.sign * (best.mean - one.value)
        begun = evidence.sign * (start - one.value)
        if off < -margin or off > margin + one.close or begun <= margin + one.close:
            continue  # better than that, beyond what the seeds allow: it is not said of it
        if not one.seen and not _all_near(evidence, one.value):
            continue
        text = (
            f"Nothing was learned but how often each label comes up: the best run ends at "
            f"{evidence.metric} {best.mean:.4g}, and {one.value:.4g} is what {one.told}."
        )
        return ChoiceRefusal("chance", text, tuple(_of_losses(evidence)))
    return None


def _chance(evidence: SearchEvidence, value: float, margin: float) -> str:
    """Return which constant answer is worth as much, to be added to a sentence, or ""."""
    for one in _fitting(evidence):
        if abs(value - one.value) <= min(margin, 0.1 * one.value) + one.close:
            return f". {one.value:.4g} is what {one.told}"
    return ""


def _fitting(evidence: SearchEvidence) -> list[Constant]:
    """Return the constant answers that this metric can be compared with."""
    name = evidence.metric.lower()
    if evidence.higher_is_better:
        kind = "accuracy" if "acc" in name else ""
    else:
        kind = "loss" if "loss" in name or "entropy" in name or name == "metric" else ""
    return [one for one in evidence.untrained.constants if one.kind == kind]


def _all_near(evidence: SearchEvidence, value: float) -> bool:
    """Whether nearly all runs, and their training losses at the end, are near a number."""
    ends = [float(np.mean(run.losses[-max(1, round(TAIL * len(run.losses))) :]))
            for run in evidence.records if run.ended]  # fmt: skip
    near = [np.abs(np.asarray(found) - value) <= NEAR * value for found in (evidence.values, ends)]
    noise = [np.abs(np.asarray(ends) - value) <= 5 * NEAR * value]
    return float(np.mean(near[0])) >= ALL and float(np.mean(noise)) >= ALL


# The edge of the ladder ---------------------------------------------------------------------


def at_edge(
    side: str,
    peaks: Sequence[float],
    edge: float,
    inner: float,
    noise: float,
) -> ChoiceRefusal | None:
    """Return that the best peak is the last that was tried, if it is that beyond noise.

    Args:
        side: "below" or "above".
        peaks: The ladder, ascending.
        edge: Final metric of the best run there, less is better.
        inner: That of the best run anywhere else on the ladder, with the same seed.
        noise: Standard deviation of retrain noise.
    """
    if len(peaks) < SEVERAL or not inner - edge > 2 * math.sqrt(2) * noise:
        return None
    end, next_one = (peaks[0], peaks[1]) if side == "below" else (peaks[-1], peaks[-2])
    word = "smallest" if side == "below" else "largest"
    further = format_rate(float(f"{end * end / next_one:.2g}"))
    text = (
        f"The best peak, {format_rate(end)}, is the {word} of those that were tried, and better "
        f"than the next beyond noise: a better one lies {side} it, as far as can be told."
    )
    return ChoiceRefusal(
        "edge", text, (Fix(f"Try peaks {side} it: {{peaks}}.", peaks=f"[{further}]"),)
    )
