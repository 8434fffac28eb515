"""The `param_scheduler` of an MMEngine config: windows of schedulers, by update or by epoch."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from ratewise.convert.configs._mmengine_window import ENDLESS, KNOWN, Window
from ratewise.convert.formats import Format, FormatMark, Marks, RunFacts, ask, dig
from ratewise.convert.pieces.keys import Keys, rate_at, section, under
from ratewise.convert.pieces.moves import Piece, lay, stay
from ratewise.convert.sources.unknown import Partial, Unknown
from ratewise.schedule import Plan, Product, Schedule, ScheduleError

_WHO = "mmengine param_scheduler"
_COMMON = "type begin end by_epoch last_step verbose convert_to_iter_based"
_LENGTHS = ("T_max", "step_size", "total_steps", "milestones", "periods")
_PARAMS = {"LR": "lr", "Momentum": "momentum", "ParamScheduler": ""}


_NAMES = {f"{kind}{end}": (kind, param) for kind in KNOWN for end, param in _PARAMS.items()}
_NAMES["CosineAnnealingWeightDecay"] = "CosineAnnealing", "weight_decay"
"""Kind and parameter by the name of the class."""


def _items(source: Any) -> list[Any]:
    found = under(source, "param_scheduler")
    if not isinstance(found, Mapping):
        return Keys("mmengine", {"param_scheduler": found}).items("param_scheduler")
    if "type" not in found:
        rule = "has schedulers for several optimizers"
        raise ScheduleError(_WHO, rule, "give the list of one of them")
    return [found]


def _read(source: Any, ctx: RunFacts) -> Plan:
    run = _Run(source, ctx)
    notes = run.notes
    windows = [run.window(item, i, notes) for i, item in enumerate(_items(source))]
    if not windows:
        raise ScheduleError(_WHO, "is empty", "give at least one scheduler")
    schedules: dict[str, Any] = {}
    peaks: dict[str, float] = {}
    for param in dict.fromkeys(window.param for window in windows):
        mine = sorted((w for w in windows if w.param == param), key=lambda w: w.begin)
        schedules[param] = _schedule(mine, ctx.total)
        if mine[0].base is not None:
            peaks[param] = mine[0].base
    named = {k: s for k, s in schedules.items() if k in ("lr", "momentum", "weight_decay")}
    keys = {k: s for k, s in schedules.items() if k not in named}
    return Plan(**named, keys=keys, peak=peaks, notes=tuple(notes))


def _schedule(windows: list[Window], total: int | None) -> Schedule:
    """Return windows one behind the other, or the product of windows that overlap."""
    for a, b in itertools.pairwise(windows):
        if any(w.kind == "OneCycle" for w in (a, b)):
            raise ScheduleError(_WHO, "has OneCycle beside another scheduler", "keep one of them")
    if all(a.end <= b.begin for a, b in itertools.pairwise(windows)):
        return _sequence(windows, total)
    for window in windows:
        if not window.multiplies():
            rule = "overlaps another window and its value depends on what that one has set"
            raise ScheduleError(window.keys.who, rule, "let one end before the other begins")
    return Product(tuple(_sequence([window], total) for window in windows))


def _sequence(windows: list[Window], total: int | None) -> Schedule:
    pieces: list[Piece] = []
    used, level, end = 0, 1.0, 1.0
    for window in windows:
        room = None if total is None else total - window.begin
        if room is not None and room <= 0:
            break
        if window.begin > used or end != level:
            pieces.append(stay(level, window.begin - used))
        n, schedule, level = window.moves(level, room)
        pieces.append((n, _as_it_is(schedule)))
        if n is None:
            return lay(total, *pieces)
        used, end = window.begin + n, schedule.resolve().end
    return lay(total, *pieces, *([stay(level)] if end != level else []))


def _as_it_is(schedule: Schedule) -> Any:
    return lambda n: schedule


class _Run:
    """What is known of the run: its config and what `read` was told."""

    def __init__(self, source: Any, ctx: RunFacts) -> None:
        self.ctx = ctx
        config = source if isinstance(source, Mapping) else {}
        loop = dig(config, "train_cfg")
        loop = Partial(None, loop) if isinstance(loop, Unknown) else loop
        self.loop = Keys("mmengine train_cfg", section(_WHO, {} if loop is None else loop))
        self.optimizer: Any = dig(config, "optim_wrapper.optimizer")
        self.notes: list[str] = []
        self.scale = self._scale(config)
        if self._said(config, "optim_wrapper.accumulative_counts", 1) != 1:
            rule = "has accumulative_counts, and its schedulers count batches, not updates"
            raise ScheduleError("mmengine", rule, "give the config in updates, without the key")

    def _scale(self, config: Mapping[str, Any]) -> float:
        """Return what the rate is multiplied by: the samples of an update over their base."""
        if self._said(config, "auto_scale_lr.enable", False) is False:
            return 1.0
        samples = self.ctx.horizon.samples
        if samples is None:
            rule = "has auto_scale_lr, which multiplies lr by the batch size over its base"
            raise ScheduleError("mmengine", rule, ask("samples", ", those of an update"))
        given = section("mmengine auto_scale_lr", dig(config, "auto_scale_lr"))
        base = Keys("mmengine auto_scale_lr", given).number("base_batch_size", above=True)
        scale = float(samples) / base
        self.notes.append(f"auto_scale_lr multiplies the rate by {scale:g}.")
        return scale

    def _said(self, config: Mapping[str, Any], path: str, usual: Any) -> Any:
        """Return what changes the rate from outside of the schedulers, or what is usual."""
        found = dig(config, path)
        if isinstance(found, Unknown) and not found.said:
            self.notes.append(f"{path} may be in a file that is not there: taken as {usual}.")
        return usual if found is None or (isinstance(found, Unknown) and not found.said) else found

    def last(self, who: str, by_epoch: bool) -> int:
        """Return where windows without an end of their own stop, in epochs or updates."""
        epochs, updates = (self.loop.has(f"max_{unit}") for unit in ("epochs", "iters"))
        if by_epoch and epochs:
            return self.loop.whole("max_epochs", low=1)
        if updates and not by_epoch:
            return self.loop.whole("max_iters", low=1)
        total = self.ctx.total
        if total is None and epochs and not by_epoch:
            return self.loop.whole("max_epochs", low=1) * self.ctx.need_epoch(who)
        if total is None:
            return ENDLESS
        return -(-total // self.ctx.need_epoch(who)) if by_epoch else total

    def base(self, keys: Keys, param: str) -> float | None:
        """Return the value of a key at level 1."""
        value = dig(self.optimizer, param)
        if param == "momentum" and value is None:
            betas = dig(self.optimizer, "betas")
            value = betas[0] if isinstance(betas, list | tuple) and betas else None
        if param == "lr":
            rate = rate_at(keys.who, self.optimizer, "lr", self.ctx)
            return rate if rate is None or self.scale == 1 else rate * self.scale
        told = self.ctx.more.get(param) if value is None else value
        return None if told is None else Keys(keys.who, {param: told}).number(param, above=True)

    def window(self, item: Any, index: int, notes: list[str]) -> Window:
        """Return a scheduler as a window, in updates."""
        who = f"{_WHO}[{index}]"
        found = section(who, item)
        if str(found.get("type")).startswith("ReduceOnPlateau"):
            rule = f"has {found['type']}, which depends on a metric"
            raise ScheduleError(who, rule, "keep MMEngine's own")
        scoped = found.get("type")
        if isinstance(scoped, str):
            scoped = scoped.rpartition(".")[2]  # "mmdet.QuadraticWarmupLR"
        name = Keys(who, {**found, "type": scoped}).choice("type", _NAMES, what="type")
        kind, param = _NAMES[name]
        keys = Keys(f"mmengine {name}", found)
        keys.only(_COMMON, KNOWN[kind], "" if param else "param_name")
        param = param or str(keys.need("param_name"))
        by_epoch, converts = keys.flag("by_epoch", True), keys.flag("convert_to_iter_based")
        if converts and not by_epoch:
            raise ScheduleError(keys.who, "converts what goes by updates already", "drop the key")
        pace = self.ctx.need_epoch(keys.who) if by_epoch else 1
        begin = keys.whole("begin", 0)
        end = keys.whole("end", low=1) if keys.has("end") else self.last(keys.who, by_epoch)
        end = min(end, ENDLESS)
        if end <= begin:
            rule = f"has begin={begin} and end={end}"
            raise ScheduleError(keys.who, rule, "let it end behind its begin")
        begin, steps = begin * pace, end - begin
        if converts:
            keys, steps, pace = _converted(keys, pace), min(end * pace, ENDLESS) - begin, 1
        own = kind == "OneCycle"
        level = keys.number("eta_max", above=True) if own else self.base(keys, param)
        window = Window(kind, param, keys, begin, steps, pace, level)
        notes.extend(_notes(window, converts))
        return window


def _converted(keys: Keys, scale: int) -> Keys:
    """Return the keys with lengths in updates; rates such as gamma stay as they are."""
    changed: dict[str, Any] = {}
    for name in _LENGTHS:
        if keys.has(name):
            several = name in ("milestones", "periods")
            changed[name] = (
                [x * scale for x in keys.wholes(name)] if several else keys.whole(name) * scale
            )
    return keys.having(**changed)


def _notes(window: Window, converted: bool) -> list[str]:
    kind, last = window.kind, window.end - window.pace
    notes: list[str] = []
    if kind in ("Linear", "Constant", "Poly") and not window.endless:
        notes.append(f"{kind} reaches its end at update {last}, one step before its window's.")
    if kind == "CosineAnnealing" and window.period >= window.steps and not window.endless:
        notes.append(
            f"The cosine stops at update {last}, short of its lowest value, and stays there."
        )
    if kind == "Constant" and window.keys.number("factor", 1.0) > 1:
        notes.append("A factor above 1 is refused by MMEngine itself, and taken by MMPose.")
    if kind == "CosineRestart":
        notes.append("Behind its last period the value stays where it was, above the lowest.")
    if kind == "Exponential" and converted:
        notes.append("gamma applies at every update, not at every epoch: it is not converted.")
    if kind in ("Step", "MultiStep") and window.begin:
        notes.append(f"{kind} counts its steps from update {window.begin}.")
    return notes


def _are_schedulers(source: Any) -> bool:
    items = source if isinstance(source, list | tuple) else [source]
    names = (*_NAMES, *(f"ReduceOnPlateau{end}" for end in _PARAMS))
    kinds = [dig(item, "type") for item in items]
    return bool(items) and all(isinstance(kind, str) and kind in names for kind in kinds)


_MARKS = Marks(FormatMark("param_scheduler"), FormatMark("", value=_are_schedulers))
_READS = "param_scheduler optim_wrapper.optimizer optim_wrapper.accumulative_counts auto_scale_lr"
_FACTS = {
    "lr": "optim_wrapper.optimizer.lr",
    "total": "train_cfg.max_iters",
    "epochs": "train_cfg.max_epochs",
}
FORMATS = (Format("mmengine", "MMEngine param_scheduler", _MARKS, _read, _FACTS, _READS),)
