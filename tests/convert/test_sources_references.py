"""References of OmegaConf's are resolved, or refused where they are needed."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf
from omegaconf.errors import InterpolationKeyError

from ratewise import ScheduleError
from ratewise.convert import read
from ratewise.convert.reading import read_source
from ratewise.convert.sources import load
from ratewise.convert.sources.unknown import Unknown
from tests.convert.configs.checks import agree

CONFIG: dict[Any, Any] = {
    "n": 512, "f": 0.1, "word": "adamw", "yes": True, "none": None, "list": [10, [20, 30]],
    "a": {"b": {"c": 1}, "list": [{"x": 5}, {"x": 6}], "key": "b"}, 7: "seven",
}  # fmt: skip
REFERENCES: list[tuple[str, Any]] = [
    ("${n}", 512),
    ("${ n }", 512),
    ("${f}", 0.1),
    ("${yes}", True),
    ("${none}", None),
    ("${a.b.c}", 1),
    ("${a[b][c]}", 1),
    ("${a.b[c]}", 1),
    ("${[a].b}", {"c": 1}),
    ("${list}", [10, [20, 30]]),
    ("${list.0}", 10),
    ("${list[1][0]}", 20),
    ("${a.list[1].x}", 6),
    ("${a.${a.key}.c}", 1),
    ("${.n}", 512),
    ("${.a.b.c}", 1),
    ("${n}-${word}", "512-adamw"),
    ("x${yes}${none}${f}", "xTrueNone0.1"),
    (r"\${n}", "${n}"),
    (r"\\${n}", "\\512"),
    (r"\\\${n} ${n}", r"\${n} 512"),
    ("$n {n} $${n}", "$n {n} $512"),
    ("${oc.select:n}", 512),
    ("${oc.select:a.b.c, 3}", 1),
    ("${oc.select:nothing, 3}", 3),
    ("${oc.select:a.nothing,1e-3}", 1e-3),
    ("${oc.select:nothing,null}", None),
    ("${oc.select:nothing,'a, b'}", "a, b"),
    ("${oc.select:nothing}", None),
    ("${oc.select:none,3}", None),
    ("${oc.select:nothing,${n}}", 512),
    ("${oc.select:nothing,${oc.select:nowhere,False}}", False),
    ("${oc.select:nothing,[]}", []),
    ("${oc.select:nothing, [1, a, ${n}]}", [1, "a", 512]),
    ("${oc.select:nothing,{}}", {}),
    ("${oc.decode:'1e-4'}", 1e-4),
    ("${oc.decode:${word}}", "adamw"),
]


@pytest.mark.parametrize(("text", "expected"), REFERENCES)
def test_references_are_resolved(text: str, expected: Any) -> None:
    """By the grammar of OmegaConf's documentation: paths, relative ones, texts, escapes."""
    found = load({**CONFIG, "here": text})["here"]
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(("text", "expected"), REFERENCES)
def test_references_are_those_of_omegaconf(text: str, expected: Any) -> None:
    """OmegaConf itself says the same."""
    config = OmegaConf.create({**CONFIG, "here": text})
    assert OmegaConf.to_container(config, resolve=True)["here"] == expected


@pytest.mark.parametrize("text", ["${7}", "${list[-1]}", "${list.-1}", "${list.9}", "${a.b.z}"])
def test_what_omegaconf_does_not_find_is_not_found(text: str) -> None:
    """Keys that are numbers, places from the end, and what is not there."""
    assert "is no key" in load({**CONFIG, "here": text})["here"].why
    with pytest.raises(InterpolationKeyError):
        OmegaConf.to_container(OmegaConf.create({**CONFIG, "here": text}), resolve=True)


def test_references_are_relative_to_where_they_stand() -> None:
    """One dot is beside the key, two are above; a chain is followed to its end."""
    text = (
        "a:\n  b: {c: 1, d: '${.c}', e: '${..f}', g: ['${..c}', '${.0}']}\n  f: '${h}'\n"
        "h: '${a.b.c}'\ni: '${a.b}'\nj: {k: '${..i.d}'}\n"
    )
    b = {"c": 1, "d": 1, "e": 1, "g": [1, 1]}
    assert load(text) == {"a": {"b": b, "f": 1}, "h": 1, "i": b, "j": {"k": 1}}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("${nothing}", "is no key of the config"),
        ("${a.nothing.c}", "is no key"),
        ("${n.x}", "is no key"),
        ("${list.5}", "is no key"),
        ("${list.x}", "is no key"),
        ("${.....n}", "goes above"),
        ("${here}", "refers to itself"),
        ("${.here}", "refers to itself"),
        ("x ${other}", "refers to itself"),
        ("${oc.env:HOME}", "environment"),
        ("${env:HOME}", "environment"),
        ("${now:%Y-%m-%d}", "needs now"),
        ("${hydra:runtime.cwd}", "needs hydra"),
        ("${multiply:${n}, 4}", "needs multiply"),
        ("${oc.select:nothing,{a: 2}}", "not written as a reference"),
        ("${n", "not written as a reference"),
        ("${}", "not written as a reference"),
        ("${a b}", "not written as a reference"),
        ("x${list}", "no word"),
    ],
)
def test_what_cannot_be_resolved_is_unknown(text: str, why: str) -> None:
    """It stays what it was, and says why where it is needed; nothing else is the worse for it."""
    found = load({**CONFIG, "here": text, "other": "${here}", "fine": "${n}"})
    assert isinstance(found["here"], Unknown)
    assert why in found["here"].why
    assert found["here"].text == text[:30]
    assert found["fine"] == 512


def test_a_config_in_itself_is_too_deep() -> None:
    """A mapping that is a part of itself has no end."""
    config: dict[str, Any] = {"a": "${b}"}
    config |= {"b": config, "c": [config, config]}
    with pytest.raises(ScheduleError, match="nested too deeply"):
        load(config)


NEMO = """\
name: Conformer
defaults_of_somebody: ${now:%Y}
model:
  encoder: {d_model: 512, size: '${.d_model}'}
  optim:
    name: adamw
    lr: 2.0
    sched:
      name: NoamAnnealing
      d_model: ${model.encoder.size}
      warmup_steps: 100
      warmup_ratio: null
      min_lr: 1e-6
trainer: {max_epochs: 1000, max_steps: -1}
"""


def noam(t: int, lr: float, size: int, warmup: int, low: float) -> float:
    """NeMo's Noam rate of update t: update 0 runs as update 1 does."""
    step = max(t, 1)
    mult = lr * size**-0.5 * min(step**-0.5, step * warmup**-1.5)
    return max(mult, low) if t > warmup else mult


def test_nemo_reads_a_reference(tmp_path: Path) -> None:
    """The width of the encoder is that of the schedule, through two references."""
    path = tmp_path / "conformer.yaml"
    path.write_text(NEMO)
    expected = [noam(t, 2.0, 512, 100, 1e-6) for t in range(400)]
    agree(read(path, total=400), expected, slack=1e-13)
    for old, new, message in [
        (
            "${model.encoder.size}",
            "${model.encoder.width}",
            r"got \${model.encoder.width} \(is no key",
        ),
        ("${model.encoder.size}", "${oc.env:SIZE}", r"got \${oc.env:SIZE} \(is of the environment"),
        ("lr: 2.0", "lr: ${scaled:2.0}", r"got \${scaled:2.0} \(needs scaled, which is not run"),
        ("name: NoamAnnealing", "name: ${.name}", r"\${.name} \(refers to itself"),
    ]:
        path.write_text(NEMO.replace(old, new))
        with pytest.raises(ScheduleError, match=message):
            read(path, total=400, format="nemo")


REFERRING = """
model:
  optimizer: {_target_: torch.optim.AdamW, lr: 1e-3}
  lr_scheduler:
    _target_: torch.optim.lr_scheduler.CosineAnnealingLR
    T_max: ${trainer.max_steps}
    eta_min: ${low}
  interval: step
low: 1e-5
trainer: {max_steps: 100}
"""


@pytest.mark.parametrize(
    ("told", "steps", "peak", "low"),
    [
        ({}, 100, 1e-3, 1e-5),
        ({"total": 50}, 50, 1e-3, 1e-5),
        ({"total": "50 updates"}, 50, 1e-3, 1e-5),
        ({"trainer.max_steps": 50}, 50, 1e-3, 1e-5),
        ({"low": 1e-4}, 100, 1e-3, 1e-4),
        ({"model.lr_scheduler.eta_min": 0}, 100, 1e-3, 0.0),
        ({"lr": 1e-2, "model.lr_scheduler.T_max": 80}, 100, 1e-2, 1e-5),
    ],
)
def test_what_is_told_is_what_references_stand_for(
    told: dict[str, Any], steps: int, peak: float, low: float
) -> None:
    """As Hydra puts what a command says into its config before it resolves it."""
    found = read_source(REFERRING, **told)
    assert found.total == steps
    length = told.get("model.lr_scheduler.T_max", steps)
    own = [
        low + (peak - low) * (1 + math.cos(math.pi * t / length)) / 2 for t in range(min(steps, 70))
    ]
    np.testing.assert_allclose(found.plan.rates(steps)[: len(own)], own, rtol=1e-9, atol=1e-15)
    assert bool(told) == any("was given" in note for note in found.plan.notes)
