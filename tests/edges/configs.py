"""Configs: who claims them, and what they and their reader are told."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from ratewise.convert.reading import read_source
from tests.cli.typed import error_of, run
from tests.convert.public.cases import HERE
from tests.edges.rows import edge, refused

CLAIM, TOLD = "a config and its reader", "what a run is, arrives"


def reading(source: Any, name: str, lr: str, peak: float, total: int | None, **facts: Any) -> str:
    """Require what is read of a source, and return it as a text."""
    found = read_source(source, **facts)
    assert found.format.name == name
    assert repr(found.plan.lr) == lr
    assert abs(found.plan.peak["lr"] - peak) < 1e-12
    assert found.total == total
    length = "" if total is None else f", {total:,} updates"
    return f"{name}: `{lr}` at {peak:g}{length}"


@edge(CLAIM, "nanoGPT's `train_gpt2.py`, which names no warm-up")
def nanogpt() -> str:
    found = read_source(HERE / "nanogpt_train_gpt2.py")
    rates = found.plan.rates(600_000)
    assert found.format.name == "nanogpt"
    assert [rates.argmax(), round(rates.max(), 12)] == [2000, 6e-4]
    assert abs(rates[-1] - 6e-5) < 1e-9
    return "nanogpt: its own 2,000 updates of warm-up, then a cosine to a tenth"


@edge(CLAIM, "GPT-NeoX: JSON with comments, `warmup: 0.01`, the rate under `optimizer`")
def neox() -> str:
    text = """{ # a comment
      "optimizer": {"type": "Adam", "params": {"lr": 0.0006}}, "train_iters": 1000,
      "lr_decay_iters": 1000, "lr_decay_style": "cosine", "min_lr": 0.00006, "warmup": 0.01,
    }"""
    found = read_source(text)
    rates = found.plan.rates(1000)
    assert (found.format.name, found.total) == ("gpt_neox", 1000)
    assert 8 <= rates.argmax() <= 11
    assert rates.max() == 6e-4
    return "gpt_neox: 10 updates of warm-up to 0.0006, a cosine, 1,000 updates"


@edge(CLAIM, "Megatron's `--decoupled-lr`, a rate for some of the weights")
def decoupled() -> str:
    flags = "--lr 1e-3 --train-iters 100 --lr-decay-style cosine --lr-warmup-iters 10"
    return refused(lambda: read_source(f"{flags} --decoupled-lr 1e-4"), "--decoupled-lr")


CARD = "learning_rate: 5e-05\nlr_scheduler_type: linear\nnum_epochs: 3\n"


@edge(CLAIM, "a model card with `lr_scheduler_warmup_ratio`")
def card_with_ratio() -> str:
    lr = "Warmup(30, start=0) >> Linear(to=0, over=270, start=1)"
    source = f"{CARD}lr_scheduler_warmup_ratio: 0.1\n"
    found = read_source(source, epoch=100)
    assert found.plan.rates(300).argmax() == 30
    return f"transformers: 30 of 300 updates of warm-up ({lr[:22]}…)"


@edge(CLAIM, "a model card with `lr_scheduler_warmup_steps`")
def card_with_steps() -> str:
    found = read_source(f"{CARD}lr_scheduler_warmup_steps: 20\n", epoch=100)
    assert found.plan.rates(300).argmax() == 20
    return "transformers: 20 of 300 updates of warm-up"


@edge(CLAIM, "the Trainer's arguments beside `min_learning_rate`, which nobody reads")
def unread() -> str:
    keys = {"learning_rate": 1e-4, "lr_scheduler_type": "cosine", "max_steps": 100}
    return refused(lambda: read_source({**keys, "min_learning_rate": 1e-5}), "min_learning_rate")


@edge(CLAIM, "`learning_rate`, `lr_scheduler`, `max_train_steps`: of diffusers, not of Axolotl")
def diffusers() -> str:
    keys = {"learning_rate": 1e-4, "lr_scheduler": "cosine", "max_train_steps": 1600}
    assert "lr_warmup_steps is not given" in read_source(keys).plan.notes[0]
    return reading(keys, "diffusers", "Cosine(to=0)", 1e-4, 1600)


@edge(CLAIM, "`learning_rate` and `lr_scheduler` alone, which several projects write")
def several() -> str:
    keys = {"learning_rate": 1e-4, "lr_scheduler": "cosine"}
    return refused(lambda: read_source(keys), "format=")


@edge(CLAIM, "`${model.encoder.d_model}` in a config of NeMo")
def reference() -> str:
    text = """
model:
  encoder: {d_model: 256}
  optim: {lr: 5.0, sched: {name: NoamAnnealing, d_model: "${model.encoder.d_model}",
                           warmup_steps: 100, min_lr: 1e-6}}
"""
    peak = read_source(text, total=500).plan.rates(500).max()
    assert abs(peak - 5.0 * (256 * 100) ** -0.5) < 1e-12
    return f"nemo: the peak is 5/√(256·100) = {peak:g}"


@edge(CLAIM, "MMEngine in Python: `T_max=max_epochs // 2`, `base_lr * 0.05`")
def arithmetic() -> str:
    text = """
max_epochs, base_lr = 10, 0.004
train_cfg = dict(max_epochs=max_epochs)
optim_wrapper = dict(optimizer=dict(type="AdamW", lr=base_lr))
param_scheduler = [dict(type="CosineAnnealingLR", eta_min=base_lr * 0.05, begin=max_epochs // 2,
    end=max_epochs, T_max=max_epochs // 2, by_epoch=True, convert_to_iter_based=True)]
"""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.py"
        path.write_text(text, encoding="utf-8")
        rates = read_source(path, epoch=20).plan.rates(200)
    assert rates[:100].tolist() == [0.004] * 100
    assert 0.0002 <= rates[-1] < 0.00021
    return "mmengine: 5 epochs at 0.004, then a cosine to 0.0002"


@edge(CLAIM, "a DeepSpeed config whose values are `auto`")
def auto() -> str:
    params = '{"warmup_min_lr": "auto", "warmup_max_lr": "auto", "warmup_num_steps": "auto"}'
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ds.json"
        path.write_text(f'{{"scheduler": {{"type": "WarmupLR", "params": {params}}}}}')
        words = ["show", str(path), "--lr", "1e-4", "--total", "90"]
        told = error_of(*words)
        assert told.endswith("give --set warmup_num_steps=….")
        assert run(*words, "--set", "warmup_num_steps=50").exit_code == 0
    return f"refused: {told.partition('ds.json')[2].lstrip(': ') or told}"


@edge(CLAIM, "`trainer_state.json`, which is a log")
def log() -> str:
    return refused(lambda: read_source({"log_history": [], "max_steps": 3}), "log of a run")


FLAGS = "--lr 1e-3 --train-iters 100 --lr-decay-style linear --lr-warmup-iters 10"


@edge(TOLD, "a file that states its length, and no `--total`")
def stated() -> str:
    assert read_source(FLAGS).total == 100
    return "read: 100 updates"


@edge(TOLD, "`ratewise show FILE --lr 2e-4` on a file with another rate")
def told_rate() -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.sh"
        path.write_text(FLAGS)
        shown = run("show", str(path), "--lr", "2e-4")
    assert shown.exit_code == 0
    assert "lr=0.0002 was given" in shown.stdout
    return "drawn at 2e-4, with a note that the file says 0.001"


@edge(TOLD, "a path with a space, a bracket and `=` in it")
def odd_path() -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "my (run) lr=3.yaml"
        path.write_text(CARD)
        shown = run("show", str(path), "--epoch", "10")
    assert shown.exit_code == 0, shown.stderr
    return "a path: read as the file that it is"


@edge(TOLD, "a length that is needed and not told, on the command line")
def asked() -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "card.yaml"
        path.write_text(CARD)
        told = error_of("show", str(path))
    assert "give --total N" in told
    return f"refused: {told}"
