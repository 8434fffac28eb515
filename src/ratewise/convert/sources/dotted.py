"""A command whose settings are paths of keys, `optim.lr=1e-6` or `--optim.lr 1e-6`, as a config."""

from __future__ import annotations

import re
import shlex
from typing import Any

from ratewise.convert.sources.limits import DEEPEST, LONGEST_FLAGS
from ratewise.convert.sources.shell import variable_in, why_unknown
from ratewise.convert.sources.unknown import Unknown

_SETTING = re.compile(r"(?:--|\+{0,2})([A-Za-z_][\w-]*+(?:\.[\w-]++)*+)=(.*)", re.DOTALL)
_FLAG = re.compile(r"--([A-Za-z_][\w-]*+(?:\.[\w-]++)*+)")
_WORDS = {"true": True, "false": False, "null": None, "none": None}


def nested(text: str) -> dict[str, Any] | None:
    """Return the settings of a command as nested keys; None where few of them are paths.

    A key that is set twice to two things, as in two commands, is unknown.

    >>> nested("python train.py optim.lr=1e-6 model.path='x y' +trainer.steps=5")
    {'optim': {'lr': 1e-06}, 'model': {'path': 'x y'}, 'trainer': {'steps': 5}}
    """
    if len(text) > LONGEST_FLAGS or not re.search(r"[A-Za-z_]\.[A-Za-z_][\w.-]*[= ]", text):
        return None
    try:
        words = shlex.split(re.sub(r"\\\r?\n", " ", text), comments=True)
    except ValueError:
        return None
    said = _said(words)
    paths = [key for key in said if "." in key]
    if len(paths) * 2 < len(said) or not paths or any(key.count(".") > DEEPEST for key in paths):
        return None
    found: dict[str, Any] = {}
    for key, values in said.items():
        if not _put(found, key, _value(values, text)):
            return None
    return found


def _said(words: list[str]) -> dict[str, list[str]]:
    """Return all values of each key, in order."""
    said: dict[str, list[str]] = {}
    i = 0
    while i < len(words):
        setting, flag = _SETTING.fullmatch(words[i]), _FLAG.fullmatch(words[i])
        i += 1
        if setting and not _is_shells(setting[1], setting[2]):
            said.setdefault(setting[1], []).append(_closed(setting[2]))
        elif flag:
            bare = i == len(words) or words[i].startswith("--") or _SETTING.fullmatch(words[i])
            said.setdefault(flag[1], []).append("true" if bare else _closed(words[i]))
            i += 0 if bare else 1
    return said


def _is_shells(name: str, value: str) -> bool:
    """Whether the shell itself is told: an array, `ARGS=(`, or what the environment holds."""
    opens = value.startswith("(") and not value.endswith(")")
    return opens or (name.isupper() and "." not in name)


def _closed(value: str) -> str:
    """Return the last word of an array without the bracket behind it."""
    return value.removesuffix(")") if "(" not in value else value


def _put(found: dict[str, Any], key: str, value: Any) -> bool:
    *before, last = (part.replace("-", "_") for part in key.split("."))
    for part in before:
        found = found.setdefault(part, {})
        if not isinstance(found, dict):
            return False
    if isinstance(found.get(last), dict):
        return False
    found[last] = value
    return True


def _value(values: list[str], script: str) -> Any:
    if len({*values}) > 1:
        return Unknown(" and ".join(values[:2]), "it is set twice, perhaps by two commands")
    text = values[-1]
    if variable_in(text):
        return Unknown(text, why_unknown(text, script))
    if text.strip().lower() in _WORDS:
        return _WORDS[text.strip().lower()]
    from ratewise.convert.pieces.keys import as_literal, as_number

    number = as_number(text)
    return as_literal(number) if text[:1] in "[{(" else number
