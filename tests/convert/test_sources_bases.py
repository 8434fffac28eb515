"""Files that configs stand on: followed, and no default in place of what a missing one says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ratewise import ScheduleError
from ratewise.convert import read
from ratewise.convert.sources import load
from ratewise.convert.sources.unknown import Partial, Unknown
from tests.convert.configs.checks import agree
from tests.convert.configs.formulas_mmengine import Scheduler, trace

NEMO = """\
model:
  optim:
    lr: 2.0
    sched: {name: NoamAnnealing, d_model: 512, warmup_steps: 100, min_lr: 1e-6}
"""

# Bases of MMEngine ------------------------------------------------------------------------------

SCHEDULE_1X = """\
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=12, val_interval=1)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=50),
    dict(type='MultiStepLR', begin=0, end=12, by_epoch=True, milestones=[8, 11], gamma=0.1)
]
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.02, momentum=0.9, weight_decay=0.0001))
auto_scale_lr = dict(enable=False, base_batch_size=16)
"""
Write = Callable[[dict[str, str]], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes files by name, and returns the path of the first."""

    def write(files: dict[str, str]) -> Path:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path / next(iter(files))

    return write


def steps_of(milestones: list[int], epochs: int, lr: float, epoch: int) -> list[float]:
    """The rates of a warm-up of 50 updates under milestones by epoch, by MMEngine's recursions."""
    warm = Scheduler("Linear", 0, 50, 1, {"start_factor": 0.001, "end_factor": 1.0})
    steps = Scheduler("MultiStep", 0, epochs, epoch, {"milestones": milestones, "gamma": 0.1})
    return trace(epochs * epoch, lr, [warm, steps])


def test_a_base_is_followed_and_merged(write: Write) -> None:
    """Mappings join key by key, and anything else is replaced, such as lists of schedulers."""
    runtime = "default_scope = 'mmdet'\n"
    bases = {"_base_/schedule_1x.py": SCHEDULE_1X, "_base_/runtime.py": runtime}
    both = "_base_ = ['../_base_/schedule_1x.py', '../_base_/runtime.py']\n"
    alone = write({"a/config.py": both, **bases})
    agree(read(alone, epoch=10), steps_of([8, 11], 12, 0.02, 10), slack=3e-13)
    scaled = write({"a/b.py": f"{both}optim_wrapper = dict(optimizer=dict(lr=0.02 / 4))\n"})
    agree(read(scaled, epoch=10), steps_of([8, 11], 12, 0.005, 10), slack=3e-13)
    assert load(scaled)["optim_wrapper"]["optimizer"]["momentum"] == 0.9
    longer = write({
        "a/c.py": "_base_ = './b.py'\nmax_epochs = 24\ntrain_cfg = dict(max_epochs=max_epochs)\n"
        "param_scheduler = [{{_base_.param_scheduler}}[0],\n"
        "    dict(type='MultiStepLR', begin=0, end=max_epochs, milestones=[16, 22], gamma=0.1)]\n"
    })  # fmt: skip
    agree(read(longer, epoch=10), steps_of([16, 22], 24, 0.005, 10), slack=3e-13)
    changed = write({
        "a/d.py": "_base_ = './b.py'\nparam_scheduler = _base_.param_scheduler\n"
        "param_scheduler[1].update(milestones=[3, 5])\n"
    })  # fmt: skip
    agree(read(changed, epoch=10), steps_of([3, 5], 12, 0.005, 10), slack=3e-13)


def test_a_line_of_a_base_is_told_with_its_file(write: Write) -> None:
    """What is unknown in a base is refused by the line and the name of that file."""
    base = SCHEDULE_1X.replace("lr=0.02", "lr=scaled(2)")
    path = write({"a.py": "_base_ = 'base.py'\nx = 1\n", "base.py": base})
    with pytest.raises(ScheduleError, match=r"scaled\(2\) \(line 8 of base.py is not worked out\)"):
        read(path, epoch=10)


def test_a_mapping_may_replace_that_of_its_base(write: Write) -> None:
    """`_delete_` leaves nothing of the base's mapping, at any depth."""
    base = "a = dict(b=dict(c=1, d=2), e=3)\nf = [1, 2]\ng = dict(h=1)\n"
    over = "_base_ = 'base.py'\na = dict(b=dict(_delete_=True, x=9), y=dict(z=1))\nf = [3]\ng = 5\n"
    assert load(write({"over.py": over, "base.py": base})) == {
        "a": {"b": {"x": 9}, "e": 3, "y": {"z": 1}}, "f": [3], "g": 5,
    }  # fmt: skip
    with pytest.raises(ScheduleError, match=r"has a mapping for 'f'.*add _delete_=True"):
        load(write({"wrong.py": "_base_ = 'base.py'\nf = dict(x=1)\n"}))


@pytest.mark.parametrize("suffix", ["yaml", "json"])
def test_other_formats_may_have_bases(write: Write, suffix: str) -> None:
    """`_base_` of MMEngine and `_BASE_` of Detectron2 are keys of YAML and JSON too."""
    low = {"a": {"b": 1, "c": 2}, "d": [1]}
    for named in ("_base_", "_BASE_"):
        high = {named: f"low.{suffix}", "a": {"b": 3}, "d": [2]}
        files = {f"high.{suffix}": json.dumps(high), f"low.{suffix}": json.dumps(low)}
        assert load(write(files)) == {"a": {"b": 3, "c": 2}, "d": [2]}


def test_bases_of_imports(write: Write) -> None:
    """MMEngine's newer configs import their bases, in a `with` or under a constant."""
    base = SCHEDULE_1X.replace("'MultiStepLR'", "MultiStepLR")
    base = f"from mmengine.optim import MultiStepLR\n{base}"
    for begin in ("with read_base():\n", "if '_base_':\n"):
        text = (
            "from mmengine.config import read_base\n"
            f"{begin}    from .._base_.schedule_1x import *\n"
            "param_scheduler[1].milestones = [16, 22]\nparam_scheduler[1].update(end=24)\n"
            "train_cfg.merge(dict(max_epochs=24))\noptim_wrapper.optimizer.lr = 0.01\n"
        )
        path = write({"a/config.py": text, "_base_/schedule_1x.py": base})
        agree(read(path, epoch=10), steps_of([16, 22], 24, 0.01, 10), slack=3e-13)
    path = write({"a/missing.py": "with read_base():\n    from .nowhere import *\nx = 1\n"})
    assert isinstance(load(path), Partial)


RTMDET = """\
_base_ = ['../_base_/default_runtime.py', '../_base_/schedules/schedule_1x.py']
max_epochs = 30
base_lr = 0.004
train_cfg = dict(max_epochs=max_epochs)
optim_wrapper = dict(_delete_=True, optimizer=dict(type='AdamW', lr=base_lr))
param_scheduler = [
    dict(type='LinearLR', start_factor=1.0e-5, by_epoch=False, begin=0, end=20),
    dict(type='CosineAnnealingLR', eta_min=base_lr * 0.05, begin=max_epochs // 2,
         end=max_epochs, T_max=max_epochs // 2, by_epoch=True, convert_to_iter_based=True),
]
"""


def test_a_base_that_is_not_there_gives_no_default(write: Write) -> None:
    """What the file itself says is read, with a note; what the base may say is refused by name."""
    plan = read(write({"a/rtmdet.py": RTMDET}), epoch=4)
    warm = Scheduler("Linear", 0, 20, 1, {"start_factor": 1e-5, "end_factor": 1.0})
    keys = {"T_max": 60, "eta_min": 0.004 * 0.05}
    agree(
        plan, trace(120, 0.004, [warm, Scheduler("CosineAnnealing", 60, 120, 1, keys)]), slack=3e-13
    )
    assert any("default_runtime.py and others (is not there)" in note for note in plan.notes)
    for old, new, message in [
        ("optimizer=dict(type='AdamW', lr=base_lr)", "clip=1", "has no lr|absolute rate"),
        ("_delete_=True, optimizer=dict(type='AdamW', lr=base_lr)", "clip=1", "lr.*is not there"),
        ("optim_wrapper = ", "other = ", "lr.*is not there"),
        ("train_cfg = ", "other = ", "."),
        ("param_scheduler = ", "other = ", "schedule_1x.py|default_runtime.py"),
    ]:
        path = write({"a/other.py": RTMDET.replace(old, new)})
        if message == ".":  # every window has its own end
            assert read(path, epoch=4, total=120).lr == plan.lr
            continue
        with pytest.raises(ScheduleError, match=message):
            read(path, epoch=4, total=120)


def test_no_other_reader_takes_a_default_from_a_missing_file(write: Write) -> None:
    """A config of nanoGPT, NeMo or Detectron2 that stands on a missing file is refused."""
    python = "wandb_log = False\nlr_decay_iters = 500\nwarmup_iters = 5\n"
    paths = [
        write({"a.py": f"_base_ = 'base.py'\n{python}"}),
        write({"b.py": f"from base import *\n{python}"}),
        write({"c.yaml": f"defaults: [base, _self_]\n{NEMO}"}),
        write({"d.yaml": f"_BASE_: base.yaml\n{NEMO}"}),
    ]
    for path in paths:
        with pytest.raises(ScheduleError, match=r"stands on|needs .*base"):
            read(path, total=100)
    for text in (f"defaults: [base, _self_]\n{NEMO}", f"_BASE_: base.yaml\n{NEMO}"):
        with pytest.raises(ScheduleError, match="names files, and this is none"):
            read(text, total=100)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.py": "_base_ = 'a.py'\n"}, "stands on itself"),
        ({"a.py": "_base_ = 'b.py'\n", "b.py": "_base_ = './a.py'\nx = 1\n"}, "stands on itself"),
        ({"a.py": "_base_ = '/etc/passwd'\n"}, "is no config file"),
        ({"a.yaml": "_base_: /proc/self/environ\n"}, "is no config file"),
        ({"a.py": "_base_ = '/dev/zero.py'\nx = 1\n"}, ""),
        ({"a.py": "_base_ = 3\n"}, "needs _base_ as a path"),
        ({"a.py": "_base_ = find('x')\n"}, "needs _base_ as a path"),
        ({"a.py": "_base_ = ['b.py', 'c.py']\n", "b.py": "x = 1\n", "c.py": "x = 2\n"},
         "two files that both have 'x'"),
        ({f"{i}.py": f"_base_ = '{i + 1}.py'\nx{i} = 1\n" for i in range(40)}, "on each other"),
        ({"a.py": f"_base_ = {[f'{i}.py' for i in range(60)]}\n",
          **{f"{i}.py": f"x{i} = 1\n" for i in range(60)}}, "stands on more than"),
        ({"a.py": f"_base_ = {[f'{i}.py' for i in range(9)]}\n",
          **{f"{i}.py": f"x{i} = 1\n" + "#" * 99_000 for i in range(9)}}, "with those before it"),
        ({"a.py": "_base_ = 'b.py'\n", "b.py": "x = (\n"}, r"b\.py'?\).* is not Python"),
        ({"a.yaml": "_base_: b.yaml\n", "b.yaml": "- 1\n"}, "is no mapping"),
    ],
)  # fmt: skip
def test_bases_that_cannot_be_are_refused(
    write: Write, files: dict[str, str], message: str
) -> None:
    """Loops, long chains, files that are no configs, and two bases that contradict each other."""
    path = write(files)
    if not message:
        assert isinstance(load(path), Partial)
        return
    with pytest.raises(ScheduleError, match=message):
        load(path)


# Defaults of Hydra ------------------------------------------------------------------------------


def test_defaults_are_composed(write: Write) -> None:
    """Groups go to their packages in the order of the list, and the config where `_self_` is."""
    files = {
        "train.yaml": "defaults:\n  - _self_\n  - optimizer: adamw\n  - logger: null\n"
        "  - trainer: short\n  - optional local: mine\n  - hydra: default\n"
        "  - override hydra/launcher: joblib\noptimizer: {lr: 1, eps: 2}\nseed: 3\n",
        "optimizer/adamw.yaml": "lr: 0.1\nsched: {steps: '${trainer.max_steps}'}\n",
        "trainer/short.yaml": "defaults:\n  - default\nmax_steps: 10\n",
        "trainer/default.yaml": "max_steps: 1000\ndevices: 1\n",
    }
    assert load(write(files)) == {
        "optimizer": {"lr": 0.1, "eps": 2, "sched": {"steps": 10}},
        "seed": 3,
        "trainer": {"max_steps": 10, "devices": 1},
    }
    last = write(
        {"last.yaml": "defaults: [optimizer: adamw, trainer: short]\noptimizer: {lr: 1}\n"}
    )
    assert load(last)["optimizer"] == {"lr": 1, "sched": {"steps": 10}}


def test_defaults_name_their_packages(write: Write) -> None:
    """By an entry, or the first line of a file; groups that a group names are beside it."""
    files = {
        "config.yaml": "defaults:\n  - actor@model.actor: big\n  - actor@critic: small\n"
        "  - data/text@_global_: c4\n  - /plain\n  - db@_here_: one\n  - _self_\nz: 0\n",
        "actor/big.yaml": "defaults: [../optim@optim: adam, small, _self_]\nsize: 9\n",
        "actor/small.yaml": "size: 1\nname: small\n",
        "optim/adam.yaml": "lr: 0.5\n",
        "data/text/c4.yaml": "tokens: 7\n",
        "db/one.yaml": "one: 1\n",
        "plain.yaml": "# @package some.where\nx: 1\n",
    }
    assert load(write(files)) == {
        "model": {"actor": {"optim": {"lr": 0.5}, "size": 9, "name": "small"}},
        "critic": {"size": 1, "name": "small"},
        "tokens": 7, "some": {"where": {"x": 1}}, "one": 1, "z": 0,
    }  # fmt: skip


def test_an_experiment_overrides_choices(write: Write) -> None:
    """A file that goes to the global package may choose for groups before it."""
    files = {
        "train.yaml": "defaults: [_self_, model: small, experiment: one]\nseed: 1\n",
        "model/small.yaml": "lr: 1\n",
        "model/large.yaml": "lr: 2\nwidth: 3\n",
        "experiment/one.yaml": "# @package _global_\ndefaults:\n  - override /model: large\n"
        "seed: 9\nmodel: {width: 4}\n",
    }
    assert load(write(files)) == {"seed": 9, "model": {"lr": 2, "width": 4}}


def test_a_missing_group_is_no_default(write: Write) -> None:
    """What comes before it may be changed by it; what comes after it counts."""
    after = write({"a.yaml": "defaults: [model: small, _self_]\nlr: 1\n"})
    found = load(after)
    assert found["lr"] == 1
    assert isinstance(found.get("model"), Unknown)
    with pytest.raises(ScheduleError, match=r"stands on model/small.yaml \(is not there\)"):
        load(write({"b.yaml": "defaults: [_self_, model: small]\nlr: 1\n"}))
    only = load(write({"c.yaml": "defaults:\n  - override /model: small\nlr: 1\n"}))
    assert only["lr"] == 1
    assert isinstance(only.get("model"), Unknown)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.yaml": "defaults: [a]\nx: 1\n"}, "stands on itself"),
        ({"a.yaml": "defaults: [b]\n", "b.yaml": "defaults: [b, b]\n"}, "on each other"),
        ({"a.yaml": "defaults: [../x]\n"}, "outside of its folder"),
        ({"a.yaml": "defaults: [m: ../../x]\n"}, "outside of its folder"),
        ({"a.yaml": "defaults: [m: '${db}_x']\n"}, "has the default"),
        ({"a.yaml": "defaults: [m: {x: 1}]\n"}, "has the default"),
        ({"a.yaml": "defaults: [b]\n", "b.yaml": "- 1\n"}, "is no mapping"),
    ],
)
def test_defaults_that_cannot_be_are_refused(
    write: Write, files: dict[str, str], message: str
) -> None:
    """Loops, files elsewhere, and names that depend on choices."""
    with pytest.raises(ScheduleError, match=message):
        load(write(files))
