"""What a reader leaves out is listed, and refused where it could be part of the schedule."""

# ruff: noqa: E501  (a table is read in rows)
from __future__ import annotations

from typing import Any

import pytest

from ratewise.convert import read
from ratewise.convert.reading import read_source
from ratewise.schedule import ScheduleError

TRAINER = "--learning_rate 1e-4 --lr_scheduler_type cosine --num_train_epochs 1 --warmup_steps 10"
MEGATRON = "--lr 1e-3 --train-iters 100 --lr-decay-style cosine --lr-warmup-iters 10"
AXOLOTL = {"base_model": "x", "learning_rate": 1e-4, "lr_scheduler": "cosine", "warmup_steps": 10}
OLMO = {
    "optimizer": {"name": "adamw", "learning_rate": 4e-4},
    "scheduler": {"name": "cosine_with_warmup", "units": "steps", "t_warmup": 10},
    "max_duration": 100,
}
TITAN = {
    "optimizer": {"lr": 1e-3},
    "lr_scheduler": {"decay_ratio": 0.2},
    "training": {"steps": 500},
}
NEOX = {"optimizer": {"params": {"lr": 1e-3}}, "train_iters": 100, "warmup": 0.1, "lr_decay_style": "cosine"}  # fmt: skip


@pytest.mark.parametrize(
    ("source", "listed"),
    [
        (f"{TRAINER} --bf16 True --tf32 True", "bf16, tf32"),
        ({**AXOLOTL, "sequence_len": 512, "fsdp_config": {"warmup": 3}}, "base_model, sequence_len, fsdp_config"),
        ({**TITAN, "model": {"name": "x"}, "training": {"steps": 500, "seq_len": 8}}, "training.seq_len, model"),
        ({**OLMO, "model": {"d_model": 8, "mlp_ratio": 4}}, "model.d_model, model.mlp_ratio"),
        ({**NEOX, "lrs": 3, "fp16": {"enabled": True}}, "lrs (did you mean lr?), fp16"),
    ],
)  # fmt: skip
def test_what_is_left_out_is_listed(source: Any, listed: str) -> None:
    """Keys beside those that are read are in a note, sections by their names."""
    assert f"Not read: {listed}." in read(source, total=100).notes


def test_where_all_is_read_there_is_nothing_to_list() -> None:
    """A section alone, or flags of a schedule alone, get no note; a key that is null says nothing."""
    assert not any("Not read" in note for note in read(MEGATRON).notes)
    section = {"type": "LinearLR", "end": 5, "by_epoch": False}
    assert not any("Not read" in note for note in read(section).notes)
    assert "Not read: base_model." in read({**AXOLOTL, "adapter": None}, total=100).notes


@pytest.mark.parametrize(
    ("source", "message"),
    [
        # slips of the pen
        ({**AXOLOTL, "max_step": 100}, "has the key max_step, which is not read: did you mean max_steps"),
        ({**NEOX, "train_iter": 50, "train_iters": None}, "did you mean train_iters"),
        ({**OLMO, "optmizer": {}, "optimizer": None}, "did you mean optimizer"),
        ({**OLMO, "optimizer": {"learning_rat": 1e-3}}, "did you mean learning_rate"),
        # flags cut short, as argparse allows
        (f"{TRAINER} --max_st 100", "has the flag --max_st, which is not read: did you mean --max_steps"),
        (f"{MEGATRON} --global-batch 8", "did you mean --global-batch-size"),
        # rates and schedules of somebody else, at every level that is read
        (f"{TRAINER} --mm_resampler_lr 2e-5", "has the flag --mm_resampler_lr"),
        ({**AXOLOTL, "embedding_lr": 1e-5}, "has the key embedding_lr"),
        ({**TITAN, "training": {"steps": 500, "warmup_steps": 20}}, "has the key training.warmup_steps"),
        ({**OLMO, "lr_schedule": "wsd"}, "has the key lr_schedule"),
        ({"learning_rate": 1e-4, "lr_scheduler_type": "cosine", "min_lr": 1e-5}, "has the key min_lr"),
        # the length of the run by a name of another project
        ({**NEOX, "max_iters": 100}, "has the key max_iters"),
        # files that are referred to and may say more
        (f"{TRAINER} --config recipe.yaml", "has --config 'recipe.yaml', a file with keys of its own"),
        ({"base_config": "post_train/sft.yml", "warmup_steps_fraction": 0.1, "steps": 9}, "has base_config='post_train/sft.yml'"),
        # values where keys have to be
        ({**OLMO, "optimizer": "adamw"}, "needs a mapping of keys"),
        # two rates
        ({**NEOX, "lr": 2e-3}, "has lr=0.002 and optimizer.params.lr=0.001"),
    ],
)  # fmt: skip
def test_what_could_change_the_rate_is_refused(source: Any, message: str) -> None:
    """Nothing that a project could mean by a key is dropped."""
    with pytest.raises(ScheduleError, match=message):
        read_source(source, **({} if source is OLMO else {"total": 100}))


@pytest.mark.parametrize(
    "key",
    ["weight_decay", "log_learning_rate", "adam_weight_decay", "ema_decay", "reset_lr_scheduler"],
)
def test_what_only_sounds_like_it_is_listed(key: str) -> None:
    """Other quantities, logs, and what is done with a checkpoint."""
    source = f"--lr-scheduler fixed --lr 1 --warmup-updates 5 --{key.replace('_', '-')} 1"
    plan = read(source, total=100)
    assert any(key in note for note in plan.notes) or key == "reset_lr_scheduler"


def test_a_variable_that_the_config_refers_to_is_no_key_of_its_own() -> None:
    """Hydra's users name a value once and refer to it."""
    sched = {"name": "CosineAnnealing", "warmup_steps": 5, "max_steps": 100}
    source = {
        "max_steps": 100,
        "trainer": {"max_steps": 100},
        "optim": {"lr": 1e-3, "sched": sched},
    }
    assert read_source(source).total == 100
    with pytest.raises(ScheduleError, match="has the key max_steps"):
        read_source({**source, "max_steps": 50})


@pytest.mark.parametrize(
    ("source", "format", "message"),
    [
        ({"learning_rate": 1e-4, "steps": 100, "warmup_steps_fraction": 0.1}, "nanogpt", "warmup_steps_fraction"),
        ({"base_model": "x", "learning_rate": 1e-4, "sequence_len": 8}, "trainer", "has more of axolotl"),
        ({"lr_decay_iters": 100, "max_iters": 100, "block_size": 8}, "megatron", "max_iters"),
        ({"optimizer": {"params": {"lr": 1e-3}}}, "llama_factory", "has no key of LLaMA-Factory"),
    ],
)  # fmt: skip
def test_a_format_that_is_named_is_not_believed_against_the_file(
    source: Any, format: str, message: str
) -> None:
    """Where nothing speaks for it, or much more for another one, it is refused."""
    with pytest.raises(ScheduleError, match=message):
        read(source, format=format, total=100)


def test_two_projects_in_one_file_are_asked_about() -> None:
    """A format does not win by weight where it leaves the other one's own keys unread."""
    nemo = {"optim": {"lr": 1e-3, "sched": {"name": "CosineAnnealing", "max_steps": 100}}}
    with pytest.raises(ScheduleError, match=r"looks like llama_factory .* and nemo"):
        read({**nemo, "stage": "sft", "finetuning_type": "lora", "cutoff_len": 8})


VARIABLES = {
    "nemo": """
warmup_len: 10
top_lr: 0.01
model: {optim: {lr: "${top_lr}", sched: {name: CosineAnnealing, warmup_steps: "${warmup_len}"}}}
trainer: {max_steps: 100}
""",
    "composer": """
warmup_len: 10ba
top_lr: 0.01
scheduler: {name: linear_decay_with_warmup, t_warmup: "${warmup_len}"}
optimizer: {name: adamw, lr: "${top_lr}"}
max_duration: 100ba
""",
    "hydra": """
warmup_len: 10
top_lr: 0.01
scheduler: {_target_: torch.optim.lr_scheduler.ConstantLR, total_iters: "${warmup_len}"}
optimizer: {_target_: torch.optim.SGD, lr: "${top_lr}"}
""",
}


@pytest.mark.parametrize("name", VARIABLES)
def test_what_others_refer_to_is_a_variable(name: str) -> None:
    """A plain value that a reference names is read where it stands; without one it is refused."""
    text, more = (
        VARIABLES[name],
        {"total": 100} | ({"interval": "update"} if name == "hydra" else {}),
    )
    found = read_source(text, **more)
    assert found.format.name == name
    assert found.plan.peak == {"lr": 0.01}
    with pytest.raises(ScheduleError, match="warmup_len"):
        read_source(text.replace('"${warmup_len}"', "10ba" if name == "composer" else "10"), **more)


def test_the_variables_of_a_python_config_are_its_own(tmp_path: Any) -> None:
    """MMEngine looks at none of them."""
    path = tmp_path / "config.py"
    path.write_text(
        "warmup_iters = 10\nbase_lr = 0.01\n"
        "optim_wrapper = dict(optimizer=dict(type='SGD', lr=base_lr))\n"
        "train_cfg = dict(by_epoch=False, max_iters=100)\n"
        "param_scheduler = [dict(type='LinearLR', start_factor=0.1, by_epoch=False, end=warmup_iters)]\n",
        encoding="utf-8",
    )
    found = read_source(path)
    assert (found.format.name, found.total, found.plan.peak) == ("mmengine", 100, {"lr": 0.01})
    path.write_text(path.read_text(encoding="utf-8").replace("param_scheduler", "param_schedulers"))
    with pytest.raises(ScheduleError):
        read_source(path)


def test_a_log_is_no_config() -> None:
    """The state that a Trainer writes holds a log, and is told from its config."""
    with pytest.raises(ScheduleError, match="is the log of a run"):
        read({"log_history": [{"learning_rate": 1e-4, "step": 10}], "max_steps": 10})
