"""The config of Hydra, a YAML file of `_target_` with the arguments beside it."""

from __future__ import annotations

from typing import Any

from ratewise.convert.configs._instance_configs import FACTS, evidence, read_config
from ratewise.convert.configs._instance_plans import Interval
from ratewise.convert.configs._instances import HYDRA
from ratewise.convert.formats import Format, RunFacts
from ratewise.schedule import Plan


def _read(source: Any, ctx: RunFacts) -> Plan:
    return read_config("Hydra", source, ctx, lambda found: Interval())


FORMATS = (Format("hydra", "Hydra YAML", lambda source: evidence(source, HYDRA), _read, FACTS),)
