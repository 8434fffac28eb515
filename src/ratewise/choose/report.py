"""The story of a choice, for the terminal."""

from __future__ import annotations

import math
import sys
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ratewise.choose.summary import cost
from ratewise.view.tables import tabled
from ratewise.view.ticks import rate as spell

if TYPE_CHECKING:
    from ratewise.choose.result import Choice

UNTRIED = 5
"""Runs that nobody has trained and that are told of, the best expected."""


def told(choice: Choice, width: int | None, colour: bool | None) -> str:
    """Return the report as text with pictures."""
    from ratewise.show import show
    from ratewise.view.terminal import NARROWEST, is_coloured, screen_width

    width = screen_width() if width is None else max(width, NARROWEST)
    colour = is_coloured(sys.stdout) if colour is None else colour
    parts: list[str] = []
    for title, text in chapters(choice):
        parts += [title, "=" * len(title), *(_filled(line, width) for line in text), ""]
        if title == WHERE and choice.found is not None and choice.found.rate is not None:
            parts += [choice.found.text(width, colour), ""]
        if title == PICK:
            parts += [show(choice.plan, choice.total).text(width, colour), ""]
    return "\n".join(parts).rstrip() + "\n"


PICK, WHERE, SEARCH = "What to use", "Where the task learns", "What was tried"
PROOF, REST, USE = "How sure it is", "What was not tried", "How to use it"


def chapters(choice: Choice) -> Iterator[tuple[str, list[str]]]:
    """Yield titles and paragraphs; lines that begin with a blank are set as they are."""
    yield PICK, _pick(choice)
    yield WHERE, _where(choice)
    yield SEARCH, _search(choice)
    yield PROOF, _proof(choice)
    yield REST, _rest(choice)
    yield USE, _use(choice)


def _pick(choice: Choice) -> list[str]:
    metric = f"It ends at {choice.proof.metric} {choice.metric:.4g}"
    seeds = len(choice.proof.standings[0].values) if choice.proof.standings else 0
    over = f", mean over {seeds} seeds" if seeds > 1 else ", with one seed"
    return [
        f"“{choice.name}” at a peak of {spell(choice.peak)}, over {choice.total:,} updates:",
        f"    {choice.schedule}",
        f"{metric}{over}. {choice.verdict.text}",
    ]


def _where(choice: Choice) -> list[str]:
    peaks = sorted({one.peak for one in choice.expected})
    names = len({one.name for one in choice.expected})
    first = (
        f"{names} schedules at {len(peaks)} peaks, {spell(peaks[0])} to {spell(peaks[-1])}, "
        "were to choose from."
    )
    if choice.found is None:
        return [f"{first} The peaks were given.", *choice.notes]
    if choice.found.rate is None:
        return [first, *choice.notes]
    suggested = spell(choice.found.rate)
    return [f"{first} The ladder of peaks is about {suggested}, by a range test.", *choice.notes]


def _search(choice: Choice) -> list[str]:
    head = ("", "schedule", "peak", choice.proof.metric, "expected", "updates")
    rows: list[tuple[str, ...]] = [head]
    sign = -1.0 if choice.proof.higher_is_better else 1.0
    best = math.inf
    for trial in choice.trials:
        better = math.isfinite(trial.metric) and sign * trial.metric < best
        best = sign * trial.metric if better else best
        known = trial.expected == trial.expected
        expected = f"{trial.expected:.4g} ± {trial.spread:.2g}" if known else trial.stage
        metric = f"{trial.metric:.4g}" if math.isfinite(trial.metric) else "broke"
        rows.append(("*" if better else "", trial.name, spell(trial.peak), metric, expected,
                     f"{trial.updates:,}"))  # fmt: skip
    table = [f"  {line}" for line in tabled(rows, left=(0, 1)).splitlines()]
    why = (
        "One seed each; * is the best so far. After the probes came, each time, the run with the "
        "highest expected improvement per update that it still cost."
    )
    ended = [f"The search ended as {choice.stopped}."] if choice.stopped else []
    return [*table, why, *ended, cost(choice)]


def _proof(choice: Choice) -> list[str]:
    verdict = choice.verdict
    more = [verdict.why, *verdict.advice]
    table = [f"  {line}" for line in choice.proof.table().splitlines()]
    return [*table, verdict.text, *(one for one in more if one)]


def _rest(choice: Choice) -> list[str]:
    untried = [one for one in choice.expected if not one.trained]
    if not untried:
        return ["Everything was tried."]
    lines = [
        f"  {one.name} at {spell(one.peak)}: expected {one.metric:.4g} ± {one.spread:.2g}"
        for one in untried[:UNTRIED]
    ]
    head = f"{len(untried)} runs; the best expected of them, with one standard deviation:"
    return [head, *lines, *(f"Worth trying: {step}" for step in choice.next_steps)]


def _use(choice: Choice) -> list[str]:
    return [
        "With ratewise, in PyTorch (the optimizer's lr is the peak):",
        "",
        "    from ratewise import parse",
        "    from ratewise.torch import Scheduler",
        "",
        f"    optimizer = torch.optim.AdamW(model.parameters(), lr={choice.peak:g})",
        f"    scheduler = Scheduler(optimizer, parse({str(choice.schedule)!r}), "
        f"total={choice.total})",
        "",
        'Without it: choice.code("torch"), or "transformers", "keras", "optax", "lightning".',
    ]


def _filled(line: str, width: int) -> str:
    return line if line.startswith(" ") else textwrap.fill(line, width)
