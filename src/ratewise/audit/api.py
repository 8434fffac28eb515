"""The audit: a log held against a plan."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ratewise._files import Progress
from ratewise.audit.ending import first_past, is_late, past_end
from ratewise.audit.evidence import Explanation, LogEvidence
from ratewise.audit.fixes import fix_of
from ratewise.audit.intended import Intended, intended
from ratewise.audit.layout import climb_of
from ratewise.audit.lengths import wrong_total
from ratewise.audit.recorded import Recorded, recorded
from ratewise.audit.restarts import skipped
from ratewise.audit.result import Audit, Cause, Departure
from ratewise.audit.rounding import needed_digits
from ratewise.audit.search import Told, ranked
from ratewise.audit.telling import FEWEST, conventions, informative, what_to_log
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Call, one_of
from ratewise.schedule.strict import strict

FRAMEWORKS = ("accelerate", "keras", "lightning", "torch", "transformers")
ROWS_SHOWN = 3
FAR, OFTEN = 0.3, 0.2
"""Parts of the peak, in a share of the rows, by which no rounding changes a rate."""
NEARLY = 0.95
"""Share that is as meant, from which on a run departs only by a cause that explains the rest."""
TIE = 0.004
"""Scores that are so near to each other are equal."""


@strict
def audit(
    log: Any,
    plan: Any = None,
    *,
    total: int | str | None = None,
    lr: Any = None,
    epoch: float | None = None,
    samples: float | None = None,
    tokens: float | None = None,
    epochs: float | None = None,
    batch_size: float | None = None,
    accumulation: float | None = None,
    processes: float | None = None,
    format: str | None = None,
    step: str | None = None,
    rate: str | None = None,
    logged: str | None = None,
    skips: bool | None = None,
    framework: str | None = None,
    named: str | None = None,
    progress: Progress | None = None,
) -> Audit:
    """Return what a run did with its learning rate, by its log, and whether that was meant.

    With a plan, the log is held against it: where they first differ, by how much, and which of
    the known mistakes explains it. Without one, the schedule that reproduces the log is named.

    Args:
        log: The path of a log (`trainer_state.json`, event files, CSV of Lightning, Keras or
            anybody, W&B, Trackio, JSON lines, a journal), rows such as
            `trainer.state.log_history`, or columns by name.
        plan: What was meant: a schedule, a plan, its text or file, a config, a scheduler, or the
            rate of each update.
        total: Updates of the run.
        lr: Peak learning rate; of several groups, a list or a dict by name.
        epoch: Updates in an epoch.
        samples: Samples in an update.
        tokens: Tokens in an update.
        epochs: Epochs of the run.
        batch_size: Samples that a process takes at once.
        accumulation: Batches in an update.
        processes: Processes that train.
        format: Format of the config, as `convert.read` knows it.
        step: Column of the updates, if its name does not tell.
        rate: Column of the rate, if its name does not tell.
        logged: Which rate stands beside step k: "this" (the one that the k-th update used) or
            "next"; left out, both are right, and it is found out which.
        skips: Whether updates may have been skipped, as by a loss scale of float16; left out,
            nobody knows.
        framework: Whose words the advice is in: "transformers", "lightning", "keras",
            "accelerate" or "torch"; left out, the log tells.
        named: Name of the run, of a log that has several.
        progress: Called as `progress(done, total)` while a file is read.

    Raises:
        ScheduleError: the log or the plan cannot be read, or something has to be given.

    >>> import numpy as np
    >>> log = {"step": np.arange(1, 101), "lr": 1e-3 * (1 - np.arange(100) * 2 / 100).clip(0)}
    >>> found = audit(log, "Linear(to=0)", total=100, lr=1e-3)
    >>> found.agrees, found.cause.kind, found.cause.parameters["k"]
    (False, 'steps_per_update', 2)
    """
    if logged is not None:
        one_of(Call("audit", "logged", logged), "is no convention", logged, ("this", "next"))
    if framework is not None:
        who = Call("audit", "framework", framework)
        one_of(who, "is not a framework", framework, FRAMEWORKS)
    known = epoch if epoch is not None else _epoch_of(total, epochs)
    read = recorded(log, step=step, rate=rate, epoch=known, named=named, progress=progress)
    if plan is None:
        return _without_plan(read)
    told = {"samples": samples, "tokens": tokens, "epochs": epochs, "batch_size": batch_size,
            "accumulation": accumulation, "processes": processes, "format": format}  # fmt: skip
    meant = intended(plan, read, total=total, lr=lr, epoch=epoch, **told)
    read, meant = _in_updates(read, meant)
    several = list(lr.values()) if isinstance(lr, Mapping) else lr
    others = np.array(several) if isinstance(several, list | tuple) else None
    trained = Told(processes, accumulation, others)
    found = _compared(read, meant, conventions(read, meant, logged), trained, skips)
    name = framework or str(read.facts.get("kind", ""))
    causes = tuple(
        dataclasses.replace(one, fix=_fix(one, name, meant, read)) for one in found.causes
    )
    return dataclasses.replace(found, causes=causes)


def _epoch_of(total: Any, epochs: float | None) -> float | None:
    return total / epochs if isinstance(total, int) and epochs else None


def _without_plan(read: Recorded) -> Audit:
    return Audit(
        agrees=None, undecided="", causes=(), first=None, largest=None, share=float("nan"),
        convention=read.convention if read.convention != "unknown" else "",
        notes=read.notes, recorded=read,
    )  # fmt: skip


def _in_updates(read: Recorded, meant: Intended) -> tuple[Recorded, Intended]:
    """Return a log that counts epochs as one of updates, if the plan says how many those are.

    Raises:
        ScheduleError: it does not.
    """
    if read.facts.get("unit") != "epoch" or meant.total <= 2 * int(read.steps[-1]):
        return read, meant
    epoch = meant.units.get("epoch")
    if not epoch:
        rule = "counts epochs, and the plan counts updates"
        raise ScheduleError("The log", rule, "give epoch=…, the updates in an epoch")
    steps = np.rint(read.steps * float(epoch)).astype(np.int64)
    facts = {name: value for name, value in read.facts.items() if name != "unit"}
    return dataclasses.replace(read, steps=steps, epoch=float(epoch), facts=facts), meant


# With a plan ----------------------------------------------------------------------------------


def _compared(
    read: Recorded, meant: Intended, shifts: tuple[int, ...], run: Told, skips: bool | None
) -> Audit:
    everything = LogEvidence(read, meant, shifts, most=len(read.steps))
    base = everything.explain("as_meant", {}, 0.0)
    notes = [*read.notes, *meant.notes, *_of_peak(everything, base), *_of_groups(everything, base)]
    if base.share < 1.0 and not meant.own:
        base, everything, notes = _of_some_length(everything, base, notes)
        meant = everything.intended
    telling = informative(everything, base)
    open_question = what_to_log(everything, telling, base.share)
    result = _result(everything, base, notes, open_question)
    past = past_end(everything, base)
    if past and result.agrees is not False and skips is not False and is_late(everything, base):
        more = int(everything.counts[-1]) - meant.total
        why = (
            f"the log counts {more:,} updates more than were planned: either so many were skipped, "
            "which is right, or the run went on at its end; give skips=False if none can be."
        )
        why = " ".join(filter(None, (why, result.undecided)))
        return dataclasses.replace(result, agrees=None, undecided=why)
    if result.agrees is not False:
        first = first_past(everything, base) if past else None
        agrees = False if past else result.agrees
        return dataclasses.replace(result, causes=past, agrees=agrees, first=first)
    e = LogEvidence(read, meant, shifts)
    lagging = skipped(everything)
    if lagging is not None and lagging.kind == "skipped" and lagging.share == 1.0:
        return _skipped(everything, e, lagging, result, run, skips)
    if len(read.steps) < FEWEST:
        why = "the log has too few rates to tell why they differ: log more of the run."
        return dataclasses.replace(result, agrees=None, undecided=why)
    if _too_round(read, base):
        why = "the rates in the log are so short that they may have been rounded: log more digits."
        return dataclasses.replace(result, agrees=None, undecided=why)
    if not meant.own:
        why = "nobody has said how long the run was meant to be, and no length fits: give total=…"
        return dataclasses.replace(result, agrees=None, undecided=why)
    return _accused(everything, e, base, result, run)


def _too_round(read: Recorded, base: Explanation) -> bool:
    """Whether a log has one or two digits of rates that have more."""
    needed = read.facts.get("needed", 0)
    if not 0 < needed < (read.digits or 0) or needed_digits(base.expected) <= needed:
        return False
    away = np.nan_to_num(np.abs(read.rates - base.expected)).max(axis=1)
    return float((away > FAR * base.expected.max()).mean()) < OFTEN


def _accused(
    everything: LogEvidence, e: LogEvidence, base: Explanation, result: Audit, run: Told
) -> Audit:
    own = e.explain("as_meant", {}, 0.0, shifts=(base.shift,))
    found = ranked(e, own, run)
    if found and found[0].shift != base.shift:  # what the cause takes to stand beside a step
        base = everything.explain("as_meant", {}, 0.0, shifts=(found[0].shift,))
        own = e.explain("as_meant", {}, 0.0, shifts=(base.shift,))
        result = _result(everything, base, list(result.notes), "")
    causes = tuple(_cause(one, e, own) for one in found)
    if base.share >= NEARLY and not any(one.share == 1.0 for one in found):
        why = f"{1 - base.share:.1%} of the rates depart, and nothing known explains all of them."
        return dataclasses.replace(result, agrees=None, undecided=why, causes=())
    expected = None
    if found and len(e.counts) == len(everything.counts):
        expected = found[0].expected
    return dataclasses.replace(
        result, causes=causes, expected=expected,
        undecided=result.undecided or _between(causes, everything),
    )  # fmt: skip


def _between(causes: tuple[Cause, ...], e: LogEvidence) -> str:
    """Return which causes the log cannot tell from each other, in words."""
    if not causes:
        return ""
    best = causes[0]
    equal = [one for one in causes[1:] if best.share - one.share < TIE
             and best.score - one.score < 2 * TIE]  # fmt: skip
    if not equal:
        return ""
    names = ", ".join(one.kind.replace("_", " ") for one in (best, *equal))
    return f"{names} explain the log equally well; log the rate more often, or all of the run."


def _skipped(
    everything: LogEvidence,
    e: LogEvidence,
    found: Explanation,
    result: Audit,
    run: Told,
    skips: bool | None,
) -> Audit:
    """Return what to say of a run whose schedule is behind by some updates: they were skipped."""
    count = found.parameters["skipped"]
    at = found.parameters["at"]
    from_start = len(at) == 1 and at[0] == int(everything.counts[0])
    unsure = skips is None and from_start and count == 1
    others = [one for one in ranked(e, e.explain("as_meant", {}, 0.0), run) if one.share == 1.0]
    simpler = [one for one in others if one.assumed < found.assumed and one.kind != "off_by_one"]
    if skips is False or (simpler and len(at) >= FEWEST):
        base = everything.explain("as_meant", {}, 0.0)
        return _accused(everything, e, base, result, run)
    if simpler and skips is None:
        words = simpler[0].kind.replace("_", " ")
        why = f"either {count} updates were skipped, which is right, or it is {words}: log more."
        return dataclasses.replace(result, agrees=None, undecided=why)
    if unsure:
        own = e.explain("as_meant", {}, 0.0)
        causes = tuple(_cause(one, e, own) for one in others if one.kind == "off_by_one")
        why = (
            "the schedule is one update behind from the start: either the first update was "
            "skipped, which is right, or the clock is off by one; give skips=False if none can be."
        )
        return dataclasses.replace(result, agrees=None, undecided=why, causes=causes)
    times = f" by step {at[0]:,}" if count == 1 else f" from step {at[0]:,} on"
    plural = "s were" if count > 1 else " was"
    note = f"{count} update{plural} skipped{times}: the schedule waited for them, as it should."
    return dataclasses.replace(result, agrees=True, first=None, largest=None, causes=(),
                               share=1.0, undecided="", notes=(*result.notes, note),
                               departs=np.zeros(len(everything.counts), dtype=bool),
                               intended=found.expected)  # fmt: skip


def _of_some_length(
    e: LogEvidence, base: Explanation, notes: list[str]
) -> tuple[Explanation, LogEvidence, list[str]]:
    """Return the same with the length that the log shows, if one explains all of it."""
    thin = LogEvidence(e.recorded, e.intended, e.shifts)
    for one in sorted(wrong_total(thin), key=lambda x: -x.score):
        if one.intended is None or one.share < 1.0:
            continue
        again = LogEvidence(e.recorded, dataclasses.replace(one.intended, own=True), e.shifts,
                         most=len(e.counts))  # fmt: skip
        found = again.explain("as_meant", {}, 0.0)
        if found.share == 1.0:
            note = f"Nobody said how long the run is: the log fits {one.intended.total:,} updates."
            kept = [each for each in notes if "as many as its log" not in each]
            return found, again, [*kept, note]
    return base, e, notes


def _of_peak(e: LogEvidence, base: Explanation) -> Iterator[str]:
    unknown = ~np.isfinite(e.intended.peaks)
    if unknown.any():
        peak = base.scale if np.isfinite(base.scale) else float("nan")
        yield f"Nobody said what the peak is: it is taken to be {peak:.6g}, from the log."


def _of_groups(e: LogEvidence, base: Explanation) -> Iterator[str]:
    if e.recorded.convention == "next":
        yield "The log shows the rate of the update to come beside each step."


def _result(e: LogEvidence, base: Explanation, notes: list[str], open_question: str) -> Audit:
    missed = e.there & ~base.hits
    rows = missed.any(axis=1)
    all_well = not rows.any()
    first = _departure(e, base, int(np.argmax(rows)), missed) if rows.any() else None
    away = np.where(missed, np.abs(e.rates - base.expected), 0.0)
    largest = None
    if rows.any():
        largest = _departure(e, base, int(np.argmax(away.max(axis=1))), missed)
    agrees = None if all_well and open_question else all_well
    return Audit(
        agrees=agrees, undecided=open_question if all_well else "", causes=(), first=first,
        largest=largest, share=base.share, convention=_convention(e, base),
        notes=tuple(dict.fromkeys(notes)), recorded=e.recorded,
        intended=base.expected, departs=rows, total=e.intended.total,
    )  # fmt: skip


def _convention(e: LogEvidence, base: Explanation) -> str:
    """Return what stands beside a step, if it makes a difference in this log."""
    equal = [shift for shift in e.shifts if
             e.explain("", {}, 0.0, shifts=(shift,)).share == base.share]  # fmt: skip
    if len(equal) > 1:
        return ""
    return {-1: "this", 0: "next", 1: "later"}.get(base.shift, "")


def _departure(e: LogEvidence, base: Explanation, row: int, missed: Any) -> Departure:
    group = int(np.argmax(np.where(missed[row], np.abs(e.rates[row] - base.expected[row]), -1.0)))
    count = int(e.counts[row])
    return Departure(
        max(count + base.shift, 0), count, float(e.rates[row, group]),
        float(base.expected[row, group]), e.recorded.groups[group],
    )  # fmt: skip


def _cause(one: Explanation, e: LogEvidence, base: Explanation) -> Cause:
    missed = (e.there & ~base.hits).any(axis=1) & (one.hits == e.there).all(axis=1)
    rows = np.flatnonzero(missed)
    shown = rows[np.linspace(0, len(rows) - 1, min(len(rows), ROWS_SHOWN)).round().astype(int)]
    evidence = tuple(
        (int(e.counts[row]), float(e.rates[row, 0]), float(one.expected[row, 0])) for row in shown
    )
    return Cause(one.kind, dict(one.parameters), one.share, one.assumed, evidence)


def _fix(cause: Cause, framework: str, meant: Intended, read: Recorded) -> str:
    peak = float(meant.peaks[0])
    facts: dict[str, Any] = {
        **cause.parameters,
        "meant": meant.total,
        "last": int(read.steps[-1]),
        "warmup_meant": climb_of(meant),
        "floor_meant": float(meant.at(np.array([meant.total]))[0, 0]),
        "spec_meant": repr(meant.schedules[0]) if meant.schedules else "the rates",
    }
    if np.isfinite(peak):
        facts["peak"] = peak
    return fix_of(cause.kind, framework, facts)
