"""Damaged configs in YAML, TOML, JSON and Python: read, or refused."""

from __future__ import annotations

from pathlib import Path

import ratewise as rw
from ratewise.convert import read
from tests.convert.configs.texts import SOURCES, text
from tests.fuzz.tool import Tally, cases, damaged

PYTHON = """
_base_ = []
lr, epochs = 3e-4, 12
warm = epochs // 4 + 1
param_scheduler = [
    dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=500),
    dict(type='MultiStepLR', begin=0, end=epochs, by_epoch=True, milestones=[8, 11], gamma=0.1),
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=epochs)
optim_wrapper = dict(optimizer=dict(type='SGD', lr=lr, momentum=0.9))
"""
NANOGPT = """
learning_rate = 6e-4
max_iters = 600000
lr_decay_iters = max_iters
warmup_iters, min_lr, decay_lr = 2000, learning_rate / 10, True
"""
TOML = """
[optimizer]
name = "AdamW"
lr = 3e-4
[lr_scheduler]
warmup_steps = 200
decay_ratio = 0.8
decay_type = "linear"
min_lr_factor = 0.1
[training]
steps = 1000
"""


def corpus() -> list[tuple[str, str]]:
    found = [(".py", PYTHON), (".py", NANOGPT), (".toml", TOML)]
    for name in SOURCES:
        written = text(name)
        found.append((".json" if written.lstrip().startswith("{") else ".yaml", written))
    return found


def test_damaged_configs(tmp_path: Path) -> None:
    """Whatever a file says, the answer is a plan or an error of ours, soon and small."""
    tally, known = Tally("configs"), corpus()
    texts = [one for _, one in known]
    for i, source in enumerate(cases("configs")):
        ending, content = source.choice(known)
        bad = damaged(content, source, texts)
        path = tmp_path / f"{i % 50}{ending}"
        path.write_bytes(bad.encode("utf-8", "surrogatepass"))
        found = tally.attack(bad, lambda path=path: read(path, total=300, epoch=50))
        assert found is None or isinstance(found, rw.Plan | rw.Schedule)
    tally.close()
