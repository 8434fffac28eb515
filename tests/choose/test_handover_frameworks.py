"""What is handed over to each framework trains as was measured: its rates, and the end to a bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ratewise.choose import Choice, choose

torch = pytest.importorskip("torch")

TOTAL = 5
SHAPES = ["Warmup(2) >> Cosine(to=0.05)"]


def chosen(task: Any, *peaks: float) -> Choice:
    return choose(task, SHAPES, total=TOTAL, peaks=peaks, seeds=1, budget=4 * TOTAL)


def best(choice: Choice) -> Any:
    return next(run for run in choice.proof.runs if run.name == choice.name)


def snippet(choice: Choice) -> str:
    """Return the two lines of the report, as they are printed."""
    told = choice.report(width=80, colour=False).partition("How to use it")[2].splitlines()
    lines = [line.strip() for line in told if line.startswith("    ")]
    assert len(lines) == 2
    return "\n".join(lines)


def pasted(text: str, **space: Any) -> dict[str, Any]:
    exec(text, space)
    return space


# Trainers of Transformers -------------------------------------------------------------------


def with_lora(seed: int) -> Any:
    peft = pytest.importorskip("peft")
    from tests.transformers.tiny import model

    config = peft.LoraConfig(r=2, target_modules=["query", "value"], modules_to_save=["classifier"])
    return peft.get_peft_model(model(seed=seed), config)


def whole(seed: int) -> Any:
    from tests.transformers.tiny import model

    return model(seed=seed)


FOLLOW: dict[str, Callable[[Any, Any], Any]] = {
    "attach": lambda choice, trainer: choice.attach(trainer),
    "snippet": lambda choice, trainer: pasted(snippet(choice), trainer=trainer),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("net", [whole, with_lora])
def test_a_trainer(tmp_path: Path, net: Any) -> None:
    """Two groups at 10:1, whole weights or adapters alone; attached, and by two lines."""
    pytest.importorskip("transformers")
    from ratewise.choose import TrainerTask
    from tests.transformers.tiny import make, rows

    def made(seed: int) -> Any:
        torch.manual_seed(seed)
        own = {"eval_dataset": rows(6), "max_steps": TOTAL, "per_device_train_batch_size": 4}
        return make(tmp_path, model=net(seed), seed=seed, **own)

    choice = chosen(TrainerTask(made), 0.01, 0.02)
    record = best(choice)
    assert snippet(choice).startswith("from ratewise.transformers import attach\nattach(trainer, ")
    for follow in FOLLOW.values():
        trainer = made(0)
        follow(choice, trainer)
        trainer.train()
        used = np.array(trainer.optimizer.optimizer.used)
        np.testing.assert_allclose(used[:, 0], record.rates, rtol=1e-15, atol=0)
        np.testing.assert_allclose(used[:, 1], record.rates / 10, rtol=1e-14, atol=0)
        assert trainer.evaluate()["eval_loss"] == record.metrics["loss"]


# Modules of Lightning -----------------------------------------------------------------------


def lightning_module() -> Any:
    import lightning

    class Net(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.head = torch.nn.Linear(3, 4), torch.nn.Linear(4, 1)

        def forward(self, batch: Any) -> Any:
            return self.head(self.body(batch).tanh())

        def training_step(self, batch: Any, index: int) -> Any:
            return (self(batch) - batch.sum(1, keepdim=True)).square().mean()

        def configure_optimizers(self) -> Any:
            groups = [
                {"params": self.body.parameters(), "lr": 0.01, "weight_decay": 0.1},
                {"params": self.head.parameters(), "name": "head"},
            ]
            return torch.optim.AdamW(groups, lr=0.1)

    return Net()


@pytest.mark.filterwarnings("ignore")
def test_a_module() -> None:
    """Two groups at 1:10 with weight decays of their own: attached, by two lines, and by code."""
    lightning = pytest.importorskip("lightning")
    from ratewise.choose import LightningTask
    from ratewise.tasks.lightning.trainer import SILENT

    rows = torch.randn(16, 3, generator=torch.Generator().manual_seed(1))
    loader = torch.utils.data.DataLoader(rows, batch_size=4)

    def metric(module: Any) -> float:
        return float(module(torch.ones(1, 3)))

    own = {"accelerator": "cpu"}
    data = lambda seed: loader  # noqa: E731
    task = LightningTask(module=lightning_module, data=data, metric=metric, trainer=own)
    choice = chosen(task, 0.02, 0.05)

    def by_code(module: Any) -> None:
        code, configure = pasted(choice.code("lightning")), module.configure_optimizers
        module.configure_optimizers = lambda: code["optimizer_and_scheduler"](configure())

    for follow in (choice.attach, lambda module: pasted(snippet(choice), module=module), by_code):
        torch.manual_seed(0)
        module = lightning_module()
        follow(module)
        options = {**SILENT, **own, "logger": False, "max_steps": TOTAL, "max_epochs": -1}
        lightning.Trainer(**options).fit(module, loader)
        assert metric(module) == best(choice).metrics["metric"]


# Keras --------------------------------------------------------------------------------------


def test_a_compiled_model() -> None:
    """By the callback to the bit; by code that is pasted to the precision of its own rates."""
    keras = pytest.importorskip("keras")
    from ratewise.choose import KerasTask

    random = np.random.default_rng(0)
    x = random.normal(size=(8 * TOTAL, 3)).astype("float32")
    y = x.sum(1, keepdims=True)
    batches = [(x[i : i + 8], y[i : i + 8]) for i in range(0, len(x), 8)]

    def model(rate: Any = 0.05) -> Any:
        ones = {"kernel_initializer": "ones"}
        net = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, **ones)])
        net.compile(keras.optimizers.SGD(rate, momentum=0.5), "mse", run_eagerly=True)
        return net

    def metric(net: Any) -> float:
        return float(net.evaluate(x[:8], y[:8], verbose=0))

    task = KerasTask(model=model, data=lambda seed: batches, metric=metric)
    choice = chosen(task, 0.05, 0.1)
    net = model()
    follow = pasted(snippet(choice))["callback"]
    net.fit(x, y, batch_size=8, shuffle=False, verbose=0, callbacks=[follow])
    assert metric(net) == best(choice).metrics["metric"]
    net = model(pasted(choice.code("keras"))["Schedule"]())
    net.fit(x, y, batch_size=8, shuffle=False, verbose=0)
    assert metric(net) == pytest.approx(best(choice).metrics["metric"], rel=1e-4)


# Optax --------------------------------------------------------------------------------------


def test_optax() -> None:
    """By the schedule to the bit; by code that is pasted to the precision of its own rates."""
    pytest.importorskip("jax")
    optax = pytest.importorskip("optax")
    from jax import numpy as jnp

    from ratewise.tasks.protocols import Parts

    start = {"w": jnp.ones(3), "b": jnp.zeros(2)}
    steep = {"w": jnp.array([0.1, 1.0, 3.0]), "b": jnp.array([0.5, 2.0])}

    def gradients(weights: Any) -> Any:
        return {name: steep[name] * weights[name] + 0.1 for name in weights}

    def loss(weights: Any) -> float:
        return float(sum((steep[name] * weights[name] ** 2).sum() for name in weights))

    def made(rate: Any) -> Any:
        return optax.inject_hyperparams(optax.adamw)(learning_rate=rate)

    def trained(rate: Any) -> float:
        optimizer = made(rate)
        weights, state = start, optimizer.init(start)
        for _ in range(TOTAL):
            change, state = optimizer.update(gradients(weights), state, weights)
            weights = optax.apply_updates(weights, change)
        return loss(weights)

    class Run:
        def __init__(self) -> None:
            self.optimizer = made(0.1)
            self.weights, self.state = start, self.optimizer.init(start)

        def train(self, rates: Any) -> Any:
            losses: list[float] = []
            for rate in rates:
                losses.append(loss(self.weights))
                self.state.hyperparams["learning_rate"] = jnp.asarray(rate, jnp.float32)
                given = gradients(self.weights), self.state, self.weights
                change, self.state = self.optimizer.update(*given)
                self.weights = optax.apply_updates(self.weights, change)
            return np.array(losses)

        def measure(self) -> Any:
            return {"loss": loss(self.weights)}

        def save(self) -> Any:
            return self.weights, self.state

        def restore(self, state: Any) -> None:
            self.weights, self.state = state

    class Task:
        peak, fingerprint = 0.1, "a bowl"

        def open(self, seed: int) -> Run:
            return Run()

        def parts(self) -> Parts:
            return Parts(None, None, framework="optax")

    choice = chosen(Task(), 0.1, 0.2)
    rate = pasted(snippet(choice))["learning_rate"]
    assert trained(rate) == best(choice).metrics["loss"]
    rate = pasted(choice.code("optax"))["schedule"]()
    assert trained(rate) == pytest.approx(best(choice).metrics["loss"], rel=1e-4)
