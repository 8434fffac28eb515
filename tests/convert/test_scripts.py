"""Scripts, commands and documents: what stands in them is read, what does not is refused."""

from __future__ import annotations

import time
from typing import Any

import pytest

from ratewise.convert import read
from ratewise.convert.pieces.flags import twice
from ratewise.convert.reading import read_source
from ratewise.convert.sources.dotted import nested
from ratewise.convert.sources.markdown import inside
from ratewise.convert.sources.shell import filled
from ratewise.convert.sources.unknown import Unknown
from ratewise.schedule import ScheduleError

MEGATRON = "pretrain_gpt.py --lr-decay-style cosine --train-iters 100 --min-lr 1e-5 --lr"


@pytest.mark.parametrize(
    "script",
    [
        f"LR=3e-4\n{MEGATRON} $LR",
        f"LR=3e-4\n{MEGATRON} ${{LR}}",
        f"export LR='3e-4'\n{MEGATRON} $LR",
        f"LR=${{LR:-3e-4}}\n{MEGATRON} $LR",
        f"{MEGATRON} ${{LR:-3e-4}}",
        f"BASE=3e-4\nLR=$BASE # the rate\n{MEGATRON} $LR",
        'ARGS="\n  --lr-decay-style cosine \\\n  --train-iters $((10*10)) \\\n  --min-lr 1e-5"\n'
        "pretrain_gpt.py $ARGS --lr 3e-4",
    ],
)
def test_a_script_is_read_with_the_variables_that_it_sets(script: str) -> None:
    """Nothing is run: an assignment to a text is put where the variable stands."""
    assert read(script) == read(f"{MEGATRON} 3e-4")


@pytest.mark.parametrize(
    "script",
    [
        f"{MEGATRON} $LR",
        f"LR=$1\n{MEGATRON} $LR",
        f"LR=$(cat rate)\n{MEGATRON} $LR",
        f"LR=3e-4\nLR=1e-4\n{MEGATRON} $LR",
        f"for LR in 3e-4 1e-4; do\n{MEGATRON} $LR\ndone",
        f"LR=3e-4\nfor LR in 1e-3; do\n{MEGATRON} $LR\ndone",
        f"LR=3e-4\nif [ $BIG ]; then LR=1e-4; fi\n{MEGATRON} $LR",
        f"read LR\nLR=3e-4\n{MEGATRON} $LR",
        f"LR=`head -1 rate`\n{MEGATRON} $LR",
    ],
)
def test_a_variable_that_may_be_anything_is_refused(script: str) -> None:
    """What is set twice, by a command, by a loop or not at all is not known, and that is said."""
    why = "does not set it" if script.startswith((MEGATRON, "LR=$1")) else "sets it in several ways"
    with pytest.raises(ScheduleError, match=f"the text {why}.*: write its value, .* lr=…"):
        read(script)
    assert read(script, lr=3e-4).peak == {"lr": 3e-4}


@pytest.mark.parametrize(
    ("text", "given"),
    [
        (f"{MEGATRON} 3e-4 --lr-warmup-iters $W", {"lr_warmup_iters": 5}),
        (f"{MEGATRON.replace('100', '$N')} 3e-4", {"total": 100}),
        ("model: {optim: {lr: 3e-4, sched: {name: CosineAnnealing, min_lr: '???'}}}\ntrainer: "
         "{max_steps: '???'}", {"total": 100, "model.optim.sched.min_lr": 1e-5}),
        ("lr_scheduler: {_name: polynomial_decay}\noptimization: {lr: [3e-4], max_update: '???'}",
         {"total": 100}),
    ],
)  # fmt: skip
def test_what_an_error_asks_for_is_enough(text: str, given: dict[str, Any]) -> None:
    """One after the other each value is asked for by what gives it, and then the text is read."""
    told: dict[str, Any] = {}
    for name, value in given.items():
        with pytest.raises(ScheduleError, match=f"write its value, or call read.*{name}"):
            read(text, **told)
        told[name] = value
    assert read(text, **told).rates(100)[50] > 0


def test_words_of_an_array_are_settings_of_its_command() -> None:
    """What an array is called is none; nor is what the environment is told."""
    script = (
        "export NCCL_DEBUG=WARN\nACTOR=(\n  actor_rollout_ref.actor.optim.lr=2e-6\n"
        "  actor_rollout_ref.actor.optim.lr_warmup_steps=5)\n"
        'python -m verl.trainer.main_ppo "${ACTOR[@]}" trainer.total_training_steps=20'
    )
    assert list(read(script).rates(20)) == [2e-6 * min(t / 5, 1) for t in range(20)]


@pytest.mark.parametrize(
    "hostile",
    [
        "A=" + "$A" * 50_000,
        "A=" + '"' * 90_000,
        "A=$B\nB=$A\nx $A",
        "".join(f"A{i}=$A{i + 1}$A{i + 1}\n" for i in range(60)) + "A60=xx\nx $A0",
        "$((" * 50_000,
        "${" * 60_000,
        "A='" + "x" * 90_000,
        "x $((9**9**9**9)) $((1/0)) $((" + "9" * 90 + "*" + ")" * 5,
    ],
    ids=range(8),
)
def test_a_hostile_script_costs_little(hostile: str) -> None:
    """Whatever is written there, the text stays small and no time goes by."""
    began = time.process_time()
    assert len(filled(hostile)) <= 200_000
    assert time.process_time() - began < 20


def test_paths_of_keys_are_a_config() -> None:
    """Settings and flags with points are nested, numbers are numbers, what is unknown stays so."""
    found = nested(
        "set -x\npython -m verl.trainer.main_ppo a.lr=1e-6 +a.b.c=[1,2] --d.e 5 --d.on \\\n"
        "  f.g=True h.i='x y' j.k=$HOME/x l.m=1 l.m=2 # n.o=3\n"
    )
    assert found is not None
    home, both = found.pop("j")["k"], found.pop("l")["m"]
    assert isinstance(home, Unknown)
    assert isinstance(both, Unknown)
    assert found == {
        "a": {"lr": 1e-6, "b": {"c": [1, 2]}},
        "d": {"e": 5, "on": True},
        "f": {"g": True},
        "h": {"i": "x y"},
    }


@pytest.mark.parametrize(
    "text", ["--lr 1 --warmup-iters 5", "a.b=1 a=2", "x = 5", "--lr 1 --x 2 --z 3 a.b=4", "'"]
)
def test_other_commands_stay_what_they_are(text: str) -> None:
    """A text with few paths, or with a key that is both a value and a section, is no config."""
    assert nested(text) is None


def test_a_command_of_hydra_is_read_as_the_file_would_be() -> None:
    """verl's overrides stand for its file; a rate that is set twice is asked for."""
    command = "python3 -m verl.trainer.main_ppo actor_rollout_ref.actor.optim.lr=1e-6 data.n=4"
    more = "actor_rollout_ref.actor.optim.lr_warmup_steps=5"
    plan = read(f"{command} {more}", total=20)
    optim = {"lr": 1e-6, "lr_warmup_steps": 5}
    file = {"actor_rollout_ref": {"actor": {"optim": optim}}}
    assert plan.lr == read(file, total=20).lr
    with pytest.raises(ScheduleError, match="set twice"):
        read(f"{command}\n{command.replace('1e-6', '2e-6')}", total=20)


TRAINER = "run.py --lr_scheduler_type cosine --per_device_train_batch_size 8 --warmup_steps 5"


def test_two_commands_with_two_rates_are_asked_about() -> None:
    """One command takes the last of a flag; which of several commands is meant nobody knows."""
    one = f"{TRAINER} --learning_rate 1e-4 \\\n  --learning_rate 2e-4"
    assert read(one, total=50).peak == {"lr": 2e-4}
    two = f"{TRAINER} --learning_rate 1e-4\n{TRAINER} --learning_rate 2e-4"
    with pytest.raises(ScheduleError, match=r"--learning_rate twice, as '1e-4' and '2e-4'"):
        read(two, total=50)
    same = f"{TRAINER} --learning_rate 1e-4\n{TRAINER} --learning_rate 1e-4 --seed 2"
    assert read(same, total=50).peak == {"lr": 1e-4}
    assert twice("a --x 1\n\n\nb --x 1 --y 2 --y 3") == {}


CARD = """---
license: mit
base_model: some/model
tags: [generated_from_trainer]
---

# my-model

It's a fine-tuned model; don't worry.

## Training procedure

### Training hyperparameters

The following hyperparameters were used during training:
- learning_rate: 2e-05
- train_batch_size: 16
- seed: 42
- optimizer: Use adamw_torch with betas=(0.9,0.999) and epsilon=1e-08
- lr_scheduler_type: cosine
- lr_scheduler_warmup_ratio: 0.1
- num_epochs: 3

### Framework versions

- Transformers: 4.48.0
"""


def test_the_page_of_a_model_is_a_model_card(tmp_path: Any) -> None:
    """README.md of a Hub model is read by its list; the same list alone is the same plan."""
    path = tmp_path / "README.md"
    path.write_text(CARD)
    found = read_source(path, epoch=100)
    assert (found.format.name, found.total) == ("trainer", 300)
    keys = {"learning_rate": 2e-5, "lr_scheduler_type": "cosine", "num_epochs": 3}
    plain = {**keys, "train_batch_size": 16, "lr_scheduler_warmup_ratio": 0.1}
    assert found.plan.lr == read(plain, epoch=100).lr
    again = f"{CARD}\n## Hyperparameters of stage 2\n- learning_rate: 1e-05\n"
    with pytest.raises(ScheduleError, match="twice"):
        read(again, epoch=100)


def test_a_document_is_its_commands() -> None:
    """Prose around them, with quotes of its own, changes nothing; other languages are left out."""
    page = (
        f"# Tutorial\n\nDon't --learning_rate 7\n\n```bash\n$ {TRAINER} --learning_rate 1e-4\n```\n"
    )
    assert read(page, total=50) == read(f"{TRAINER} --learning_rate 1e-4", total=50)
    assert inside("# A\n```python\nx = '--lr 5'\n```\n") is None
    assert inside("no heading\n- a: 1\n- b: 2\n- c: 3\n") is None


@pytest.mark.parametrize(
    ("flags", "kind"),
    [
        ("swift sft", "cosine"),
        ("torchrun swift/cli/sft.py", "cosine"),
        ("python run_glue.py", "linear"),
    ],
)
def test_a_schedule_that_is_left_out_is_that_of_the_program(flags: str, kind: str) -> None:
    """ms-swift and the Trainer have defaults of their own; which one is taken is said."""
    words = f"{flags} --per_device_train_batch_size 8 --learning_rate 1e-4 --warmup_steps 5"
    plan = read(words, total=50)
    said = read(f"{words} --lr_scheduler_type {kind}", total=50)
    assert plan.lr == said.lr
    assert any(f"lr_scheduler_type={kind}" in note for note in plan.notes)


@pytest.mark.parametrize(
    "flags",
    [
        "train.py --num_train_epochs 3 --train_batch_size 8 --learning_rate 3e-5 --output_dir x",
        "train.py --num_epochs 3 --warmup_steps 40 --lr 1e-6 --train_batch_size 8",
        "main.py --per_device_train_batch_size 4 --learning_rate 1e-4 --num_warmup_steps 100",
        "main.py --per_device_train_batch_size 4 --lr_scheduler_type cosine --lr 1e-4",
    ],
)
def test_flags_of_other_loops_are_not_taken_for_those_of_the_trainer(flags: str) -> None:
    """Scripts with loops and defaults of their own are asked about, or refused by the key."""
    with pytest.raises(ScheduleError):
        read(flags, total=1000)


def test_scripts_with_a_loop_of_their_own_say_steps_otherwise() -> None:
    """`--num_warmup_steps` and `--max_train_steps` are read where the schedule is named."""
    words = "run_clm_no_trainer.py --per_device_train_batch_size 8 --learning_rate 1e-4"
    found = read_source(
        f"{words} --lr_scheduler_type cosine --num_warmup_steps 10 --max_train_steps 90"
    )
    assert found.total == 90
    assert found.plan.lr == read(f"{words} --lr_scheduler_type cosine --warmup_steps 10").lr


@pytest.mark.parametrize(
    ("source", "part"),
    [
        ({"train_micro_batch_size_per_gpu": 4, "optimizer": {"params": {"lr": 1e-4}}},
         "has no scheduler"),
        ("gen.py --network_module networks.lora --steps 20", "says nothing of a schedule"),
        ({"optimizer": {"_component_": "torch.optim.AdamW"}, "tasks": ["x"]}, "has no lr"),
        ({"model": 1, "rates": {"base_lr": 0.1, "milestones": [8]}}, "base_lr, milestones"),
    ],
)  # fmt: skip
def test_what_says_nothing_of_a_schedule_is_not_read_as_one(source: Any, part: str) -> None:
    """A config with marks of a format and no key of its schedule gets no rates by default."""
    with pytest.raises(ScheduleError, match=part):
        read(source, total=100)


@pytest.mark.parametrize("key", ["eta_min", "T_max", "num_cycles", "lr"])
def test_words_of_other_schedulers_are_not_left_out(key: str) -> None:
    """A key that would change the rate elsewhere is refused, with what is known."""
    config = {"base_model": "m", "lr_scheduler": "cosine", "warmup_steps": 5, "datasets": []}
    with pytest.raises(ScheduleError, match=f"key {key}"):
        read({**config, key: 1e-5}, total=100)


def test_tags_of_a_project_are_not_followed() -> None:
    """`!include` and the like are unknown where they matter, and change nothing elsewhere."""
    plain = "optimizer: {learning_rate: 1.0e-3, warmup: 0.1}\ntrainer: {num_train_steps: 50}\n"
    assert read(f"data: !include data.yaml\n{plain}") == read(f"data: x\n{plain}")
    with pytest.raises(ScheduleError, match=r"!rate .*line 1"):
        read(plain.replace("1.0e-3", "!rate 5"))


SETTINGS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"warmup_ratio": 0.1}, {"warmup_ratio": 0.1}),
    ({"lr_scheduler_type": "linear"}, {"lr_scheduler_type": "linear"}),
    ({"lr_scheduler_type": "cosine_with_min_lr", "lr_scheduler_kwargs.min_lr_rate": 0.1},
     {"lr_scheduler_type": "cosine_with_min_lr", "lr_scheduler_kwargs": {"min_lr_rate": 0.1}}),
]  # fmt: skip
HF = {"learning_rate": 1e-4, "lr_scheduler_type": "cosine", "per_device_train_batch_size": 4,
      "max_steps": 100}  # fmt: skip


@pytest.mark.parametrize(("told", "written"), SETTINGS)
def test_a_key_of_the_file_can_be_told(told: dict[str, Any], written: dict[str, Any]) -> None:
    """What is told of a key counts more than the file, nested keys by their paths."""
    plan = read(HF, **told)
    assert plan.lr == read({**HF, **written}).lr
    assert "warmup_ratio" in told or any("was given; the config says" in n for n in plan.notes)


@pytest.mark.parametrize("key", ["seed", "foo", "lr_scheduler_kwarg.min_lr_rate"])
def test_a_key_that_is_not_read_cannot_be_told(key: str) -> None:
    """It would change nothing."""
    told: dict[str, Any] = {key: 5}
    with pytest.raises(ScheduleError, match="not a word of the format"):
        read_source({**HF, "seed": 3}, **told)


@pytest.mark.parametrize(
    ("source", "known"),
    [
        ({"learning_rate": 1e-4, "lr_scheduler_type": "cosine", "warmup_ratio": 0.1,
          "per_device_train_batch_size": 4, "num_train_epochs": 3}, "3 epochs"),
        ({"base_model": "m", "learning_rate": 1e-4, "lr_scheduler": "cosine", "num_epochs": 1},
         "1 epoch,|1 epoch:"),
        ({"train": {"lr_warmup_steps": 5, "epochs": 2}, "checkpoint_dir": "m",
         "optimizer": {"class_path": "torch.optim.AdamW", "init_args": {"lr": 1e-4}}}, "2 epochs"),
    ],
)  # fmt: skip
def test_where_epochs_are_known_the_length_of_one_is_asked_for(source: Any, known: str) -> None:
    """The error says how many they are, and asks for an epoch, its examples, or all updates."""
    with pytest.raises(ScheduleError, match=known) as caught:
        read(source)
    assert all(f"{name}=…" in str(caught.value) for name in ("epoch", "examples", "total"))
    assert read(source, epoch=50)
