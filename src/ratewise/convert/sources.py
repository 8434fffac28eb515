"""Files and texts as plain values: read, never run.

JSON, YAML and TOML are parsed; a Python file is looked at with `ast`; pickles are refused.
"""

from __future__ import annotations

import ast
import functools
import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Call, Who, shorten

LARGEST = 10_000_000
_PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".npy", ".npz")
_TEXTS = (".json", ".yaml", ".yml", ".toml", ".py")
_CALLS = re.compile(r"\s*(?:--|\(*[A-Za-z_.]+\()")
_STRING = r'("(?:\\.|[^"\\])*(?:"|\Z))'
_COMMENTS = re.compile(_STRING + r"|#[^\n]*|//[^\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL)
_COMMAS = re.compile(_STRING + r"|,(?=\s*[}\]])", re.DOTALL)
"""What JSON with comments has besides; strings are kept as they are."""
_MAGIC = (b"\x80", b"PK\x03\x04")


def load(source: Any) -> Any:
    """Return what a source holds: a file or a text as values, anything else as it is.

    A text that is no file and neither JSON, YAML nor TOML stays a text.

    Raises:
        ScheduleError: a file that does not exist, is a pickle, or cannot be parsed.
    """
    if isinstance(source, bytes | bytearray):
        rule = "is bytes, perhaps a pickle, and nothing is ever unpickled"
        raise ScheduleError(f"read({shorten(source)})", rule, "give a text or the live object")
    path = _path(source)
    if path is not None:
        return _file(path)
    return _text(source) if isinstance(source, str) else source


def _path(source: Any) -> Path | None:
    if isinstance(source, Path):
        return source
    if not isinstance(source, str) or len(source) > 1000 or "\n" in source:
        return None
    path = Path(source)
    try:
        exists = path.is_file()
    except (OSError, ValueError):
        return None
    named = path.suffix.lower() in (*_PICKLES, *_TEXTS) and not re.search(r"[\s({=]", source)
    return path if exists or named else None


def _file(path: Path) -> Any:
    shown = str(path)
    who = Call("read", value=shown if len(shown) <= 50 else f"…/{path.name}")
    suffix = path.suffix.lower()
    if suffix in _PICKLES:
        _refuse_pickle(who)
    try:
        content = path.read_bytes()
    except OSError as error:
        rule = f"cannot be opened ({error.strerror or type(error).__name__})"
        raise ScheduleError(who, rule, "give the path of a file") from None
    if content.startswith(_MAGIC):
        _refuse_pickle(who)
    if len(content) > LARGEST:
        raise ScheduleError(who, f"has {len(content):,} bytes", f"a config has at most {LARGEST:,}")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ScheduleError(who, "is not a text in UTF-8", "give a config file") from None
    return _PARSERS[suffix](who, text) if suffix in _PARSERS else _text(text)


def _refuse_pickle(who: Who) -> None:
    rule = "is a pickle or an archive, which can run code when it is opened, and is not opened"
    fix = "give the live scheduler, or the config of the run"
    raise ScheduleError(who, rule, fix)


def _text(text: str) -> Any:
    """Return a text parsed where it is a mapping or a list, else as it is.

    Flags and calls are texts, even where YAML would find a mapping in them.
    """
    if _CALLS.match(text):
        return text
    for parse in (_json, _toml, _yaml):
        try:
            value = parse("read(…)", text)
        except ScheduleError:
            continue
        if value and isinstance(value, dict | list):
            return value
    return text


# Parsers ------------------------------------------------------------------------------------


def _json(who: Who, text: str) -> Any:
    return _parsed(who, "JSON", _loads, text)


def _loads(text: str) -> Any:
    """Return JSON, which may have comments and commas behind the last item."""
    try:
        return json.loads(text)
    except ValueError:
        plain = _COMMENTS.sub(r"\1", text)
        if plain == text and not _COMMAS.search(text):
            raise
    return json.loads(_COMMAS.sub(r"\1", plain))


def _toml(who: Who, text: str) -> Any:
    return _parsed(who, "TOML", tomllib.loads, text)


def _yaml(who: Who, text: str) -> Any:
    import yaml

    return _parsed(who, "YAML", functools.partial(yaml.load, Loader=_loader()), text)


def _parsed(who: Who, what: str, parse: Callable[[str], Any], text: str) -> Any:
    try:
        return parse(text)
    except (ValueError, RecursionError) as error:
        reason = error
    except Exception as error:
        if not type(error).__module__.startswith("yaml"):
            raise
        reason = error
    line = " ".join(str(reason).split())
    raise ScheduleError(who, f"is not {what} ({line[:120]})", "correct the file") from None


@functools.cache
def _loader() -> Any:
    """Return PyYAML's safe loader that also knows 1e-4 as a number, as YAML 1.2 does."""
    import yaml

    class Loader(yaml.SafeLoader):
        pass

    pattern = re.compile(r"[-+]?[0-9][0-9_]*(?:\.[0-9_]*)?[eE][-+]?[0-9]+$")
    Loader.add_implicit_resolver("tag:yaml.org,2002:float", pattern, list("-+0123456789"))
    return Loader


def _python(who: Who, text: str) -> dict[str, Any]:
    """Return the top-level names of a Python file that are literals or calls of `dict`.

    A name that was read before may be used; anything else is left out.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        rule = f"is not Python ({type(error).__name__})"
        raise ScheduleError(who, rule, "correct the file") from None
    names: dict[str, Any] = {}
    for node in tree.body:
        target = _target(node)
        if target is None:
            continue
        try:
            names[target] = _literal(getattr(node, "value"), names)  # noqa: B009
        except (ValueError, TypeError, RecursionError):
            names.pop(target, None)
    if not names:
        rule = "assigns no literal at its top level, and nothing in it is ever run"
        raise ScheduleError(who, rule, "give a config file, or the live object")
    return names


def _target(node: ast.stmt) -> str | None:
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target = node.targets[0]
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        target = node.target
    else:
        return None
    return target.id if isinstance(target, ast.Name) else None


def _literal(node: ast.expr, names: dict[str, Any]) -> Any:
    """Return the value of an expression of literals; anything else is a ValueError."""
    if isinstance(node, ast.Name):
        if node.id not in names:
            raise ValueError(node.id)
        return names[node.id]
    if isinstance(node, ast.List | ast.Tuple):
        items = [_literal(item, names) for item in node.elts]
        return items if isinstance(node, ast.List) else tuple(items)
    if isinstance(node, ast.Dict) and None not in node.keys:
        keys = [_literal(key, names) for key in node.keys if key is not None]
        return dict(zip(keys, [_literal(v, names) for v in node.values], strict=True))
    is_dict = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    if is_dict and node.func.id == "dict" and not node.args:  # pyright: ignore
        return {_keyword(k): _literal(k.value, names) for k in node.keywords}  # pyright: ignore
    return ast.literal_eval(node)


def _keyword(keyword: ast.keyword) -> str:
    if keyword.arg is None:
        raise ValueError("**")
    return keyword.arg


_PARSERS: dict[str, Callable[[Who, str], Any]] = {
    ".json": _json,
    ".yaml": _yaml,
    ".yml": _yaml,
    ".toml": _toml,
    ".py": _python,
}
