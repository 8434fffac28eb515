"""What was typed, read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ratewise import ScheduleError, parse
from ratewise.schedule.errors import shorten


def read_specs(specs: list[str], **horizon: Any) -> tuple[dict[str, Any], list[str]]:
    """Return schedules and plans by name, and what was guessed of files.

    Without `name=` in front the text is the name. A file is read in whatever format it is.
    """
    named: dict[str, Any] = {}
    guessed: list[str] = []
    for given in specs:
        match = re.fullmatch(r"\s*([^=(\"'{\[]+?)\s*=(.*)", given, re.DOTALL)
        name, spec = match.groups() if match else (given, given)
        if name in named:
            raise ScheduleError(shorten(name), "is given twice", "write name=SPEC with two names")
        if is_file(spec):
            from ratewise.convert.reading import guess, read

            named[name] = read(Path(spec), **horizon)
            guessed.append(f"{spec}: read as {guess(Path(spec)).what}")
        else:
            parse(spec)
            named[name] = spec
    return named, guessed


def is_file(spec: str) -> bool:
    """Whether a text is the path of a file; one that looks like it and is not there is refused."""
    if "(" in spec or ">>" in spec:
        return False
    path = Path(spec)
    if path.is_file():
        return True
    if path.suffix in (".json", ".yaml", ".yml", ".toml", ".txt", ".sh", ".py", ".cfg"):
        raise ScheduleError(
            f"File {spec!r}", "is not found", "give the path of a config, or a schedule"
        )
    return False


def read_total(total: str | None) -> str | None:
    """Return a bare number, such as 10000 or 10k, as a length in updates."""
    plain = (total or "").replace(",", "")
    return f"{plain} updates" if re.fullmatch(r"[\d_.]+[kKMBGT]?", plain) else total


def read_peaks(peaks: str | None) -> list[float] | str | None:
    """Return the learning rates of a list such as "1e-4,3e-4"; "auto" stays what it is."""
    if peaks is None or peaks == "auto":
        return peaks
    try:
        return [float(peak) for peak in peaks.replace(",", " ").split()]
    except ValueError:
        rule, fix = "is not a list of learning rates", "write --peaks 1e-4,3e-4, or auto"
        raise ScheduleError(f"--peaks {shorten(peaks)}", rule, fix) from None


def read_workers(workers: str) -> int | str:
    """Return a number of workers; "auto" and what is none stay what they are."""
    return int(workers) if workers.isdecimal() else workers


def completed(given: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was given, completed by what a journal remembers."""
    return {
        name: known.get(name) if value in (None, []) else value for name, value in given.items()
    }
