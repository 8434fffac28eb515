"""Facts from a task: its model, its optimizer and its data are looked at, without training."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

OPTIMIZERS = {
    "schedulefree": "schedule-free",
    "prodigy": "prodigy",
    "dadapt": "d-adaptation",
    "muon": "muon",
    "adamw": "adamw",
    "adam": "adam",
    "sgd": "sgd",
}
"""What the name of an optimizer's class has in it, and what rules call it; the first that fits."""

ENCODERS = ("bert", "electra", "mpnet", "xlm-roberta", "camembert", "ernie")
PICTURES = ("vit", "resnet", "convnext", "swin", "beit", "deit", "efficientnet", "mobilenet")
"""What the model type in a config of Transformers has in it."""


class Parts(NamedTuple):
    """What a task is made of.

    Args:
        model: The model.
        optimizer: Its optimizer, or None.
        batch: Samples in an update, or None.
        examples: Samples to train on, or None.
    """

    model: Any
    optimizer: Any
    batch: int | None = None
    examples: int | None = None


def infer(task: Any) -> tuple[dict[str, Any], list[str]]:
    """Return the facts that a ready task shows, in the words of `Facts`, and how each was read.

    Args:
        task: A `TorchTask`, `TrainerTask`, `LightningTask` or `KerasTask`; of any other task
            nothing is known but its `peak`.
    """
    looks = {"TorchTask": _torch, "TrainerTask": _trainer, "LightningTask": _lightning}
    looks["KerasTask"] = _keras
    names = [one.__name__ for one in type(task).__mro__ if one.__module__.startswith("ratewise.")]
    look = next((looks[name] for name in names if name in looks), None)
    peak = getattr(task, "peak", None)
    known: dict[str, Any] = {"peak": float(peak)} if peak else {}
    told = [f"the optimizer's rate is {known['peak']:g}"] if known else []
    if look is None:
        return known, told
    parts = look(task)
    for name, value, why in _facts(parts):
        known[name] = value
        told.append(f"{name} is {value}: {why}")
    return known, told


def _facts(parts: Parts) -> Iterable[tuple[str, Any, str]]:
    """Yield the facts, and how each was read."""
    if parts.optimizer is not None:
        yield from _of_optimizer(parts.optimizer)
    adapters = [name for name in _trained(parts.model) if "lora_" in name]
    if adapters:
        yield "method", "lora", f"it trains {adapters[0]}"
        yield "task", "fine-tuning", "adapters are trained beside weights that are kept"
    kind = _kind(parts.model)
    if kind is not None:
        yield "kind", *kind
    if parts.batch:
        yield "batch", parts.batch, "samples in an update"
    if parts.examples:
        yield "examples", parts.examples, "samples of the data"


def _of_optimizer(optimizer: Any) -> Iterable[tuple[str, Any, str]]:
    name = type(optimizer).__name__
    plain = name.lower()
    yield "optimizer", next((OPTIMIZERS[k] for k in OPTIMIZERS if k in plain), "other"), name
    groups = getattr(optimizer, "param_groups", None)
    betas = groups[0].get("betas") if groups else None
    beta2 = betas[1] if betas else getattr(optimizer, "beta_2", None)
    if isinstance(beta2, float) and 0 <= beta2 < 1:
        yield "beta2", beta2, f"of {name}"


def _trained(model: Any) -> list[str]:
    """Return the names of the parameters that are trained."""
    if not hasattr(model, "named_parameters"):
        return []
    return [name for name, one in model.named_parameters() if one.requires_grad]


def _kind(model: Any) -> tuple[str, str] | None:
    """Return what kind of model it is, and how that is seen; None if it is not."""
    inner = list(model.modules()) if hasattr(model, "modules") else _layers(model)
    for one in inner:
        config = getattr(one, "config", None)
        kind = str(getattr(config, "model_type", "")).lower()
        name = type(one).__name__
        if name.endswith(("ForCausalLM", "LMHeadModel")):
            return "language model", name
        if any(part in kind for part in PICTURES):
            return "vision", f"its config says {kind}"
        if any(part in kind for part in ENCODERS):
            return "encoder", f"its config says {kind}"
    pictured = [type(one).__name__ for one in inner if type(one).__name__ in ("Conv2d", "Conv2D")]
    return ("vision", f"it has {pictured[0]}") if pictured else None


def _layers(model: Any) -> list[Any]:
    """Return a Keras model and all that is in it."""
    return [model, *(deep for one in getattr(model, "layers", ()) for deep in _layers(one))]


# The parts of each kind of task --------------------------------------------------------------


def _torch(task: Any) -> Parts:
    from ratewise.tasks.torch.random_stream import RandomStream

    with RandomStream(0, settings=True):
        model = task.model()
        return Parts(model, task.optimizer(model), *_counts(task.data(0)))


def _trainer(task: Any) -> Parts:
    from ratewise.tasks.torch.random_stream import RandomStream
    from ratewise.tasks.transformers.trainer import made

    with RandomStream(0, settings=True):
        trainer = made(task.make_trainer, 0, evaluates=False)
        if task.optimizer is not None:
            trainer.optimizer = task.optimizer(trainer.model)
        trainer.create_optimizer()
    args = trainer.args
    batch = int(args.train_batch_size) * int(args.gradient_accumulation_steps)
    return Parts(trainer.model, trainer.optimizer, batch, _length(trainer.train_dataset))


def _lightning(task: Any) -> Parts:
    from ratewise.tasks.torch.random_stream import RandomStream

    with RandomStream(0, settings=True):
        module = task.module()
        made = (task.optimizer or _configured)(module)
        batch, examples = _counts(task.data(0))
    every = int(task.trainer.get("accumulate_grad_batches", 1))
    return Parts(module, made, batch * every if batch else None, examples)


def _configured(module: Any) -> Any:
    """Return the optimizer that a Lightning module configures, or None if it is none alone."""
    made = module.configure_optimizers()
    made = made.get("optimizer") if isinstance(made, dict) else made
    while isinstance(made, list | tuple) and made:
        made = made[0]
    return made if hasattr(made, "param_groups") else None


def _keras(task: Any) -> Parts:
    model = task.model()
    return Parts(model, getattr(model, "optimizer", None), *_counts(task.data(0)))


def _counts(data: Any) -> tuple[int | None, int | None]:
    """Return the samples in a batch and in the data, as far as a loader says them."""
    batch = getattr(data, "batch_size", None)
    return (batch if isinstance(batch, int) else None), _length(getattr(data, "dataset", None))


def _length(data: Any) -> int | None:
    """Return how many samples there are, or None if the data do not say."""
    if data is None or not hasattr(data, "__len__"):
        return None
    return len(data) or None
