"""Facts from a task, by looking at its real model, optimizer and data."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from ratewise.advise.from_task import infer
from ratewise.choose import Facts, TorchTask
from tests.choose.valley import Valley

torch = pytest.importorskip("torch")
ROOT = Path(__file__).parents[2]


def data(seed: int) -> Any:
    rows = torch.utils.data.TensorDataset(torch.randn(70, 8), torch.randn(70, 1))
    return torch.utils.data.DataLoader(rows, batch_size=7)


def task(model: Any, optimizer: Any) -> TorchTask:
    return TorchTask(model, optimizer, data, lambda model, batch: None, lambda model: 0.0)


def linear() -> Any:
    return torch.nn.Linear(8, 1)


@pytest.mark.parametrize(
    ("make", "name", "beta2"),
    [
        (lambda p: torch.optim.AdamW(p, lr=3e-4, betas=(0.9, 0.95)), "adamw", 0.95),
        (lambda p: torch.optim.Adam(p, lr=3e-4), "adam", 0.999),
        (lambda p: torch.optim.SGD(p, lr=3e-4, momentum=0.9), "sgd", None),
        (lambda p: torch.optim.Adagrad(p, lr=3e-4), "other", None),
    ],
    ids=["adamw", "adam", "sgd", "adagrad"],
)
def test_the_optimizer_tells_its_name_rate_and_beta(make: Any, name: str, beta2: Any) -> None:
    """All are words of `Facts`, and each comes with how it was read."""
    known, told = infer(task(linear, lambda model: make(model.parameters())))
    assert known["optimizer"] == name
    assert known["peak"] == 3e-4
    assert known.get("beta2") == beta2
    assert Facts(**known).optimizer == name
    assert len(told) == len(known)


def test_a_loader_tells_batch_and_samples() -> None:
    """Seven samples in a batch, of seventy."""
    known, _ = infer(task(linear, lambda model: torch.optim.SGD(model.parameters(), lr=0.1)))
    assert (known["batch"], known["examples"]) == (7, 70)


def test_convolutions_are_vision() -> None:
    """A network with a Conv2d looks at pictures."""
    made = task(
        lambda: torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3)),
        lambda model: torch.optim.SGD(model.parameters(), lr=0.1),
    )
    assert infer(made)[0]["kind"] == "vision"


def test_looking_disturbs_no_random_numbers() -> None:
    """The process draws afterwards what it would have drawn."""
    torch.manual_seed(3)
    wanted = torch.rand(4)
    torch.manual_seed(3)
    infer(task(linear, lambda model: torch.optim.SGD(model.parameters(), lr=0.1)))
    assert torch.equal(torch.rand(4), wanted)


def test_adapters_are_a_fine_tune_with_lora() -> None:
    """PEFT's names of parameters tell the method; the config of the body tells an encoder."""
    pytest.importorskip("peft")
    sys.path.insert(0, str(ROOT / "benchmarks" / "grids"))
    try:
        from tasks import SUBJECTS  # type: ignore[import-not-found]

        known, _ = infer(SUBJECTS["lora"]().task)
    finally:
        sys.path.remove(str(ROOT / "benchmarks" / "grids"))
    assert known["method"] == "lora"
    assert known["task"] == "fine-tuning"
    assert known["kind"] == "encoder"


def test_a_trainer_tells_batch_and_kind(tmp_path: Path) -> None:
    """Samples of an update are those of all its batches."""
    pytest.importorskip("transformers")
    from tests.tasks.trainers import task_of  # the tiny trainers of the tests of TrainerTask
    from tests.transformers.tiny import rows

    known, _ = infer(
        task_of(
            tmp_path,
            data=rows(22),
            gradient_accumulation_steps=3,
            per_device_train_batch_size=2,
        )
    )
    assert known["batch"] == 6
    assert known["examples"] == 22
    assert known["optimizer"] == "adamw"


def test_a_keras_model_tells_its_optimizer() -> None:
    """The class of the compiled optimizer, and pictures by its layers."""
    keras = pytest.importorskip("keras")
    from ratewise.choose import KerasTask

    def model() -> Any:
        made = keras.Sequential(
            [keras.layers.Input((8, 8, 1)), keras.layers.Conv2D(2, 3), keras.layers.Flatten()]
        )
        made.compile(optimizer=keras.optimizers.Adam(1e-3, beta_2=0.98), loss="mse")
        return made

    known, _ = infer(KerasTask(model, lambda seed: [], lambda model: {"loss": 0.0}))
    assert known["optimizer"] == "adam"
    assert known["beta2"] == pytest.approx(0.98)
    assert known["kind"] == "vision"


def test_of_a_task_of_ones_own_only_the_rate_is_known() -> None:
    """Nothing is guessed."""
    assert infer(Valley())[0] == {"peak": 0.1}
    assert infer(Valley(peak=None)) == ({}, [])
