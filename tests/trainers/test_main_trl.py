"""TRL's trainers, as their own scripts make them, at a tiny size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")
pytest.importorskip("datasets")

import ratewise as rw  # noqa: E402
from ratewise.torch import Scheduler  # noqa: E402
from ratewise.transformers import attach  # noqa: E402
from tests.trainers.ledger import elsewhere, held  # noqa: E402
from tests.trainers.tiny import LR, PLAN, Recorder, killed, rates, used  # noqa: E402
from tests.trainers.tiny_lm import save_model, texts, without_broken  # noqa: E402

without_broken("trackio")

TOTAL = 6
LISTENING = rw.Warmup(2) >> rw.Plateau(metric="eval_loss", patience=0, factor=0.5, threshold=0.9)
pytestmark = pytest.mark.filterwarnings("ignore")


def data(n: int, ready: bool = False) -> Any:
    """Lines of text, or what the trainer makes of them before it trains."""
    from datasets import Dataset

    if ready:
        return Dataset.from_list([{"input_ids": [3, 4 + i % 5, 6, 1]} for i in range(n)])
    return Dataset.from_list([{"text": f"{row['prompt']} {row['chosen']}"} for row in texts(n)])


def sft(folder: Path, ready: bool = False, **options: Any) -> Any:
    """A trainer as `trl sft` makes it."""
    from trl import SFTConfig, SFTTrainer

    place = folder / "model"
    standard: dict[str, Any] = {
        "output_dir": str(folder / "out"), "learning_rate": LR, "max_steps": TOTAL,
        "per_device_train_batch_size": 2, "max_length": 16, "report_to": [], "use_cpu": True,
        "bf16": False, "disable_tqdm": True, "logging_steps": 1, "save_strategy": "no",
    }  # fmt: skip
    if ready:
        standard["dataset_kwargs"] = {"skip_prepare_dataset": True}
    return SFTTrainer(
        model=str(place) if place.exists() else save_model(folder),
        args=SFTConfig(**{**standard, **options}),
        train_dataset=data(12, ready),
        eval_dataset=data(2, ready),
    )


def run(trainer: Any, plan: Any, **options: Any) -> list[float]:
    """Train; return the rates that each update used, by a hook of the test."""
    made = Recorder(trainer.model.parameters(), lr=LR)
    trainer.optimizer = made
    attach(trainer, plan)
    trainer.train(**options)
    return used(made)


@held("TRL", "rates exact")
@held("TRL", "log right")
def test_sft_uses_and_logs_the_rates(tmp_path: Path) -> None:
    """With accumulation; what stands beside update k in the log is the rate of update k."""
    trainer = sft(tmp_path, gradient_accumulation_steps=2)
    found = run(trainer, PLAN)
    assert found == rates(TOTAL)
    logged = {e["step"]: e["learning_rate"] for e in trainer.state.log_history if "loss" in e}
    assert [logged[step] for step in range(1, TOTAL + 1)] == found


def test_dpo_uses_the_rates(tmp_path: Path) -> None:
    """Preferences, with a reference model beside."""
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    args = DPOConfig(
        output_dir=str(tmp_path / "out"), learning_rate=LR, max_steps=TOTAL, report_to=[],
        per_device_train_batch_size=2, use_cpu=True, bf16=False, disable_tqdm=True,
        save_strategy="no",
    )  # fmt: skip
    pairs = Dataset.from_list([dict(row) for row in texts(12)])
    trainer = DPOTrainer(model=save_model(tmp_path), args=args, train_dataset=pairs)
    assert run(trainer, PLAN) == rates(TOTAL)


@held("TRL", "metric heard")
def test_sft_is_heard(tmp_path: Path) -> None:
    """A plateau hears `eval_loss`: no evaluation is better by nine tenths, so each halves."""
    trainer = sft(tmp_path, eval_strategy="steps", eval_steps=1)
    found = run(trainer, LISTENING)
    np.testing.assert_allclose(found, LR * np.array([1 / 3, 2 / 3, 1, 1 / 2, 1 / 4, 1 / 8]))
    replay = Scheduler.of(trainer.optimizer.optimizer).replay()
    assert replay.lr is not None
    assert found == (LR * replay.lr.resolve(TOTAL).values()).tolist()


@held("TRL", "resume by our state")
@held("TRL", "killed and resumed")
def test_sft_killed_and_resumed(tmp_path: Path) -> None:
    """Killed behind an update that no checkpoint has, it goes on from the last one."""
    from transformers import TrainerCallback

    torch.set_num_threads(1)
    at, wrote = 4, tmp_path / "used.json"
    options = {"save_strategy": "steps", "save_steps": 3}

    class Dies(TrainerCallback):
        def __init__(self, die: Any) -> None:
            self.die = die

        def on_step_end(self, args: Any, state: Any, control: Any, **parts: Any) -> None:
            if state.global_step == at:
                made = getattr(parts["optimizer"], "optimizer", parts["optimizer"])
                wrote.write_text(json.dumps(used(made)))
                self.die()

    def first(die: Any) -> None:
        trainer = sft(tmp_path, **options)
        trainer.add_callback(Dies(die))
        run(trainer, PLAN)

    killed(first)
    assert json.loads(wrote.read_text()) == rates(TOTAL)[:at]
    rest = run(sft(tmp_path, **options), PLAN, resume_from_checkpoint=True)
    assert rest == rates(TOTAL)[3:]


elsewhere(
    "TRL",
    "YAML",
    "tests/launch/test_scripts.py::test_trl_sft_as_it_is_typed",
    "by `ratewise run --schedule FILE -- trl sft --config FILE`, nothing changed",
)
