"""Configs that Weights & Biases wrote down, without what it wraps them in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_ITS_OWN = ("_wandb", "wandb_version")


def unwrapped(content: Any) -> Any:
    """Return a config without the wrapping of Weights & Biases; anything else as it is.

    It writes every key as `{desc: …, value: …}` or as it is, beside keys of its own.

    >>> unwrapped({"wandb_version": 1, "lr": {"desc": None, "value": 0.1}})
    {'lr': 0.1}
    """
    if not isinstance(content, Mapping) or not content:
        return content
    ours = {key: value for key, value in content.items() if key not in _ITS_OWN}
    if len(ours) == len(content) and not all(_is_wrapped(value) for value in ours.values()):
        return content
    return {
        key: _plain(value["value"]) if _is_wrapped(value) else value for key, value in ours.items()
    }


def _plain(value: Any) -> Any:
    return None if value == "None" else value  # as older versions wrote it


def _is_wrapped(value: Any) -> bool:
    return isinstance(value, Mapping) and {"value"} <= {*value} <= {"desc", "value"}
