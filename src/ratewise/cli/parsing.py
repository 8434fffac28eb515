"""What was typed, read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ratewise import ScheduleError, parse
from ratewise.schedule.errors import shorten
from ratewise.schedule.foreign import settings

if TYPE_CHECKING:
    from ratewise.convert.reading import Reading

_OPTIONS = ("accumulation", "batch_size", "epoch", "epochs", "examples", "format", "lr",
            "processes", "samples", "source", "tokens", "total")  # fmt: skip


def check_spec(option: str, spec: str | None) -> None:
    """Refuse an option for a schedule that was given and left empty."""
    if spec is not None and not spec.strip():
        raise ScheduleError(f"{option} ''", "is empty", "write a schedule or the path of one")


def read_specs(specs: list[str], **told: Any) -> tuple[dict[str, Any], list[str]]:
    """Return schedules and plans by name, and what was guessed of files.

    Without `name=` in front the text is the name. A file is read in whatever format it is.
    """
    readings, guessed = read_readings(specs, **told)
    named = {name: each if isinstance(each, str) else each.plan for name, each in readings.items()}
    return named, guessed


def read_readings(
    specs: list[str], *, format: str | None = None, **told: Any
) -> tuple[dict[str, str | Reading], list[str]]:
    """Return the texts of schedules and what was read of files, by name, and what was guessed.

    A text that is the path of a file is one, whatever its name. With a format, a text that is no
    file is read in it too.
    """
    from ratewise.convert.reading import read_source

    named: dict[str, str | Reading] = {}
    guessed: list[str] = []
    for given in specs:
        name, spec = (given, given) if _exists(given) else _named(given)
        if name in named:
            raise ScheduleError(shorten(name), "is given twice", "write name=SPEC with two names")
        if is_file(spec):
            found = read_source(Path(spec), format=format, **told)
            guessed.append(f"{spec}: read as {found.format.what}")
            named[name] = found
        elif format is not None or spec.lstrip().startswith("--"):
            named[name] = read_source(spec, format=format, **told)
        else:
            parse(spec)
            named[name] = spec
    return named, guessed


def _named(given: str) -> tuple[str, str]:
    match = re.fullmatch(r"\s*([^=,(\"'{\[]+?)\s*=(.*)", given, re.DOTALL)
    if not match:
        return given, given
    name, spec = match[1], match[2]
    plain = "(" not in spec and not _exists(spec.strip())
    theirs = plain and settings({name: spec.strip()})  # then `parse` says what to write
    return (given, given) if theirs else (name, spec)


def _exists(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # too long for a path, or not one
        return False


def is_file(spec: str) -> bool:
    """Whether a text is the path of a file; one that looks like it and is not there is refused."""
    if _exists(spec):
        return True
    if "(" in spec or ">>" in spec:
        return False
    if Path(spec).suffix in (".json", ".yaml", ".yml", ".toml", ".txt", ".sh", ".py", ".cfg"):
        raise ScheduleError(
            f"File {spec!r}", "is not found", "give the path of a config, or a schedule"
        )
    return False


def read_settings(settings: list[str] | None) -> dict[str, Any]:
    """Return what `--set` gives, KEY=VALUE by key, numbers as numbers.

    >>> read_settings(["warmup_num_steps=500", "interval=epoch"])
    {'warmup_num_steps': 500, 'interval': 'epoch'}
    """
    from ratewise.convert.pieces.keys import as_number

    found: dict[str, Any] = {}
    for setting in settings or ():
        key, equals, value = setting.partition("=")
        if not equals or not all(part.isidentifier() for part in key.split(".")):
            rule = "is not a key with a value"
            raise ScheduleError(f"--set {shorten(setting)}", rule, "write --set KEY=VALUE")
        if key in _OPTIONS:
            fix = f"write --{key.replace('_', '-')}"
            raise ScheduleError(f"--set {shorten(setting)}", "has an option of its own", fix)
        if key in found:
            raise ScheduleError(f"--set {shorten(setting)}", "is given twice", "keep one of them")
        found[key] = as_number(value)
    return found


def read_total(total: str | None) -> str | None:
    """Return a bare number, such as 10000, 1e4, 10,000 or 10k, as a length in updates."""
    if total is None or not re.fullmatch(r"\s*[\d_.,]+(?:[eE]\+?\d{1,2})?[kKMBGT]?\s*", total):
        return total
    return f"{_joined('--total', total)} updates"


_GROUPS = re.compile(r"[1-9]\d{0,2}(?:,\d{3})+(?![\d,])")
_SCALES = {"k": 1e3, "M": 1e6, "B": 1e9, "G": 1e9, "T": 1e12}


def _joined(option: str, text: str) -> str:
    """Return a number without the commas between its thousands; a decimal comma is refused.

    So is a point that may be either: 1.000 is 1 here, and 1,000 in half of Europe.
    """
    who = f"{option} {shorten(text)}"
    plain = _GROUPS.sub(lambda found: found[0].replace(",", ""), text.strip())
    if "," in plain:
        fix = f"write {option} {plain.replace(',', '.')}"
        raise ScheduleError(who, "has a comma that stands for no thousands", fix)
    if re.fullmatch(r"[1-9]\d{0,2}(?:\.\d{3})+", plain):
        whole = plain.replace(".", "")
        first = plain.partition(".")[0] if not plain.partition(".")[2].strip("0") else plain
        several = plain.count(".") > 1
        rule = "has points between its digits" if several else f"may be {first} or {whole}"
        fix = f"write {option} {whole}" if several else f"write {option} {first} or {whole}"
        raise ScheduleError(who, rule, fix)
    return plain


def read_number(option: str, text: str, *, counts: bool = True, example: str = "100") -> float:
    """Return what an option gives as a number: 10000, 1e4, 10,000 or 10k.

    >>> read_number("--examples", "10k"), read_number("--lr", "3e-4", counts=False)
    (10000.0, 0.0003)
    """
    plain = _joined(option, text) if counts or "," in text else text.strip()
    scale = _SCALES.get(plain[-1:].replace("K", "k"), 1.0) if counts else 1.0
    try:
        return float(plain[:-1] if scale != 1 else plain) * scale
    except ValueError:
        pass
    if plain.endswith("%") and re.fullmatch(r"[\d.]+", plain[:-1].strip()):
        example = f"{float(plain[:-1]) / 100:g}"
    raise ScheduleError(f"{option} {shorten(text)}", "is not a number", f"write {option} {example}")


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
