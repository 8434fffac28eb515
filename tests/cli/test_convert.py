"""`ratewise show FILE` and `ratewise convert FILE --to TARGET`."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from ratewise.cli import app

DEEPSPEED = {
    "train_batch_size": 8,
    "scheduler": {
        "type": "WarmupDecayLR",
        "params": {"total_num_steps": 100, "warmup_num_steps": 10, "warmup_type": "linear"},
    },
}
FILES = {
    "ds.json": json.dumps(DEEPSPEED),
    "axolotl.yaml": "learning_rate: 3e-4\nlr_scheduler: cosine\nwarmup_steps: 10\n",
    "titan.toml": "[lr_scheduler]\nwarmup_steps = 10\ndecay_ratio = 0.2\n",
    "flags.sh": "--lr 3e-4 --lr-decay-style cosine --lr-decay-iters 100 --lr-warmup-iters 10",
    "mm.py": "lr = 0.1\nparam_scheduler = [dict(type='StepLR', step_size=30, by_epoch=False)]\n",
    "plan.json": '{"ratewise": 1, "type": "Cosine", "to": 0.1}',
    "plan.txt": "Warmup(10) >> Cosine(to=0.1)\n",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a config of each kind."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments, code=0):
    """The result of a command."""
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    return result


@pytest.mark.parametrize("name", FILES)
def test_every_kind_of_file_is_drawn(folder, name):
    """The format is guessed, said, and the schedule drawn."""
    result = run("show", name, "--total", "100")
    assert f"{name}: read as " in result.stderr
    assert "last update" in result.stdout


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("target", ["torch", "keras", "optax", "transformers", "lightning"])
def test_every_kind_of_file_is_converted(folder, name, target):
    """What is written is Python that parses, and says what was guessed beside it."""
    result = run("convert", name, "--to", target, "--total", "100")
    compile(result.stdout, name, "exec")
    assert "read as " in result.stderr


def test_oddities_of_a_framework_are_told(folder):
    """The notes of a plan are printed when it is shown and when it is converted."""
    assert "rate 0" in run("show", "ds.json", "--total", "100").stdout
    assert "note: " in run("convert", "ds.json", "--to", "torch", "--total", "100").stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", "nothing.json", "--total", "9"), "is not found"),
        (("convert", "axolotl.yaml", "--to", "pytorch", "--total", "100"), "did you mean torch"),
        (("convert", "plan.txt", "--to", "deepspeed", "--total", "100"), "use --approximate"),
        (("convert", "Warmup(10) >> Cosin()", "--to", "torch"), "did you mean Cosine"),
    ],
)
def test_what_cannot_be_is_one_line(folder, arguments, said):
    """Wrong files, targets and texts end with one line that says what to do."""
    result = run(*arguments, code=2)
    assert said in result.stderr
    assert result.stderr.count("\n") == 1 + result.stderr.count("read as ") + result.stderr.count(
        "note: "
    )


TRAINER = """learning_rate: 1e-4
lr_scheduler_type: cosine
lr_scheduler_warmup_steps: 10
train_batch_size: 8
num_epochs: 3
"""
STATED = {
    "megatron.sh": "--lr 3e-4 --lr-decay-style cosine --train-iters 100 --lr-warmup-iters 10",
    "neox.json": '{"optimizer": {"params": {"lr": 3e-4}}, # here\n "train_iters": 100, '
    '"lr_decay_style": "cosine", "warmup": 0.1,}',
    "ds.json": json.dumps(DEEPSPEED),
}


@pytest.mark.parametrize("name", STATED)
def test_a_file_that_states_its_length_needs_no_total(tmp_path, monkeypatch, name):
    """The updates of the run are those that the file says, unless others are told."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text(STATED[name])
    assert "99" in run("show", name).stdout
    assert "100" in run("convert", name, "--to", "torch").stdout


def test_epochs_of_a_file_and_updates_of_an_epoch_are_a_length(tmp_path):
    """Three epochs of 50 updates are 150; what is told counts more, and a note says so."""
    path = tmp_path / "card.yaml"
    path.write_text(TRAINER)
    assert "149" in run("show", str(path), "--epoch", "50").stdout
    shown = run("show", str(path), "--epoch", "50", "--epochs", "2", "--lr", "2e-4").stdout
    assert "99" in shown
    assert "epochs=2 was given" in shown
    assert "lr=0.0002 was given" in shown


def test_what_is_auto_can_be_set(tmp_path):
    """DeepSpeed's "auto" is told on the command line."""
    path = tmp_path / "ds.json"
    params = {"total_num_steps": "auto", "warmup_num_steps": "auto"}
    path.write_text(json.dumps({"scheduler": {"type": "WarmupDecayLR", "params": params}}))
    told = ("--total", "100", "--set", "warmup_num_steps=20")
    assert "20" in run("show", str(path), *told).stdout
    assert "--set" in run("show", str(path), "--total", "9", "--set", "warmup", code=2).stderr
    assert "give --set warmup_num_steps=…" in run("show", str(path), "--total", "9", code=2).stderr
    assert "write --total" in run("show", str(path), "--set", "total=9", code=2).stderr


@pytest.mark.parametrize(
    "name", ["a (copy).yaml", "lr=1e-4.yaml", "run [2].yaml", "a >> b", "name=Cosine(to=0.1)"]
)
def test_a_path_is_a_path_whatever_its_name(tmp_path, monkeypatch, name):
    """A file is not taken for a schedule, nor its name for a name=SPEC."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text(FILES["axolotl.yaml"] + "base_model: some/model\n")
    assert "read as Axolotl" in run("show", name, "--total", "50").stderr
    assert "read as Axolotl" in run("convert", name, "--to", "torch", "--total", "50").stderr


def test_a_format_can_be_named(tmp_path):
    """Where a file has little that tells its format the user says which."""
    path = tmp_path / "config.yaml"
    path.write_text("train_iters: 100\nlr: 1e-3\n")
    assert "--format" in run("show", str(path), code=2).stderr
    assert "GPT-NeoX" in run("show", str(path), "--format", "gpt_neox").stderr
