"""The config of Lightning's command line, a YAML file of `class_path` and `init_args`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ratewise.convert.configs._instance_configs import FACTS, evidence, read_config
from ratewise.convert.configs._instance_plans import Interval
from ratewise.convert.configs._instances import LIGHTNING, Instance
from ratewise.convert.formats import Evidence, Format, RunFacts, dig
from ratewise.schedule import Plan

_OPTIMIZER = f"optimizer.{LIGHTNING}"
_FIT = "fit"
"""The command whose arguments a file may have under its name."""
_NOTE = "Lightning's command line steps its lr_scheduler once per epoch."


def _arguments(source: Any) -> Any:
    inner = dig(source, _FIT)
    return inner if isinstance(inner, Mapping) else source


def _read(source: Any, ctx: RunFacts) -> Plan:
    source = _arguments(source)
    own = dig(source, "optimizer") is not None

    def interval(found: Instance) -> Interval:
        """Return how often it is stepped: as the model says, where it is given to the model."""
        is_own = own and found.path == "lr_scheduler"
        return Interval("epoch", note=_NOTE) if is_own else Interval()

    return read_config("Lightning CLI", source, ctx, interval, constant=own)


def _evidence(source: Any) -> Evidence:
    source = _arguments(source)
    found = evidence(source, LIGHTNING)
    if not found and dig(source, _OPTIMIZER) is not None and dig(source, "trainer") is not None:
        return Evidence(4, (_OPTIMIZER, "trainer"))
    return replace(found, weight=found.weight + 1) if found and dig(source, "trainer") else found


_FACTS = {name: f"{path} {_FIT}.{path}" for name, path in FACTS.items()}
_FACTS["total"] += " lr_scheduler.init_args.total"  # of our own scheduler
FORMATS = (Format("lightning_cli", "Lightning CLI YAML", _evidence, _read, _FACTS),)
