"""A ready task whose function raises or returns something wrong is one error that names it."""

from __future__ import annotations

import pickle
import re
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ratewise import ScheduleError
from ratewise.choose import Comparison, choose, compare, find
from ratewise.tasks.failures import FRAMES, TaskError, own_traceback, users_code
from tests.cli import failing

torch = pytest.importorskip("torch")
HERE = Path(__file__).name


def fails(*_: Any) -> Any:
    raise ZeroDivisionError("no luck")


def torch_task(**changes: Any) -> Any:
    from ratewise.choose import TorchTask

    parts: dict[str, Any] = {
        "model": lambda: torch.nn.Linear(3, 1),
        "optimizer": lambda model: torch.optim.SGD(model.parameters(), lr=0.1),
        "data": lambda seed: [torch.ones(4, 3)] * 3,
        "loss": lambda model, batch: model(batch).square().mean(),
        "metric": lambda model: model.weight.square().sum(),
    }
    return TorchTask(**(parts | changes))


def trained(task: Any) -> Comparison:
    return compare(task, {"a": "Hold()"}, total=4, peaks=[0.1])


def gone(*_: Any) -> Any:
    return torch.nn.Linear(3, 1).to("cuda:7")


def none(*_: Any) -> Any:
    return None


AT_ONCE = {
    # found when the task is first opened and measured: an error
    "model": (none, r"TorchTask\(model=…\) returned no model, got None: return a torch.nn.Module"),
    "optimizer": (none, r"TorchTask\(optimizer=…\) returned no optimizer, got None"),
    "data": (none, r"TorchTask\(data=…\) cannot be iterated, got None: return a loader"),
    "metric": (none, r"TorchTask\(metric=…\) returned None as 'metric': return a number"),
}
MORE = [
    ("model", gone, "Task TorchTask raised (AssertionError|RuntimeError|AcceleratorError)"),
    ("model", fails, r"Task TorchTask raised ZeroDivisionError \(no luck\): mend .*, in fails"),
    ("optimizer", fails, "raised ZeroDivisionError"),
    (
        "optimizer",
        lambda _: torch.optim.SGD([], lr=0.1),
        r"raised ValueError \(optimizer got an em",
    ),
    ("data", fails, "raised ZeroDivisionError"),
    ("data", lambda seed: [], r"TorchTask\(data=…\) gave no batch for seed 0"),
    ("metric", fails, "raised ZeroDivisionError"),
    ("metric", lambda model: "good", r"TorchTask\(metric=…\) returned 'good' as 'metric'"),
    ("metric", lambda model: (1.0, 2.0), "returned .* as 'metric'"),
    ("metric", lambda model: {"a": torch.ones(2)}, r"returned tensor\(\[1., 1.\]\) as 'a'"),
    ("metric", lambda model: {"a": 1j}, "returned 1j as 'a'"),
    ("metric", lambda model: {1: 0.5}, "gave the name 1 to a metric"),
    ("metric", lambda model: {}, "got no metric from the task"),
]


@pytest.mark.parametrize(
    ("name", "function", "said"), [*((n, *told) for n, told in AT_ONCE.items()), *MORE]
)
def test_what_cannot_be_opened_and_measured_is_an_error(
    name: str, function: Any, said: str
) -> None:
    """Before anything is trained; what the function raised is the cause."""
    with pytest.raises(ScheduleError, match=said) as caught:
        trained(torch_task(**{name: function}))
    if "raised" in said:
        assert isinstance(caught.value, TaskError)
        cause = caught.value.__cause__
        assert cause is not None
        assert f"raised {type(cause).__name__}" in str(caught.value)
        frames = re.findall(r'File "(.*)", line', caught.value.traceback)
        assert frames
        assert all(Path(one).name == HERE for one in frames)


LOSSES = [
    (fails, "raised ZeroDivisionError (no luck)"),
    (none, "TorchTask(loss=…) returned no tensor, got None"),
    (lambda model, batch: 0.5, "TorchTask(loss=…) returned no tensor, got 0.5"),
    (lambda model, batch: "low", "TorchTask(loss=…) returned no tensor, got 'low'"),
    (lambda model, batch: {"loss": model(batch).mean()}, "returned no tensor, got {'loss'"),
    (lambda model, batch: model(batch), "returned 4 numbers, of shape (4, 1)"),
    (lambda model, batch: model(batch).mean() * 1j, "returned complex numbers, of shape ()"),
    (lambda model, batch: model(batch).mean().detach(), "returned a loss without a gradient"),
    (lambda model, batch: model(batch[:, :2]), "raised RuntimeError (mat1 and mat2 shapes"),
]


@pytest.mark.parametrize(("loss", "said"), LOSSES)
def test_a_loss_that_is_none_is_the_error_of_its_run(loss: Any, said: str) -> None:
    """In the record, in a note, with the exception itself; a range test raises it."""
    result = trained(torch_task(loss=loss))
    (record,) = result.runs
    assert result.failures == (record,)
    assert said in str(record.failure)
    assert record.failure is not None
    assert record.failure.__cause__ is not None
    assert any(note.startswith("1 of 1 runs failed") and said in note for note in result.notes)
    assert "src/ratewise" not in (record.error or "")
    with pytest.raises(ScheduleError, match=re.escape(said)):
        find(torch_task(loss=loss), seeds=1)


def test_a_loss_that_is_infinite_is_divergence() -> None:
    """That is what rates do, and no failure of the task."""
    result = trained(torch_task(loss=lambda model, batch: model(batch).sum() * torch.inf))
    assert result.runs[0].diverged == 0
    assert result.failures == ()


def test_the_locals_of_a_run_that_failed_are_let_go() -> None:
    """A model that did not fit into memory does not stay there with its exception."""
    import gc
    import weakref

    held: list[Any] = []

    def hungry(model: Any, batch: Any) -> Any:
        rows = torch.ones(8)
        held.append(weakref.ref(rows))
        raise MemoryError("too large")

    result = trained(torch_task(loss=hungry))
    gc.collect()
    assert isinstance(getattr(result.runs[0].failure, "__cause__", None), MemoryError)
    assert held
    assert held[0]() is None


BROKEN = {
    # what is wrong, and which call notices it by an error whose cause is the exception
    "shut": "compare choose find",
    "measure": "compare choose",
    "train": "choose find",
    "later": "choose",
}
CALLS: dict[str, Any] = {
    "compare": lambda task: compare(task, {"a": "Hold()"}, total=20, peaks=[0.1]),
    "choose": lambda task: choose(task, total=20, peaks=[0.05, 0.1], budget=100, seeds=1),
    "find": lambda task: find(task, seeds=1, rungs=8),
}


@pytest.mark.parametrize(
    ("what", "name"), [(what, name) for what, names in BROKEN.items() for name in names.split()]
)
def test_the_cause_of_an_error_is_what_was_raised(what: str, name: str) -> None:
    """In Python, too, there is one kind of error; the exception is kept behind it."""
    with pytest.raises(TaskError, match="raised ZeroDivisionError") as caught:
        CALLS[name](getattr(failing, what))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    files = re.findall(r'^  File "(.*)", line', caught.value.traceback, re.MULTILINE)
    assert {Path(file).name for file in files} == {"failing.py"}


def test_a_comparison_in_which_everything_fails_can_be_told() -> None:
    """It is a comparison all the same, and says why nothing finished."""
    result = CALLS["compare"](failing.train)
    assert "No candidate finished" in str(result)
    assert "1 of 1 runs failed, the first as Task Fine raised ZeroDivisionError" in str(result)
    result = CALLS["compare"](failing.nan)
    assert "'loss' was nan at the end of 1 of 1 runs, though their losses are numbers" in str(
        result
    )
    assert result.failures == result.runs


# Other frameworks ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        (fails, r"Task LightningTask raised ZeroDivisionError \(no luck\): mend"),
        (none, r"LightningTask\(metric=…\) returned None as 'metric'"),
    ],
)
def test_a_metric_of_a_lightning_module(metric: Any, said: str) -> None:
    """As in a plain loop."""
    with pytest.raises(ScheduleError, match=said):
        trained(lightning_task(metric=metric))


def module_of(step: Any, optimizer: Any = None) -> Any:
    lightning = pytest.importorskip("lightning")

    class Net(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = torch.nn.Linear(3, 1)

        def training_step(self, batch: Any, index: int) -> Any:
            return step(self.net(batch))

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.1) if optimizer is None else optimizer()

    return Net()


def lightning_task(**changes: Any) -> Any:
    from ratewise.choose import LightningTask

    parts: dict[str, Any] = {
        "module": lambda: module_of(lambda out: out.square().mean()),
        "data": lambda seed: [torch.ones(4, 3)] * 3,
        "metric": lambda module: module.net.weight.square().sum(),
        "trainer": {"accelerator": "cpu"},
    }
    return LightningTask(**(parts | changes))


STEPS = [
    (fails, "raised ZeroDivisionError"),
    (none, "without a loss"),
    (lambda out: {}, "raised MisconfigurationException"),
    (lambda out: {"los": out.mean()}, "raised MisconfigurationException"),
    (lambda out: out, "raised RuntimeError (grad can be implicitly created only for scalar"),
    (lambda out: "low", "raised MisconfigurationException"),
    (lambda out: out.mean().detach(), "raised RuntimeError"),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("step", "said"), STEPS)
def test_a_training_step_that_returns_no_loss(step: Any, said: str) -> None:
    """In a comparison it is the error of the run, and in a range test of the module an error."""
    result = trained(lightning_task(module=lambda: module_of(step)))
    assert said in str(result.runs[0].failure)
    loader = torch.utils.data.DataLoader(torch.ones(12, 3), batch_size=4)
    with pytest.raises(ScheduleError, match=re.escape(said)):
        find(module_of(step), batches=loader, seeds=1)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("given", [{"optimizer": none}, {"module": none}, {"data": none}])
def test_what_a_lightning_task_is_made_of(given: Any) -> None:
    """A function that returns None is named."""
    (name,) = given
    with pytest.raises(ScheduleError, match=rf"LightningTask\({name}=…\)|configure_optimizers"):
        trained(lightning_task(**given))


def trainer_task(folder: Path, **changes: Any) -> Any:
    pytest.importorskip("transformers")
    from ratewise.choose import TrainerTask
    from tests.transformers.tiny import make, rows

    own = {name: changes.pop(name) for name in ("metric", "optimizer") if name in changes}
    options = {"data": rows(8), "eval_dataset": rows(4), **changes}
    return TrainerTask(lambda seed: make(folder, seed=seed, **options), **own)


def test_a_trainer_whose_metrics_raise(tmp_path: Path) -> None:
    """`compute_metrics`, a metric of one's own, and an optimizer that is none."""
    cases = {
        "compute_metrics": (fails, r"Task TrainerTask raised ZeroDivisionError \(no luck\)"),
        "metric": (none, r"TrainerTask\(metric=…\) returned None"),
        "optimizer": (none, r"TrainerTask\(optimizer=…\) returned no optimizer, got None"),
    }
    for name, (function, said) in cases.items():
        with pytest.raises(ScheduleError, match=said):
            trained(trainer_task(tmp_path, **{name: function}))
    with pytest.raises(ScheduleError, match=r"did you mean|known are"):
        compare(trainer_task(tmp_path), {"a": "Hold()"}, total=2, peaks=[0.1], metric="f1")


def keras_task(**changes: Any) -> Any:
    keras = pytest.importorskip("keras")
    from ratewise.choose import KerasTask

    def model() -> Any:
        made = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)])
        made.compile(keras.optimizers.SGD(0.1), "mse")
        return made

    rows = np.ones((4, 3), "float32"), np.ones((4, 1), "float32")
    parts: dict[str, Any] = {"model": model, "data": lambda seed: [rows], "metric": lambda m: 1.0}
    return KerasTask(**(parts | changes))


def test_a_keras_task_whose_functions_fail() -> None:
    """Each is named, and what it raised is the cause."""
    wide = np.ones((4, 5), "float32"), np.ones((4, 1), "float32")
    cases = [
        ("model", none, r"KerasTask\(model=…\) returned no Keras model, got None"),
        ("model", fails, "Task KerasTask raised ZeroDivisionError"),
        ("data", none, r"KerasTask\(data=…\) cannot be iterated, got None"),
        ("data", lambda seed: [], "gave no batch"),
        ("metric", none, r"KerasTask\(metric=…\) returned None as 'metric'"),
        ("metric", fails, "Task KerasTask raised ZeroDivisionError"),
        ("optimizer", none, r"KerasTask\(optimizer=…\)"),
    ]
    for name, function, said in cases:
        with pytest.raises(ScheduleError, match=said):
            trained(keras_task(**{name: function}))
    result = trained(keras_task(data=lambda seed: [wide]))
    assert result.runs[0].error is not None
    frames = re.findall(r'^  File "(.*)", line', result.runs[0].error, re.MULTILINE)
    assert all(Path(one).name == HERE for one in frames)


# The error itself ---------------------------------------------------------------------------


def test_an_error_of_a_task_survives_pickling_and_another_name() -> None:
    """With its traceback, which the command line shows."""
    with pytest.raises(TaskError) as caught, users_code("Task Mine"):
        fails()
    for error in (caught.value, pickle.loads(pickle.dumps(caught.value)), caught.value.about("it")):
        assert isinstance(error, TaskError)
        assert error.traceback == caught.value.traceback
    assert caught.value.traceback.splitlines()[0] == "Traceback (most recent call last):"
    assert caught.value.traceback.endswith("ZeroDivisionError: no luck\n")


@pytest.mark.parametrize("error", [KeyboardInterrupt, GeneratorExit])
def test_what_is_no_failure_passes(error: type[BaseException]) -> None:
    """Ctrl-C is not the task's; neither are errors of ours."""
    with pytest.raises(error), users_code("Task Mine"):
        raise error
    ours = ScheduleError("it", "is wrong", "mend it")
    with pytest.raises(ScheduleError) as caught, users_code("Task Mine"):
        raise ours
    assert caught.value is ours


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    "error",
    [Mute(), KeyError(), ValueError("x\n" * 500), ValueError("y" * 10_000), StopIteration()],
)
def test_whatever_is_raised_fits_into_a_line(error: Exception) -> None:
    """Long messages are cut, and an exception that cannot be written has a name all the same."""
    with pytest.raises(TaskError) as caught, users_code("Task Mine"):
        raise error
    assert len(str(caught.value)) < 500
    assert "\n" not in str(caught.value)
    assert len(caught.value.traceback.splitlines()) < 20


def test_a_deep_recursion_is_short() -> None:
    """The same line again and again is said once, and of many the middle is left out."""

    def even(n: int) -> int:
        return odd(n + 1)

    def odd(n: int) -> int:
        return even(n + 1)

    with pytest.raises(RecursionError) as caught:
        even(0)
    text = own_traceback(caught.value)
    assert text.count("File ") <= FRAMES
    assert len(traceback.format_exception(caught.value)) > 100
