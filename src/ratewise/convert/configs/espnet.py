"""The scheduler of ESPnet's and WeNet's YAML: a warm-up, then an inverse square root.

With W the warm-up, level(t) = min((t + 1)/W, √(W/(t + 1))), of which the highest is 1 at update
W - 1; without a warm-up it is 1/√(t + 1).
"""

from __future__ import annotations

from typing import Any

from ratewise.convert.formats import Format, FormatMark, Marks, RunFacts, dig, marks
from ratewise.convert.pieces.case import Case
from ratewise.convert.pieces.keys import Keys, section
from ratewise.convert.pieces.moves import rise, whole
from ratewise.schedule import Plan, Power

_WHO = "ESPnet scheduler"
_NAMES = ("warmuplr", "noamlr")


def _read(source: Any, ctx: RunFacts) -> Plan:
    given = section(_WHO, dig(source, "scheduler_conf"))
    name = Keys(_WHO, section(_WHO, source)).choice("scheduler", _NAMES)
    keys = Keys(f"ESPnet {name}", given).only(
        "warmup_steps", "model_size" if name == "noamlr" else ""
    )
    rate = Keys("ESPnet optim_conf", {"lr": dig(source, "optim_conf.lr")}).rate(ctx)
    case = Case(keys, ctx, rate)
    warmup = keys.whole("warmup_steps", 25_000)
    if name == "noamlr" and rate is not None:
        size = keys.whole("model_size", 320, low=1)
        case = case.at(rate * (size * max(warmup, 1)) ** -0.5)
    root = Power(0.5, every=warmup + 1, start=(max(warmup, 1) / (warmup + 1)) ** 0.5)
    return case.plan(rise(warmup, counted="(t+1)/W"), (None, whole(root)))


_MARKS = Marks(
    FormatMark("scheduler", 2, _NAMES),
    *marks("scheduler_conf optim_conf", 2),
    *marks("optim_conf.lr grad_clip accum_grad max_epoch", 1),
)
_FACTS = {"lr": "optim_conf.lr", "epochs": "max_epoch"}
FORMATS = (
    Format("espnet", "ESPnet or WeNet YAML", _MARKS, _read, _FACTS, "scheduler scheduler_conf"),
)
