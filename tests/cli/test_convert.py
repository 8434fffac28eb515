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
