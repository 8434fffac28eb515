"""A Transformers trainer that is ready to train, made for a seed."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

from ratewise._extras import require
from ratewise.schedule import ScheduleError

require("torch", extra="transformers")
require("accelerate", extra="transformers")
transformers = require("transformers", extra="transformers")

from ratewise.adapters.transformers.attachment import Follow, check_optimizer  # noqa: E402

MAKER = "TrainerTask(make_trainer=…)"


def made(make: Callable[..., Any], seed: int, evaluates: bool) -> Any:
    """Return a new trainer where `train()` would begin, without callbacks."""
    trainer, seeded = _called(make, seed)
    _check(trainer, evaluates)
    args = trainer.args
    if not seeded:
        args.seed = seed % 2**32
        transformers.set_seed(args.seed)
    for callback in list(trainer.callback_handler.callbacks):
        trainer.remove_callback(callback)
    trainer.is_in_train = True
    args.dataloader_persistent_workers = False  # their random numbers would outlast an epoch
    if trainer.model_init is not None:
        transformers.set_seed(args.seed)
        trainer.model = trainer.call_model_init()
        if trainer.place_model_on_device:
            trainer.model.to(args.device)
        trainer.model_wrapped = trainer.model
        trainer.optimizer = None
    for name in ("activation_checkpointing", "gradient_checkpointing"):
        enable = getattr(trainer.model, f"{name}_enable", None)
        if getattr(args, name, False) and enable is not None:
            options = {f"{name}_kwargs": getattr(args, f"{name}_kwargs", None)}
            enable(**options)
            break
    return trainer


def _called(make: Callable[..., Any], seed: int) -> tuple[Any, bool]:
    """Return what a function makes, and whether it was given the seed."""
    try:
        given = inspect.signature(make).parameters
    except (TypeError, ValueError):
        return make(), False
    if "seed" in given and given["seed"].kind is not inspect.Parameter.POSITIONAL_ONLY:
        return make(seed=seed), True
    first = next(iter(given.values()), None)
    placed = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = first is not None and first.kind in placed and first.default is first.empty
    return (make(seed), True) if needed else (make(), False)


_LEARNING = ("SyncRefModelCallback", "BEMACallback")
"""Callbacks of TRL that may write into the model which the loss is measured against."""


def _writes(callback: Any) -> bool:
    """Whether one of these does: the other keeps an average of its own unless told to."""
    kinds = {kind.__name__ for kind in type(callback).__mro__}
    return "BEMACallback" not in kinds or getattr(callback, "update_ref_model", False)


def _learning(callbacks: Iterable[Any]) -> str:
    """Return the name of a callback without which the updates would be others, or ""."""
    for callback in callbacks:
        for kind in type(callback).__mro__:
            if kind.__name__ in _LEARNING and _writes(callback):
                return type(callback).__name__
    return ""


def _check(trainer: Any, evaluates: bool) -> None:
    """Refuse what is no trainer, and one whose updates this process cannot make or repeat."""
    if not isinstance(trainer, transformers.Trainer):
        rule = "returned no Trainer"
        raise ScheduleError(MAKER, rule, "return a new transformers.Trainer", given=trainer)
    args = trainer.args
    several = trainer.is_deepspeed_enabled or trainer.is_fsdp_enabled or args.n_gpu > 1
    whole = trainer.eval_dataset is not None or not evaluates
    own = type(trainer).get_eval_dataloader is not transformers.Trainer.get_eval_dataloader
    learns = _learning(trainer.callback_handler.callbacks)
    follows = any(isinstance(one, Follow) for one in trainer.callback_handler.callbacks)
    for wrong, rule, fix in (
        (trainer.is_in_train, "returned one that trains", "return a new one at every call"),
        (several or args.world_size > 1, "trains on several devices", "let it use one device"),
        (getattr(trainer.accelerator, "scaler", None), "scales its losses", "write bf16=True"),
        (trainer.lr_scheduler, "has a scheduler", "give the optimizer alone, the rates are set"),
        (follows, "follows a schedule already", "leave attach out, the rates are set"),
        (getattr(args, "neftune_noise_alpha", None), "adds noise by NEFTune", "leave it out"),
        (not (whole or own), "has nothing to evaluate", "give an eval_dataset, or metric="),
        (getattr(args, "use_vllm", False), "generates by vLLM, elsewhere", "leave use_vllm out"),
        (learns, f"has a {learns}, which changes a model", "leave it out, no callback is called"),
    ):
        if wrong:
            raise ScheduleError(MAKER, rule, fix)
    try:
        check_optimizer(trainer)
    except ScheduleError as error:
        raise error.about(MAKER) from None
