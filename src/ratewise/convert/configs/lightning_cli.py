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


def _interval(found: Instance) -> Interval:
    """Return how often a scheduler is stepped: one that the model is given, as the model says."""
    return Interval("epoch", note=_NOTE) if found.path == "lr_scheduler" else Interval()


def _read(source: Any, ctx: RunFacts) -> Plan:
    source = _arguments(source)
    plain = dig(source, _OPTIMIZER) is not None
    return read_config("Lightning CLI", source, ctx, _interval, constant=plain)


def _evidence(source: Any) -> Evidence:
    source = _arguments(source)
    found = evidence(source, LIGHTNING)
    if not found and dig(source, _OPTIMIZER) is not None and dig(source, "trainer") is not None:
        return Evidence(4, (_OPTIMIZER, "trainer"))
    return replace(found, weight=found.weight + 1) if found and dig(source, "trainer") else found


_FACTS = {name: f"{path} {_FIT}.{path}" for name, path in FACTS.items()}
_FACTS["total"] += " lr_scheduler.init_args.total"  # of our own scheduler
FORMATS = (Format("lightning_cli", "Lightning CLI YAML", _evidence, _read, _FACTS),)
