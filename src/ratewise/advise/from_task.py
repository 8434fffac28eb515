"""Facts from a task: its model, its optimizer and its data are looked at, without training."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

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


def infer(task: Any) -> tuple[dict[str, Any], list[str]]:
    """Return the facts that a ready task shows, in the words of `Facts`, and how each was read.

    Args:
        task: A task that has `parts()`: a model, its optimizer or None, samples in an update and
            samples to train on or None, as the ready ones have; of any other task nothing is known
            but its `peak`.
    """
    peak = getattr(task, "peak", None)
    known: dict[str, Any] = {"peak": float(peak)} if peak else {}
    told = [f"the optimizer's rate is {known['peak']:g}"] if known else []
    if hasattr(task, "parts"):
        for name, value, why in _facts(*task.parts()[:4]):
            known[name] = value
            told.append(f"{name} is {value}: {why}")
    return known, told


def _facts(
    model: Any, optimizer: Any, batch: int | None, examples: int | None
) -> Iterable[tuple[str, Any, str]]:
    if optimizer is not None:
        yield from _of_optimizer(optimizer)
    adapters = [name for name in _trained(model) if "lora_" in name]
    if adapters:
        yield "method", "lora", f"it trains {adapters[0]}"
        yield "task", "fine-tuning", "adapters are trained beside weights that are kept"
    kind = _kind(model)
    if kind is not None:
        yield "kind", *kind
    if batch:
        yield "batch", batch, "samples in an update"
    if examples:
        yield "examples", examples, "samples of the data"


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
    return [model, *(deep for one in getattr(model, "layers", ()) for deep in _layers(one))]
