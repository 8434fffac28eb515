"""The YAML of mistral-finetune, whose schedule is PyTorch's one-cycle over max_steps."""

from __future__ import annotations

from typing import Any

from ratewise.convert.configs._torch_classes import describe
from ratewise.convert.formats import Format, Marks, RunFacts, dig, marks
from ratewise.convert.live._described import DescribedOptimizer
from ratewise.convert.live.torch import read as read_torch
from ratewise.convert.pieces.keys import Keys, section
from ratewise.schedule import Plan, ScheduleError

_WHO = "mistral-finetune"


def _read(source: Any, ctx: RunFacts) -> Plan:
    keys = Keys(f"{_WHO} optim", section(_WHO, dig(source, "optim")))
    keys.only("lr weight_decay pct_start")
    rate = keys.rate(ctx) or keys.number("lr", 1e-4, above=True)
    steps = Keys(_WHO, {"max_steps": dig(source, "max_steps")}).whole("max_steps", 100, low=1)
    steps = steps if ctx.total is None else ctx.total
    given = {"max_lr": rate, "total_steps": steps, "pct_start": keys.number("pct_start", 0.05)}
    made = describe("OneCycleLR", Keys(_WHO, given), DescribedOptimizer(rate), _nested)
    return read_torch(made, ctx.lasting(steps))


def _nested(value: Any, optimizer: DescribedOptimizer) -> Any:
    raise ScheduleError(_WHO, "has a scheduler in its one-cycle", "leave it out", given=value)


_MARKS = Marks(
    *marks("optim.pct_start", 4),
    *marks("model_id_or_path save_adapters data.instruct_data", 2),
)
_FACTS = {"lr": "optim.lr", "total": "max_steps"}
_READS = "optim.lr optim.weight_decay optim.pct_start"
FORMATS = (Format("mistral_finetune", "mistral-finetune YAML", _MARKS, _read, _FACTS, _READS),)
