"""The story of a choice as a page: what is told where, as blocks that `view` writes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from ratewise.choose import report
from ratewise.choose.gain import Gain
from ratewise.choose.handover import TaskOptimizer
from ratewise.choose.orders import Expected
from ratewise.choose.own import OwnSettings
from ratewise.choose.pictures import branches
from ratewise.choose.provenance import Provenance
from ratewise.choose.refusal import ChoiceRefusal
from ratewise.choose.search import Trial
from ratewise.compare.comparison import Comparison
from ratewise.compare.verdict import Verdict
from ratewise.range_test import RangeTestResult
from ratewise.runs.records import Record
from ratewise.schedule import Schedule, ScheduleError
from ratewise.view import choice as drawn
from ratewise.view.blocks import Block, Cards, Cell, Code, PageTable, Prose, Shares, Tabs, number
from ratewise.view.format import format_rate
from ratewise.view.progress import duration

TARGETS = ("torch", "transformers", "lightning", "keras", "optax", "deepspeed")
CALLED = {"torch": "PyTorch", "transformers": "Transformers", "lightning": "Lightning",
          "keras": "Keras", "optax": "Optax", "deepspeed": "DeepSpeed"}  # fmt: skip

MOST_UNTRIED = 15
"""Runs that nobody has trained and that are listed, the best expected."""

LAST = 0.05
"""Share of a run at its end whose mean training loss is told."""


class ChoiceStory(Protocol):
    """What the page says of a choice: its fields, see `Choice`."""

    @property
    def name(self) -> str: ...
    @property
    def schedule(self) -> Schedule: ...
    @property
    def peak(self) -> float: ...
    @property
    def total(self) -> int: ...
    @property
    def proof(self) -> Comparison: ...
    @property
    def trials(self) -> tuple[Trial, ...]: ...
    @property
    def expected(self) -> tuple[Expected, ...]: ...
    @property
    def spent(self) -> dict[str, int]: ...
    @property
    def budget(self) -> int: ...
    @property
    def exhaustive(self) -> int: ...
    @property
    def found(self) -> RangeTestResult | None: ...
    @property
    def stopped(self) -> str: ...
    @property
    def notes(self) -> tuple[str, ...]: ...
    @property
    def next_steps(self) -> tuple[str, ...]: ...
    @property
    def optimizer(self) -> TaskOptimizer: ...
    @property
    def own(self) -> OwnSettings | None: ...
    @property
    def refusal(self) -> ChoiceRefusal | None: ...
    @property
    def runs(self) -> tuple[Record, ...]: ...
    @property
    def made(self) -> Provenance | None: ...
    @cached_property
    def gain(self) -> Gain | None: ...
    @cached_property
    def verdict(self) -> Verdict: ...
    @property
    def metric(self) -> float: ...
    @property
    def trained(self) -> int: ...
    def code(self, target: str = "torch") -> str: ...


def chapters(
    told: ChoiceStory, headline: str, panels: drawn.ChoicePanels
) -> dict[str, list[Block]]:
    """Return what is told, by chapter, the verdict first."""
    use = "What to use" if told.refusal is None else "What was ahead"
    return {
        "": [*_refused(told), Prose([_ended(headline)], "lede"), _cards(told)],
        use: [*_why(told), drawn.rates(panels)],
        report.USE: _use(told),
        report.PROOF: _proved(told, panels),
        "Peaks": [Prose(report.where(told.expected, told.found, told.notes)),
                  drawn.peaks(panels), *_range_test(told)],
        report.SEARCH: _searched(told, panels),
        "Every run": _runs(told, panels),
        report.REST: _rest(told),
        "What it cost": _cost(told),
        "How to do it again": _again(told),
    }  # fmt: skip


# Verdict ------------------------------------------------------------------------------------


def _refused(told: ChoiceStory) -> list[Block]:
    if told.refusal is None:
        return []
    return [Prose(report.refused(told.refusal.text, told.refusal.lines(told.proof.context)),
                  "warn")]  # fmt: skip


def _cards(told: ChoiceStory) -> Cards:
    seeds = len(told.proof.standings[0].values) if told.proof.standings else 0
    of = f"mean over {seeds} seeds" if seeds > 1 else "with one seed"
    share = f"{told.trained / told.exhaustive:.1%} of what everything with every seed would take"
    cards = [
        ("schedule", told.name, str(told.schedule)),
        ("peak", format_rate(told.peak), f"over {told.total:,} updates"),
        (f"{told.proof.metric} at the end", f"{told.metric:.4g}", of),
        ("updates trained", f"{told.trained:,}", share),
    ]
    return Cards([_gain(told), *cards] if told.gain is not None else cards)


def _gain(told: ChoiceStory) -> tuple[str, str, str]:
    gain = told.gain
    assert gain is not None
    what = "gain over your own settings"
    if not math.isfinite(gain.value):
        return what, "–", gain.text
    if not math.isfinite(gain.low):
        return what, f"{gain.value:.3g}", "one seed, so nobody knows how sure"
    sure = "" if gain.sure else "not beyond noise; "
    within = f"{sure}{gain.level:.0%} interval {gain.low:.3g} to {gain.high:.3g}"
    return what, f"{gain.value:.3g}", within


def _why(told: ChoiceStory) -> list[Block]:
    verdict = told.verdict
    lines = [verdict.why, *verdict.advice]
    return [Prose([line for line in lines if line])]


def _ended(headline: str) -> str:
    """Return a line that led to a schedule as a sentence by itself."""
    return f"{headline.removesuffix(':')}."


# Use ------------------------------------------------------------------------------------------


def _use(told: ChoiceStory) -> list[Block]:
    """Return the code for each framework: with ratewise, and without it."""
    mine = told.optimizer.framework or "torch"
    order = sorted(TARGETS, key=lambda target: target != mine)
    tabs = {CALLED[target]: _target(told, target) for target in order}
    notes = told.optimizer.notes(told.peak)
    return [*([Prose(notes)] if notes else []), Tabs(tabs, "Frameworks")]


def _target(told: ChoiceStory, target: str) -> list[Block]:
    parts: list[Block] = []
    if target != "deepspeed":
        optimizer = TaskOptimizer(told.optimizer.name, told.optimizer.groups, target,
                                  told.optimizer.known)  # fmt: skip
        lines = optimizer.snippet(told.schedule, told.peak, told.total)
        parts += [Prose(["With ratewise:"]), Code("\n".join(lines))]
    try:
        code = told.code(target)
    except ScheduleError as error:
        return [*parts, Prose([f"Without ratewise it cannot be written: {error}"])]
    return [*parts, Prose(["Without it:"]), Code(code)]


# Evidence -------------------------------------------------------------------------------------


def _proved(told: ChoiceStory, panels: drawn.ChoicePanels) -> list[Block]:
    soon = told.proof.time_to_target()
    behind = {one.name: one for one in told.proof.differences}
    head = ["schedule", "peak", told.proof.metric, "± sd", "behind by", "p", "seeds"]
    timed = math.isfinite(soon.target)
    head += [f"updates to {soon.target:.3g}"] if timed else []
    rows: list[list[Cell]] = []
    for one, reached in zip(told.proof.standings, soon.candidates, strict=True):
        gap = behind.get(one.name)
        row: list[Cell] = [one.name, (format_rate(one.peak), one.peak), number(one.mean),
                           number(one.spread, 3)]  # fmt: skip
        if gap is None:
            row += [("best" if one.values else "–", 0.0), ("–", math.nan)]
        else:
            within = f" [{gap.low:.2g}, {gap.high:.2g}]" if gap.low == gap.low else ""
            row += [(f"{gap.mean:.3g}{within}", gap.mean), number(gap.p, 2)]
        row.append((str(len(one.values)), float(len(one.values))))
        if timed:
            row.append((str(reached), math.nan if reached.updates is None else reached.updates))
        rows.append(row)
    mine = [i for i, one in enumerate(told.proof.standings) if one.name == told.name]
    said = [soon.text] if timed else []
    return [drawn.proof(panels), PageTable(head, rows, "Finalists", mine), Prose(said, "rw-note")]


def _range_test(told: ChoiceStory) -> list[Block]:
    if told.found is None:
        return []
    return [told.found.chart(), Prose([str(told.found)], "rw-note")]


def _searched(told: ChoiceStory, panels: drawn.ChoicePanels) -> list[Block]:
    parts: list[Block] = [drawn.search(panels)]
    if any(math.isfinite(one.expected + one.metric) for one in told.trials):
        parts.append(drawn.expectation(panels))
    why = (
        "After the probes came, each time, the run with the highest expected improvement per "
        "update that it still cost."
    )
    stacks = report.stacks(told.trials, "Its metrics are those of runs")
    return [*parts, Prose([why, *stacks, *report.ending(told.stopped)])]


def _runs(told: ChoiceStory, panels: drawn.ChoicePanels) -> list[Block]:
    """Return the losses of every run, what they share, and all that was measured at their ends."""
    seeds = {one.seed for one in told.runs}
    runs = [drawn.LossRun(one.name, one.peak, one.seed, one.losses) for one in told.runs]
    mine = [one for one in told.runs if one.seed == min(seeds, default=0)]
    parts: list[Block] = [drawn.losses(runs, panels.places)] if runs else []
    if len(mine) > 1:
        forked = branches(mine)
        said = (
            "What runs have in common is trained once: a grey trunk, and a fork where the rates "
            "part. Colours as above."
        )
        parts += [Prose([said]), drawn.tree(forked, panels.places)]
    metrics = list(dict.fromkeys(name for one in told.runs for name in one.metrics))
    head = ["schedule", "peak", "seed", *metrics, "training loss, last 5 %", "state"]
    rows: list[list[Cell]] = []
    for one in told.runs:
        row: list[Cell] = [one.name, (format_rate(one.peak), one.peak),
                           (str(one.seed), float(one.seed))]  # fmt: skip
        row += [number(one.metrics.get(name, math.nan)) for name in metrics]
        rows.append([*row, number(_last(one)), report.state(one) + report.stack_of(one)])
    return [*parts, PageTable(head, rows, "Every run and every metric")]


def _last(run: Record) -> float:
    losses = run.losses[-max(round(LAST * len(run.losses)), 1) :]
    return float(np.mean(losses)) if len(losses) and np.isfinite(losses).all() else math.nan


def _rest(told: ChoiceStory) -> list[Block]:
    untried = [one for one in told.expected if not one.trained]
    if not untried:
        return [Prose(["Everything was tried."])]
    head = ["schedule", "peak", f"{told.proof.metric} expected", "± sd"]
    rows: list[Sequence[Cell]] = [
        [one.name, (format_rate(one.peak), one.peak), number(one.metric), number(one.spread, 3)]
        for one in untried[:MOST_UNTRIED]
    ]
    said = [f"{len(untried)} runs, of which nobody has trained any beyond what others share."]
    if len(untried) > len(rows):
        said.append(f"The {len(rows)} that are expected to be best:")
    steps = [f"Worth trying: {step}" for step in told.next_steps]
    return [Prose(said), PageTable(head, rows, "Runs that were not trained"), Prose(steps)]


# Cost and provenance --------------------------------------------------------------------------


def _cost(told: ChoiceStory) -> list[Block]:
    stages = [(report.STAGES[name], float(n)) for name, n in told.spent.items() if n]
    saved = told.exhaustive - told.trained
    whole = max(told.budget, told.trained)
    title = f"{told.trained:,} of a budget of {told.budget:,} updates"
    parts: list[Block] = [Prose([report.cost(told.spent, told.budget, told.exhaustive)]),
                          Shares(stages, "left", whole, title)]  # fmt: skip
    if saved > 0:
        title = f"{saved:,} of {told.exhaustive:,} updates saved"
        parts.append(Shares([("trained", told.trained)], "saved", told.exhaustive, title))
    return parts


def _again(told: ChoiceStory) -> list[Block]:
    made = told.made
    if made is None:
        return [Prose(["It is not known how this choice was made."])]
    parts: list[Block] = []
    if made.command:
        parts += [Prose(["The command:"]), Code(made.command)]
    parts += [Prose(["The same in Python:"]),
              Code(f"from ratewise.choose import choose\n\n{made.asked}")]  # fmt: skip
    seeds = list(dict.fromkeys(one.seed for one in told.proof.runs))
    facts: list[list[Cell]] = [
        ["task", made.task],
        ["optimizer", told.optimizer.name or "the task's own"],
        ["metric that decides", told.proof.metric],
        ["seeds", ", ".join(map(str, seeds))],
        ["begun", made.begun],
        ["duration", duration(made.seconds)],
        ["machine", made.machine],
        *([name, version] for name, version in made.versions.items()),
    ]
    return [*parts, PageTable(["what", "value"], facts, "How this choice was made")]


def foot(made: Provenance | None) -> str:
    """Return who made the page, and when."""
    if made is None:
        return "Made by ratewise."
    version = made.versions.get("ratewise", "")
    return f"Made by ratewise {version} on {made.begun}.".replace("  ", " ")


def inline(told: ChoiceStory, headline: str, panels: drawn.ChoicePanels) -> list[Block]:
    """Return what a notebook shows: the verdict, the finalists, the peaks and the schedule."""
    table = next(one for one in _proved(told, panels) if isinstance(one, PageTable))
    first = Prose([*_lines_of_refusal(told), _ended(headline), told.verdict.text], "lede")
    rest = Prose([report.cost(told.spent, told.budget, told.exhaustive)], "rw-note")
    return [first, drawn.rates(panels), table, drawn.peaks(panels), drawn.proof(panels), rest]


def _lines_of_refusal(told: ChoiceStory) -> list[str]:
    return [] if told.refusal is None else [f"No recommendation. {told.refusal.text}"]


def figures(told: ChoiceStory, panels: drawn.ChoicePanels) -> dict[str, Any]:
    """Return every chart of the page by name, for whoever shows them elsewhere."""
    named = {"rates": drawn.rates, "proof": drawn.proof, "peaks": drawn.peaks,
             "search": drawn.search, "expectation": drawn.expectation}  # fmt: skip
    made: dict[str, Any] = {name: make(panels) for name, make in named.items()}
    runs = [drawn.LossRun(one.name, one.peak, one.seed, one.losses) for one in told.runs]
    return {**made, "losses": drawn.losses(runs, panels.places)}
