"""What programs print while they train is read: names and numbers, among lines of other things."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ratewise.audit import recorded
from ratewise.logs import read_curves
from ratewise.logs.rates import RateSource
from ratewise.logs.reading import read_logs
from ratewise.schedule import ScheduleError

N = 24
STEPS = np.arange(10, 10 * N + 1, 10)
LOSSES = np.round(2 + 1 / (STEPS / 10), 5)
RATES = 1e-3 * (1 - (STEPS - 10) / 500)
ROWS = list(zip(STEPS.tolist(), LOSSES.tolist(), RATES.tolist(), strict=True))


def trainer(quote: str = "") -> str:
    """A Trainer with bars that overwrite each other, evaluations with a bar of their own."""
    text = "Some weights were newly initialized\n  0%|          | 0/500 [00:00<?, ?it/s]"
    for step, loss, rate in ROWS:
        text += f"\r {step // 5}%|█▏        | {step}/500 [02:50<15:58,  2.43s/it]\n"
        text += f"{{'loss': {quote}{loss}{quote}, 'grad_norm': {quote}1.5{quote}, "
        text += f"'learning_rate': {quote}{rate}{quote}, 'epoch': {quote}{step / 100}{quote}}}\n"
        if step % 60 == 0:
            text += "\r 50%|█████     | 3/6 [00:01<00:01, 3.00it/s]\n"
            text += f"{{'eval_loss': {loss + 0.5}, 'epoch': {step / 100}}}\n"
    return text + "{'train_runtime': 9.5, 'train_loss': 2.2, 'epoch': 2.4}\n"


def each(line: str, before: str = "", **more: Callable[[int], Any]) -> str:
    """A line for each row, with what else is in it by the number of the row."""
    made = [
        line.format(step=step, loss=loss, rate=rate, **{name: of(i) for name, of in more.items()})
        for i, (step, loss, rate) in enumerate(ROWS)
    ]
    return before + "".join(made)


PRINTED = {
    "a Trainer": trainer(),
    "a newer Trainer, whose numbers are texts": trainer("'"),
    "Megatron": each(
        " [2026-01-02 03:04:05] iteration {step:8d}/     500 | consumed samples: {step} | elapsed "
        "time per iteration (ms): 438.3 | learning rate: {rate:.10E} | global batch size:    32 | "
        "lm loss: {loss:E} | loss scale: 1.0 | grad norm: 1.095 |\n",
        "using world size: 8\n",
    ),
    "fairseq": each(
        "2026-01-02 03:04:05 | INFO | train_inner | epoch 001:   {step} / 900 loss={loss}, "
        "ppl=20.1, wps=1000, num_updates={step}, lr={rate}, gnorm=1.2\n"
    ),
    "OpenMMLab": each(
        "2026/01/02 03:04:05 - mmengine - INFO - Epoch(train)  [{epoch}][{batch:4d}/100]  lr: "
        "{rate:.10e}  eta: 0:10:00  time: 0.3  loss: {loss}  loss_cls: 0.1\n",
        epoch=lambda i: (10 * i + 9) // 100 + 1,
        batch=lambda i: (10 * i + 9) % 100 + 1,
    ),
    "DeepSpeed": each(
        "[2026-01-02 03:04:05,554] [INFO] [logging.py:96:log_dist] [Rank 0] step={step}, "
        "skipped=0, lr=[{rate}, {rate}], mom=[(0.9, 0.95)]\nstep: {step} loss: {loss}\n"
    ),
    "anybody": each("INFO step {step} | Loss: {loss}, LR {rate} | aux loss 7.5 | 5.1 s\nsaved\n"),
    "JSON among other lines": each(
        '{{"step": {step}, "loss": {loss}, "lr": {rate}}}\nsaved\n', "a word before\n"
    ),
}


@pytest.mark.parametrize("name", PRINTED)
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_every_row_is_read(name: str, ends: str, tmp_path: Path) -> None:
    """Losses and rates beside the right updates, and the plan where it is printed."""
    path = tmp_path / "train.log"
    path.write_bytes(PRINTED[name].replace("\n", ends).encode())
    (curve,) = read_curves(path, loss="lm loss" if name == "Megatron" else "loss")
    assert np.asarray(curve.steps).tolist() == STEPS.tolist()
    assert np.allclose(curve.losses, LOSSES, rtol=1e-6)
    assert np.allclose(curve.rates, RATES, rtol=1e-9)
    assert curve.planned == (500 if "Trainer" in name or name == "Megatron" else None)
    assert np.allclose(recorded(path).rates[:, 0], RATES, rtol=1e-9)


def test_an_evaluation_is_of_the_update_before_it(tmp_path: Path) -> None:
    """The bar that counts its batches counts no updates."""
    path = tmp_path / "train.out"
    path.write_text(trainer())
    (curve,) = read_curves(path, loss="loss")
    assert [at for at, _ in curve.evaluations] == [60, 120, 180, 240]
    assert curve.epoch == 100


def test_a_text_of_powershell_is_read(tmp_path: Path) -> None:
    """It writes UTF-16 with a mark in front."""
    path = tmp_path / "train.txt"
    path.write_bytes(PRINTED["anybody"].encode("utf-16"))
    (curve,) = read_curves(path)
    assert np.allclose(curve.losses, LOSSES)


def test_epochs_count_updates_if_one_says_how_many(tmp_path: Path) -> None:
    """Keras prints the epoch a line before, and its bar many times; the last of them counts."""
    text = "".join(
        f"Epoch {i + 1}/{N}\n 50/100 ━━━━ 2s 50ms/step - loss: 9.9\r"
        f"100/100 ━━━━ 5s 50ms/step - loss: {loss} - learning_rate: {rate}\n"
        for i, (_, loss, rate) in enumerate(ROWS)
    )
    path = tmp_path / "out.log"
    path.write_text(text)
    with pytest.raises(ScheduleError, match=r"no column of updates but Epoch.*epoch=…"):
        read_curves(path)
    (curve,) = read_curves(path, epoch=100)
    assert np.asarray(curve.steps).tolist() == (10 * STEPS).tolist()
    assert np.allclose(curve.losses, LOSSES)


def test_settings_are_no_rows_and_a_record_may_have_several_lines(tmp_path: Path) -> None:
    """A rate among the arguments of a run counts nothing; the epoch holds until the next."""
    text = "use_cache: True\nmax_len: 128\nlearning_rate=0.5\nlr: 0.5\nlayers: 12\n"
    text += "".join(
        f"Epoch: {i + 1}/{N}\nTime: 35.1s - LR: {rate}\nTrain Loss: {loss} - Perplexity: 9\n"
        for i, (_, loss, rate) in enumerate(ROWS)
    )
    path = tmp_path / "run.log"
    path.write_text(text)
    (curve,) = read_curves(path, epoch=10)
    assert np.asarray(curve.steps).tolist() == STEPS.tolist()
    assert np.allclose(curve.losses, LOSSES)
    assert np.allclose(curve.rates, RATES)


def test_epochs_with_parts_begin_at_none(tmp_path: Path) -> None:
    """Those of a Trainer without bars: .1 is a tenth of an epoch, and not one and a tenth."""
    path = tmp_path / "run.log"
    path.write_text(
        "".join(f"{{'loss': {x}, 'learning_rate': {r}, 'epoch': {s / 100}}}\n" for s, x, r in ROWS)
    )
    (curve,) = read_curves(path, epoch=100)
    assert np.asarray(curve.steps).tolist() == STEPS.tolist()
    assert recorded(path, epoch=100).steps.tolist() == STEPS.tolist()


def test_a_text_without_losses_says_so(tmp_path: Path) -> None:
    path = tmp_path / "nohup.out"
    path.write_text("nohup: ignoring input\nINFO  2026-01-02 loading the model\nport: 8080\n")
    with pytest.raises(ScheduleError, match="no line of it says a loss or a learning rate"):
        read_curves(path)


def test_without_a_rate_it_takes_a_schedule(tmp_path: Path) -> None:
    """As nanoGPT prints: the loss of update 0 is left out, since nothing was made before it."""
    path = tmp_path / "train.log"
    path.write_text("".join(f"iter {s - 10}: loss {x:.4f}, time 50.1ms\n" for s, x, _ in ROWS))
    (curve,) = read_logs(path, rates=RateSource(schedule="Hold()", lr=1e-3)).curves
    assert np.asarray(curve.steps).tolist() == STEPS[:-1].tolist()


# Rows of trainers ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "row",
    [
        lambda s, x, r: {"current_steps": s, "total_steps": 500, "loss": x, "lr": r,
                         "eval_loss": None, "percentage": 3.1, "elapsed_time": "0:00:19"},
        lambda s, x, r: {"loss": x, "learning_rate": r, "global_step/max_steps": f"{s}/500"},
        lambda s, x, r: {"step": f"{s}/500", "total_loss": x, "lr": f"{r}", "loss_cls": 0.1},
    ],
    ids=["LLaMA-Factory", "ms-swift", "texts"],
)  # fmt: skip
def test_counters_and_their_totals(row: Any, tmp_path: Path) -> None:
    """A count of updates with how many are planned, in a column of its own or behind a stroke."""
    path = tmp_path / "trainer_log.jsonl"
    path.write_text("".join(json.dumps(row(*one)) + "\n" for one in ROWS))
    (curve,) = read_curves(path)
    assert np.asarray(curve.steps).tolist() == STEPS.tolist()
    assert np.allclose(curve.losses, LOSSES)
    assert curve.planned == 500
    assert recorded(path).total == 500


def test_lines_of_a_run_that_was_killed_are_left_out(tmp_path: Path) -> None:
    """It was killed while it wrote, and went on behind: what is no JSON is said, the rest read."""
    lines = [json.dumps({"step": s, "loss": x, "lr": r}) for s, x, r in ROWS]
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join([*lines[:12], lines[12][:20] + "Traceback", *lines[9:], "done"]))
    read = read_logs(path)
    assert np.asarray(read.curves[0].steps).tolist() == STEPS.tolist()
    assert any("2 lines are no JSON and left out, line 13 the first" in one for one in read.notes)


def test_the_parts_of_a_detector_are_summed(tmp_path: Path) -> None:
    """Its CSV counts epochs and has the loss in parts; their sum is named as what it is."""
    head = "  epoch, time, train/box_loss, train/cls_loss, val/box_loss, val/cls_loss, lr/pg0\n"
    rows = [f"{i + 1}, 5, {x}, 1, {x}, 0.5, {r}\n" for i, (_, x, r) in enumerate(ROWS)]
    path = tmp_path / "results.csv"
    path.write_text(head + "".join(rows))
    with pytest.raises(ScheduleError, match="say how many updates an epoch has"):
        read_curves(path)
    read = read_logs(path, epoch=10)
    assert read.loss == ("val/box_loss + val/cls_loss",)
    (curve,) = read.curves
    assert np.asarray(curve.steps).tolist() == STEPS.tolist()
    assert np.allclose(curve.losses, LOSSES + 0.5)
    assert curve.validation
    headless = tmp_path / "results.txt"
    headless.write_text(
        "".join(f"{i}/30 7.8G 0.1 0.2 0.3 {x} 30 640\n" for i, x in enumerate(LOSSES))
    )
    with pytest.raises(ScheduleError, match="and no header"):
        read_curves(headless)
