"""Schedules as Hydra makes them of `_target_`, nested as they may be, whatever `_convert_` is."""

from __future__ import annotations

from typing import Any

import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

import ratewise as rw
from ratewise.schedule import Sequence

WARM: dict[str, Any] = {"_target_": "ratewise.Warmup", "over": 5}
COSINE: dict[str, Any] = {"_target_": "ratewise.Cosine", "to": 0.1}
MADE: list[tuple[dict[str, Any], Any]] = [
    (COSINE, rw.Cosine(to=0.1)),
    ({"_target_": "ratewise.Piecewise", "points": {0: 1.0, 100: 0.1}},
     rw.Piecewise({0: 1.0, 100: 0.1})),
    ({"_target_": "ratewise.Repeat", "pattern": COSINE, "every": 10},
     rw.Repeat(rw.Cosine(to=0.1), every=10)),
    ({"_target_": "ratewise.schedule.Sequence", "moves": [WARM, COSINE]},
     Sequence((rw.Warmup(5), rw.Cosine(to=0.1)))),
    ({"_target_": "ratewise.Plan", "lr": WARM, "groups": {"head": COSINE}, "peak": {"lr": 1e-3}},
     rw.Plan(lr=rw.Warmup(5), groups={"head": rw.Cosine(to=0.1)}, peak={"lr": 1e-3})),
    ({"_target_": "ratewise.Plan", "lr": {"_target_": "ratewise.schedule.Sequence",
                                          "moves": [WARM, COSINE]}},
     rw.Plan(lr=rw.Warmup(5) >> rw.Cosine(to=0.1))),
    ({"_target_": "ratewise.parse", "text": "Warmup(5) >> Cosine(to=0.1)"},
     rw.Warmup(5) >> rw.Cosine(to=0.1)),
]  # fmt: skip


@pytest.mark.parametrize("convert", ["none", "partial", "object", "all"])
@pytest.mark.parametrize(("config", "wanted"), MADE)
def test_a_nested_target_is_a_schedule(config: dict[str, Any], wanted: Any, convert: str) -> None:
    """The value is that of Python, equal and of the same type."""
    made = instantiate(OmegaConf.create({**config, "_convert_": convert}))
    assert type(made) is type(wanted)
    assert made == wanted
    assert rw.parse(repr(made)) == wanted
