"""Composer: its Trainer, LRMonitor and checkpoints, where it is installed.

It asks for torchvision and for its own command line when it is imported; where they are not, it is
told of empty ones, and trains without them.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
import warnings
from typing import Any

import pytest
import torch

if importlib.util.find_spec("composer") is None:
    pytest.skip("composer is not installed", allow_module_level=True)


def absent(name: str) -> types.ModuleType:
    """A module that has every class that it is asked for, with nothing in it."""
    module = types.ModuleType(name)
    module.__spec__ = importlib.util.spec_from_loader(name, None)
    module.__path__ = []  # it may have modules of its own

    def attribute(wanted: str) -> type:
        if wanted.startswith("__"):
            raise AttributeError(wanted)
        return type(wanted, (), {})

    module.__getattr__ = attribute
    return module


MISSED = ("torchvision", "torchvision.datasets", "torchvision.models", "torchvision.models.resnet")
MISSED += ("torchvision.ops", "torchvision.transforms", "torchvision.transforms.functional")
MISSED += ("torchvision.utils", "mcli")

import torchmetrics  # noqa: E402  (it looks for torchvision too, and is to know that there is none)

told = [name for name in MISSED if importlib.util.find_spec(name.partition(".")[0]) is None]
sys.modules.update({name: absent(name) for name in told})
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    importlib.import_module("composer.algorithms")  # its engine asks for it at the first event
    from composer import Trainer
    from composer.callbacks import LRMonitor
    from composer.core import Callback, TimeUnit
    from composer.loggers import InMemoryLogger
    from composer.models import ComposerModel
for name in told:
    sys.modules.pop(name)

import ratewise as rw  # noqa: E402
from ratewise.composer import ComposerCallback  # noqa: E402
from ratewise.torch import Scheduler  # noqa: E402
from tests.trainers.ledger import held  # noqa: E402
from tests.trainers.tiny import (  # noqa: E402
    BATCHES,
    EPOCHS,
    LISTENING,
    LR,
    PLAN,
    TEXT,
    TOTAL,
    Recorder,
    copied,
    example,
    killed,
    line,
    loader,
    native,
    planned,
    rates,
    used,
)

SHORT = 6
"""Updates of a run that is resumed at each of them."""

pytestmark = pytest.mark.filterwarnings("ignore")


class Line(ComposerModel):
    """A line; evaluation measures val_loss."""

    def __init__(self) -> None:
        super().__init__()
        self.line = line()

    def forward(self, batch: Any) -> Any:
        return self.line(batch[0])

    def loss(self, outputs: Any, batch: Any) -> Any:
        return (outputs - batch[1]).square().mean()

    def get_metrics(self, is_train: bool = False) -> dict[str, Any]:
        return {} if is_train else {"val_loss": torchmetrics.MeanMetric()}

    def update_metric(self, batch: Any, outputs: Any, metric: Any) -> None:
        metric.update(self.loss(outputs, batch))


class Heard(Callback):
    """Keeps what was evaluated, and ends a run early."""

    def __init__(self, at: int = 0, then: Any = None) -> None:
        self.losses: list[float] = []
        self.at, self.then = at, then

    def eval_end(self, state: Any, logger: Any) -> None:
        self.losses.append(float(state.eval_metric_values["val_loss"]))

    def batch_end(self, state: Any, logger: Any) -> None:
        if int(state.timestamp.batch) == self.at:
            self.then(state)


def trainer_of(*callbacks: Any, **options: Any) -> Trainer:
    given = {"max_duration": f"{EPOCHS}ep", "progress_bar": False, "device": "cpu"}
    model = options.setdefault("model", Line())
    options.setdefault("optimizers", Recorder(model.parameters(), lr=LR))
    more = {**given, **options, "callbacks": list(callbacks)}
    return Trainer(train_dataloader=loader(), **more)


def fit(*callbacks: Any, **options: Any) -> Trainer:
    trainer = trainer_of(*callbacks, **options)
    trainer.fit()
    return trainer


def optimizer(trainer: Trainer) -> Recorder:
    return trainer.state.optimizers[0]


def of(trainer: Trainer) -> list[float]:
    """The rates of the updates; loading takes a step at rate 0, to make the optimizer's state."""
    return [rate for rate in used(optimizer(trainer)) if rate]


def theirs(*callbacks: Any, **options: Any) -> Trainer:
    """A run with PyTorch's own scheduler of the same levels, stepped with each batch."""
    model = Line()
    one = Recorder(model.parameters(), lr=LR)
    more = {"schedulers": [native(one)], "step_schedulers_every_batch": True, **options}
    return fit(*callbacks, model=model, optimizers=one, **more)


@held("Composer", "rates exact", "0.32.1, whose own requirements ask for an older PyTorch")
def test_every_update_has_its_rate() -> None:
    """As with a scheduler of PyTorch; in a run of batches, and with our Scheduler in a list."""
    ours = fit(ComposerCallback(PLAN), device_train_microbatch_size=1)
    assert of(ours) == of(theirs()) == rates()
    assert of(fit(ComposerCallback(PLAN), max_duration=f"{TOTAL}ba")) == rates()
    model = Line()
    one = Recorder(model.parameters(), lr=LR)
    listed = [Scheduler(one, PLAN, total=TOTAL)]
    assert of(fit(model=model, optimizers=one, schedulers=listed)) == rates()


@held("Composer", "log right", "beside its own schedulers LRMonitor writes the next one")
def test_the_monitor_has_the_rate_of_the_update() -> None:
    """`LRMonitor`, in the logger of the trainer."""
    logger = InMemoryLogger()
    fit(LRMonitor(), ComposerCallback(PLAN), loggers=logger)
    assert written(logger) == rates()
    logger = InMemoryLogger()
    theirs(LRMonitor(), loggers=logger)
    assert written(logger)[:-1] == rates()[1:]


def written(logger: Any) -> list[float]:
    return [float(value) for _, value in logger.data["lr-Recorder/group0"]]


@held("Composer", "optimizer alone, loaded first")
@held("Composer", "optimizer alone, loaded behind")
def test_the_optimizer_alone_resumes_at_every_update(tmp_path: Any) -> None:
    """Its state, loaded before the trainer is made, or when it is; and the trainer's checkpoint.

    Of the checkpoint `load_ignore_keys` leaves our state out.
    """
    short, states = {"max_duration": f"{SHORT}ba"}, list[Any]()
    saving = {"save_folder": str(tmp_path), "save_interval": "1ba", "save_filename": "{batch}.pt"}
    each = Each(lambda state: states.append(copied(state.optimizers[0].state_dict())))
    fit(ComposerCallback(PLAN), each, **short, **saving)
    for at in range(1, SHORT):
        state = states[at - 1]
        model = Line()
        one = Recorder(model.parameters(), lr=LR)
        one.load_state_dict(copied(state))
        first = fit(ComposerCallback(PLAN), model=model, optimizers=one, **short)
        late = trainer_of(ComposerCallback(PLAN), **short)
        optimizer(late).load_state_dict(copied(state))
        late.fit()
        for trainer in (first, late):
            assert of(trainer)[: SHORT - at] == rates(SHORT)[at:], at
        path = str(tmp_path / f"{at}.pt")
        without = {"load_path": path, "load_ignore_keys": ["state/schedulers"], **short}
        assert of(fit(ComposerCallback(PLAN), **without)) == rates(SHORT)[at:], at


class Plain(torch.optim.SGD):
    """Without moments, so that its state does not tell of any update."""

    def step(self, closure: Any = None) -> Any:
        self.__dict__.setdefault("used", []).append(float(self.param_groups[0]["lr"]))
        return super().step(closure)


@pytest.mark.parametrize("kind", [Plain, Recorder])
def test_a_run_that_began_without_us_is_gone_on_with(kind: Any, tmp_path: Any) -> None:
    """With a scheduler of PyTorch, or none: the trainer counts the updates, unless we are told."""
    saving = {"save_folder": str(tmp_path), "save_interval": "1ba", "save_filename": "{batch}.pt"}
    given: dict[str, Any] = {"max_duration": f"{SHORT}ba", "load_path": str(tmp_path / "3.pt")}

    def run(*callbacks: Any, own: bool = False, **more: Any) -> Any:
        model = Line()
        one = kind(model.parameters(), lr=LR)
        theirs = {"schedulers": [native(one)], "step_schedulers_every_batch": True}
        return fit(*callbacks, model=model, optimizers=one, **(theirs if own else {}), **more)

    for own in (True, False):
        run(own=own, max_duration=f"{SHORT}ba", save_overwrite=True, **saving)
        assert of(run(ComposerCallback(PLAN), **given)) == rates(SHORT)[3:]
    anew = run(ComposerCallback(PLAN, updates=0), **given)
    assert of(anew) == rates(SHORT)[:3]


class Each(Callback):
    """Calls what it is given behind every update."""

    def __init__(self, call: Any) -> None:
        self.call = call

    def batch_end(self, state: Any, logger: Any) -> None:
        self.call(state)


@held("Composer", "resume by our state", "among the schedulers of its checkpoint")
def test_our_state_is_in_the_checkpoint(tmp_path: Any) -> None:
    """A plateau that was resumed decides as the one that was not."""
    plan = LISTENING
    saving = {"save_folder": str(tmp_path), "save_interval": "1ep", "save_filename": "{epoch}.pt"}
    whole = fit(ComposerCallback(plan), eval_dataloader=loader(), **saving)
    path = str(tmp_path / "2.pt")
    again = fit(ComposerCallback(plan), eval_dataloader=loader(), load_path=path)
    assert of(again) == of(whole)[2 * BATCHES :]


@held("Composer", "killed and resumed")
def test_a_run_that_was_killed_is_taken_up(tmp_path: Any) -> None:
    """By SIGKILL in the third epoch."""
    saving = {"save_folder": str(tmp_path), "save_interval": "1ep", "save_filename": "{epoch}.pt"}
    killed(lambda die: fit(ComposerCallback(PLAN), Heard(10, lambda _: die()), **saving))
    again = fit(ComposerCallback(PLAN), load_path=str(tmp_path / "2.pt"))
    assert of(again) == rates()[8:]


@held("Composer", "metric heard", "the metrics of the evaluators, and those of the training")
def test_a_plateau_hears_the_evaluation() -> None:
    """And follows what the same losses, shown by hand, decide."""
    heard = Heard()
    trainer = fit(ComposerCallback(LISTENING), heard, eval_dataloader=loader())
    alone = Recorder(line().parameters(), lr=LR)
    by_hand = Scheduler(alone, LISTENING, total=TOTAL)
    for t in range(1, TOTAL + 1):
        alone.step()
        if t % BATCHES == 0:
            by_hand.observe(val_loss=heard.losses[t // BATCHES - 1])
    assert of(trainer) == used(alone)
    plan = rw.EarlyCool("val_loss", patience=0, threshold=0.9, decay=3)
    ended = fit(ComposerCallback(plan), eval_dataloader=loader(), max_duration=f"{TOTAL}ba")
    assert len(of(ended)) == 2 * BATCHES + 3


@held("Composer", "YAML", "as a text; its own YAML, of the command line composer, is Hydra's")
def test_a_text_is_the_value() -> None:
    """As it comes out of a file."""
    assert of(fit(ComposerCallback(TEXT))) == rates()


def test_what_cannot_be_right_is_refused_or_said() -> None:
    """A second scheduler, an unknown length, a misspelt metric or argument, a second writer."""
    with pytest.raises(rw.ScheduleError, match="leave schedulers"):
        fit(ComposerCallback(PLAN), schedulers=lambda state: 1.0)
    with pytest.raises(rw.ScheduleError, match="val_loss"):
        fit(ComposerCallback(rw.Plateau("val_los", patience=0)), eval_dataloader=loader())
    with pytest.raises(rw.ScheduleError, match="did you mean total"):
        ComposerCallback(PLAN, totl=3)
    with pytest.raises(rw.ScheduleError, match=r"ComposerCallback\(total=…\)"):
        fit(ComposerCallback(PLAN), max_duration="1000tok")
    assert TimeUnit.TOKEN.value == "tok"

    class Write(Callback):
        def batch_end(self, state: Any, logger: Any) -> None:
            state.optimizers[0].param_groups[0]["lr"] = 1.0

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        trainer = fit(ComposerCallback(PLAN), Write())
    assert sum("set by somebody else" in str(one.message) for one in said) == 1
    assert of(trainer) == rates()


def test_the_example() -> None:
    """As Composer's own documents have it, with one line more."""
    heard, defined = example("composer_trainer.py")
    assert heard == planned(defined)


def test_a_second_fit_is_the_rest_of_the_run_or_one_of_its_own() -> None:
    """Made longer, it is asked for the whole length; with its time reset, it begins at update 0."""
    trainer = fit(ComposerCallback(PLAN))
    with pytest.raises(rw.ScheduleError, match=rf"run of {TOTAL} updates, .* make {2 * TOTAL} now"):
        trainer.fit(duration=f"{EPOCHS}ep")
    assert of(trainer) == rates()
    whole = fit(ComposerCallback(PLAN, total=2 * TOTAL))
    whole.fit(duration=f"{EPOCHS}ep")
    assert of(whole) == rates(2 * TOTAL)
    short = trainer_of(ComposerCallback(PLAN))
    short.fit(duration="1ep")  # shorter than the trainer was made for
    short.fit(duration="2ep", reset_time=True)
    assert of(short) == [*rates(BATCHES), *rates(2 * BATCHES)]
