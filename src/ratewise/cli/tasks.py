"""Tasks by name, imported as servers import their apps."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from ratewise import ScheduleError
from ratewise.cli.output import keep_quiet
from ratewise.schedule.errors import nearest, shorten
from ratewise.tasks.failures import TaskError, users_code


def load_task(text: str) -> Any:
    """Return the task that MODULE:TASK names, made if it is something that makes one."""
    keep_quiet()
    place, colon, name = text.rpartition(":")
    if not (place and colon and name):
        rule, fix = "does not name a task", "write MODULE:TASK, such as examples/sentiment.py:task"
        raise ScheduleError(shorten(text), rule, fix)
    sys.path.insert(0, os.getcwd())
    found: Any = load_file(Path(place)) if place.endswith(".py") else load_module(place)
    for part in name.split("."):
        with users_code(shorten(text)):
            if not hasattr(found, part):
                known = [name for name in getattr(found, "__dict__", ()) if name[:1] != "_"]
                raise ScheduleError(place, f"has no {part!r}", nearest(part, known))
            found = getattr(found, part)
    if not callable(found) or (hasattr(found, "open") and not inspect.isclass(found)):
        return found
    try:
        inspect.signature(found).bind()
    except (TypeError, ValueError) as error:
        fix = "name a task, or something that makes one without arguments"
        raise ScheduleError(text, f"cannot be called ({error})", fix) from None
    with users_code(shorten(text)):
        return found()


def load_module(name: str) -> ModuleType:
    """Import a module by name, from the current folder too."""
    with users_code(f"Module {name!r}"):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{name}.".startswith(f"{error.name}."):
                raise  # the module is there, and misses one of its own
            fix = f"run where it can be imported, or give a file, {name.replace('.', '/')}.py:TASK"
            raise ScheduleError(f"Module {error.name!r}", "is not found", fix) from None


def load_file(path: Path) -> ModuleType:
    """Import a file, which finds its neighbours as a script does."""
    if not path.is_file():
        rule, fix = "is not found", "give MODULE:TASK or FILE.py:TASK"
        raise ScheduleError(f"File {str(path)!r}", rule, fix)
    sys.path.insert(0, str(path.resolve().parent))
    name = path.stem if path.stem not in sys.modules else f"task_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    assert spec.loader is not None
    try:
        with users_code(f"File {str(path)!r}"):
            spec.loader.exec_module(module)
    except TaskError:
        del sys.modules[name]
        raise
    return module
