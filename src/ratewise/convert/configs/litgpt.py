"""The YAML config of LitGPT: a warm-up and a cosine, counted in two ways.

Finetuning counts updates: level(t) = t/W for t < W, then (1 + cos(πp))/2 at p = (t - W)/(T - W).
Pretraining counts batches, of which an update takes A, and uses the rate of the last of them: with
c = t + (A - 1)/A, level(t) = c/W for c < W, then m + (1 - m)·(1 + cos(πp))/2 at
p = (c - W)/(T - W), where T may fall between two updates and m is min_lr.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from ratewise.convert.formats import Format, FormatMark, Marks, RunFacts, ask, dig, marks, only_one
from ratewise.convert.pieces.case import Case
from ratewise.convert.pieces.keys import Keys, rate_at, section
from ratewise.convert.pieces.moves import decay, fall, part, rise, stay, swing
from ratewise.schedule import Plan, ScheduleError, Warmup

_WHO = "LitGPT train"
_KEYS = "lr_warmup_steps lr_warmup_fraction min_lr max_steps max_tokens epochs max_time"
_SIZES = "global_batch_size micro_batch_size max_seq_length"
_WARMUPS = {False: 100, True: 2000}
"""The updates of the warm-up where they are left out, of finetuning and of pretraining."""


def _read(source: Any, ctx: RunFacts) -> Plan:
    keys = Keys(_WHO, section(_WHO, dig(source, "train"))).among(_KEYS, _SIZES)
    notes: list[str] = []
    peak = rate_at("LitGPT optimizer", source, "optimizer.init_args.lr", ctx)
    if peak is None:
        raise ScheduleError("LitGPT", "names no rate of its optimizer", ask("lr"))
    if keys.has("max_time"):
        notes.append("max_time may end the run sooner.")
    case = Case(keys, ctx, peak, notes)
    return _pretrained(case, source) if keys.has("max_tokens") else _finetuned(case)


def _warmup(case: Case, *, long: bool) -> int:
    if case.keys.given.get("lr_warmup_steps", "") is None:
        return 0
    if not case.keys.has("lr_warmup_steps"):
        case.notes.append(f"Left out, so LitGPT's own: lr_warmup_steps={_WARMUPS[long]}.")
    return case.keys.whole("lr_warmup_steps", _WARMUPS[long])


def _finetuned(case: Case) -> Plan:
    keys = case.keys
    if keys.has("lr_warmup_fraction"):
        raise ScheduleError(
            _WHO, "has lr_warmup_fraction, which is for pretraining", "leave it out"
        )
    warmup = _warmup(case, long=False)
    if not warmup:
        raise ScheduleError(_WHO, "divides by lr_warmup_steps, which is 0", "give 1 or more")
    total = _updates(case)
    if warmup >= total:
        rule = f"has a warm-up of {warmup} updates in a run of {total}"
        raise ScheduleError(_WHO, rule, "make the warm-up shorter")
    case.idle(warmup)
    if keys.has("min_lr"):
        case.notes.append("min_lr is for pretraining: this cosine ends at 0.")
    return case.plan(rise(warmup), (None, swing(0.0, total - warmup)))


def _updates(case: Case) -> int:
    """Return the updates of the run: what was told, or the sooner of max_steps and the epochs."""
    keys, epoch = case.keys, case.ctx.horizon.epoch
    most = keys.whole("max_steps", low=1) if keys.has("max_steps") else None
    if epoch is None or not keys.has("epochs"):
        return most if case.total is None and most is not None else case.run
    lasting = math.ceil(keys.number("epochs", above=True) * epoch)
    lasting = lasting if most is None else min(lasting, most)
    return lasting if case.total in (None, most) else case.run


def _pretrained(case: Case, source: Any) -> Plan:
    keys = case.keys
    only_one(_WHO, keys.given, "lr_warmup_steps", "lr_warmup_fraction")
    if keys.has("lr_warmup_fraction"):
        rule = "has lr_warmup_fraction, a share of the batches of an epoch"
        raise ScheduleError(_WHO, rule, "give lr_warmup_steps")
    warmup = _warmup(case, long=True)
    keys.whole("max_tokens", low=1)
    batches, length = _batches(case, source)
    run = math.floor(length)
    if case.total is not None and run != case.total:
        length = Fraction(case.total)
        run = case.total
    if warmup > length:
        rule = f"has a warm-up of {warmup} updates in a run of {run}"
        raise ScheduleError(_WHO, rule, "make the warm-up shorter")
    low = keys.level("min_lr", case.peak, 6e-5, high=True)
    if batches > 1:
        case.notes.append(f"An update uses the rate of the last of its {batches} batches.")
    else:
        case.idle(warmup)
    ahead = Fraction(batches - 1, batches)
    first = math.ceil(max(warmup - ahead, 0))
    climb = (first, part(Warmup(to=1.0, start=0.0), warmup, ahead))
    down = fall(decay("cosine", low), length - warmup, first + ahead - warmup)
    return Case(keys, case.ctx.lasting(run), case.peak, case.notes).plan(climb, down, stay(low))


def _batches(case: Case, source: Any) -> tuple[int, Fraction]:
    """Return the batches of an update and the updates of the run, from the tokens that it sees."""
    keys, devices = case.keys, dig(source, "devices")
    processes = case.ctx.processes
    if processes is None and type(devices) is int:
        processes = devices * Keys("LitGPT", {"num_nodes": dig(source, "num_nodes")}).whole(
            "num_nodes", 1, low=1
        )
    if processes is None:
        rule = f"depends on the number of processes, and has devices={devices or 'auto'}"
        raise ScheduleError("LitGPT", rule, ask("processes"))
    micro, size = keys.whole("micro_batch_size", 4, low=1), keys.whole("global_batch_size", 512)
    batches = int(size // processes) // micro
    if batches < 1:
        rule = f"has global_batch_size={size}, less than a batch of {micro} for each process"
        raise ScheduleError(_WHO, rule, "make it larger")
    if case.total is not None:
        return batches, Fraction(case.total)
    if not keys.has("max_seq_length"):
        raise ScheduleError(_WHO, "does not say how long its samples are", ask("total"))
    tokens = keys.whole("max_tokens", low=1) // int(processes)
    return batches, Fraction(tokens // (micro * keys.whole("max_seq_length", low=1)), batches)


_MARKS = Marks(
    *marks("train.lr_warmup_steps", 4),
    *marks("train.global_batch_size train.min_lr", 2),
    *marks("train.micro_batch_size", 1),
    *marks("adam.lr actor.adam.lr", -20),
    FormatMark("data.class_path", 4, lambda name: str(name).startswith("litgpt.")),
    *marks("checkpoint_dir out_dir optimizer.class_path", 1),
)
_FACTS = {"lr": "optimizer.init_args.lr", "total": "train.max_steps", "epochs": "train.epochs"}
_READS = "optimizer.class_path devices num_nodes " + " ".join(
    f"train.{key}" for key in [*_KEYS.split(), *_SIZES.split()]
)
FORMATS = (Format("litgpt", "LitGPT YAML", _MARKS, _read, _FACTS, _READS),)
