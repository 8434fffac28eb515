"""Configs with slips of the pen are never read as something else without a word.

For every format that a config can be in, files of its own are damaged at random: keys that nobody
knows are added, keys are misspelt, keys of other formats are mixed in, values are of a wrong kind.
Each is refused, or its plan is that of the file as it was and a note names what was not read.
"""

from __future__ import annotations

import copy
import functools
import random
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ratewise.convert.pieces.flags import typed
from ratewise.convert.pieces.keys import looks_scheduled
from ratewise.convert.reading import Reading, formats, read_source
from ratewise.convert.sources import load
from ratewise.convert.unread import own_paths
from ratewise.schedule import Plan, ScheduleError
from tests.convert.configs.texts import SOURCES, text

PUBLIC = Path(__file__).parent / "public"
TOLD: list[dict[str, Any]] = [
    {},
    {"total": 300},
    {"epoch": 50},
    {"total": 300, "epoch": 50},
    {"total": 300, "processes": 2},
    {"total": 300, "warmup_min_lr": 0, "warmup_max_lr": 1e-4, "warmup_num_steps": 20},
]
"""What files may leave out; the first that is enough is told."""
LARGEST = 60
"""Leaves of a file that is used whole; larger ones are only mixed from."""
CONFIGS = [
    name
    for name, each in formats().items()
    if each.read.__module__.startswith("ratewise.convert.configs") or name == "transformers"
]
EVERY = 50
"""Files for each kind of damage."""

Path_ = tuple[Any, ...]


# Samples ------------------------------------------------------------------------------------


def _owner(stem: str) -> str | None:
    """The format that a public file is named after."""
    return max((n for n in CONFIGS if stem.startswith(f"{n}_")), key=len, default=None)


def _parsed(source: Any) -> Any:
    """A config as keys and values, flags too."""
    content = load(source)
    return typed("flags", content) if isinstance(content, str) and "--" in content else content


def _written(config: Any) -> Any:
    """A config as it is given to `read`: flags as a text."""
    if not isinstance(config, Mapping) or not any(str(key).startswith("--") for key in config):
        return config
    words = ["train"]
    for key, value in config.items():
        several = value if isinstance(value, list) else [] if value is True else [value]
        words += [key, *map(str, several)]
    return shlex.join(words)


@functools.cache
def samples(name: str) -> list[tuple[Any, dict[str, Any], Reading]]:
    """Files of a format that are read, with what has to be told, and how they are read."""
    files: list[Any] = [each for each in PUBLIC.iterdir() if _owner(each.stem) == name]
    files = [_parsed(each) for each in sorted(files)]
    if name in SOURCES:
        files.append(_parsed(text(name)))
    found: list[tuple[Any, dict[str, Any], Reading]] = []
    for config in files:
        for told in [*TOLD, SOURCES[name][1] if name in SOURCES else {}]:
            try:
                reading = read_source(_written(config), **told)
            except ScheduleError:
                continue
            if reading.format.name == name and reading.total and "lr" in reading.plan.peak:
                found.append((config, told, reading))
                break
    found.sort(key=lambda each: sum(1 for _ in leaves(each[0])))
    return [each for each in found[:4] if sum(1 for _ in leaves(each[0])) <= LARGEST] or found[:1]


def leaves(config: Any, before: Path_ = ()) -> Iterator[Path_]:
    """The paths of all keys, mappings included."""
    if isinstance(config, Mapping):
        for key, value in config.items():
            yield (*before, key)
            yield from leaves(value, (*before, key))


def at(config: Any, path: Path_) -> Any:
    for key in path:
        config = config[key]
    return config


# What is the same ---------------------------------------------------------------------------


def _same(found: Reading, before: Reading) -> bool:
    """Whether two readings are one plan of one length, to the last bits of the rates."""
    if found.total != before.total:
        return False
    if found.plan == before.plan:
        return True
    a, b = _rates(found.plan, before.total or 300), _rates(before.plan, before.total or 300)
    return {*a} == {*b} and all(np.allclose(a[key], b[key], rtol=1e-12, atol=0) for key in a)


def _rates(plan: Plan, total: int) -> dict[str, list[float]]:
    """The values of everything that a plan sets, at updates all over the run."""
    updates = sorted({*range(0, total, max(total // 40, 1)), *range(min(total, 12)), total - 1})
    found: dict[str, list[float]] = {}
    for key in ("lr", "momentum", "weight_decay"):
        schedule = getattr(plan, key)
        if schedule is not None:
            level = schedule.resolve(total)
            found[key] = [plan.peak.get(key, float("nan")) * level(t) for t in updates]
    return found


def _try(config: Any, told: dict[str, Any], **more: Any) -> Reading | None:
    """A reading, or None where it is refused or its rates are not known."""
    try:
        found = read_source(_written(config), **told, **more)
    except ScheduleError:
        return None
    return found if "lr" in found.plan.peak else None


def _plain(key: Any) -> str:
    """A key without what makes it a flag."""
    return str(key).lstrip("-").replace("-", "_")


def _noted(found: Reading, key: Any) -> bool:
    return any(_plain(key) in note for note in found.plan.notes)


# Damage -------------------------------------------------------------------------------------

PLAIN = ["frobnicate", "hidden_width", "data_root", "zeta7", "verbosity", "tokenizer_threads"]
SPEAKING = ["warmup_extra", "cooldown_iters_x", "my_decay_steps", "min_lr_x", "sched_kind", "lr_b",
            "anneal_q", "restart_every_x", "milestones_x"]  # fmt: skip
JUNK = ["abc", "10%", [], ["x"], {"a": 1}, float("nan"), float("inf"), -float("inf"), "", "1,5"]


def _spelt(random_: random.Random, key: str) -> str:
    """A key with one edit."""
    letters = [i for i, letter in enumerate(key) if letter.isalnum()]
    i, letter = random_.choice(letters), random_.choice("aeionrstlx")
    kinds = [key[:i] + key[i + 1 :], key[:i] + letter + key[i:], key[:i] + letter + key[i + 1 :]]
    if i + 1 < len(key):
        kinds.append(key[:i] + key[i + 1] + key[i] + key[i + 2 :])
    return random_.choice(kinds)


def _put(config: Any, path: Path_, value: Any) -> Any:
    changed = copy.deepcopy(config)
    at(changed, path[:-1])[path[-1]] = value
    return changed


def _without(config: Any, path: Path_) -> Any:
    changed = copy.deepcopy(config)
    del at(changed, path[:-1])[path[-1]]
    return changed


def _draws(name: str, kind: str) -> Iterator[tuple[random.Random, Any, dict[str, Any], Reading]]:
    """Random files of a format to be damaged, the same in every run."""
    random_ = random.Random(f"{name} {kind}")
    found = samples(name)
    assert found, f"no public file and no sample of {name}: add some"
    for _ in range(EVERY):
        config, told, before = random_.choice(found)
        if isinstance(config, Mapping):
            yield random_, config, told, before


def _flagged(config: Any, key: str) -> str:
    """A key as the config writes its own."""
    is_flags = any(str(each).startswith("--") for each in config)
    return "--" + key.replace("_", "-") if is_flags else key


@pytest.mark.parametrize("name", CONFIGS)
def test_a_key_that_nobody_knows_is_noted_or_refused(name: str) -> None:
    """What looks like a schedule is refused, anything else changes nothing and is listed."""
    for random_, config, told, before in _draws(name, "unknown"):
        speaks = random_.random() < 0.5
        key = _flagged(config, random_.choice(SPEAKING if speaks else PLAIN))
        found = _try({**config, key: random_.choice([3, 0.5, "x", True])}, told)
        if speaks:
            assert found is None, (key, config)
        elif found is not None:
            assert _same(found, before), (key, config)
            assert _noted(found, key), (key, config)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_misspelt_key_is_never_left_out_in_silence(name: str) -> None:
    """It is refused, or it is noted and changes nothing."""
    for random_, config, told, before in _draws(name, "misspelt"):
        path = random_.choice([p for p in leaves(config) if isinstance(p[-1], str)])
        beside = at(config, path[:-1])
        spelt = _spelt(random_, path[-1])
        if spelt in beside or not spelt.strip("-_"):
            continue
        changed = _put(_without(config, path), (*path[:-1], spelt), at(config, path))
        for more in ({}, {"format": name}):
            found = _try(changed, told, **more)
            assert found is None or _same(found, before), (path, spelt, more, found)


@pytest.mark.parametrize("name", CONFIGS)
def test_keys_of_other_formats_change_nothing(name: str) -> None:
    """A file with a few keys of another format is asked about, refused, or read as without them."""
    for random_, config, told, before in _draws(name, "mixed"):
        other = random_.choice([each for each in CONFIGS if each != name])
        known = {_plain(key) for key in config} | own_paths(formats()[name])
        their = random_.choice(samples(other))[0]
        items = their.items() if isinstance(their, Mapping) else []
        fresh = [(_flagged(config, _plain(k)), v) for k, v in items if _plain(k) not in known]
        mixed = {**config, **dict(random_.sample(fresh, min(len(fresh), random_.randint(1, 3))))}
        for more in ({}, {"format": name}):
            found = _try(mixed, told, **more)
            assert found is None or _same(found, before), (other, mixed, more, found)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_value_of_a_wrong_kind_is_refused(name: str) -> None:
    """Nothing is read in its place: the plan is that of the file, or of one without the key."""
    for random_, config, told, before in _draws(name, "values"):
        path = random_.choice([*leaves(config)])
        value = at(config, path)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        drawn = random_.random()
        junk: Any = random_.choice(JUNK)
        allowed = [before]
        if drawn < 0.2:
            junk = None
            allowed.append(_try(_without(config, path), told))
        elif number and drawn < 0.4:
            junk = f"{value:e}" if isinstance(value, float) else str(value)
        elif number and drawn < 0.6:
            junk = random_.choice([True, -abs(value) - 0.5])
            allowed.append(_try(_without(config, path), told))
        changed = _put(config, path, junk)
        for more in ({}, {"format": name}):
            found = _try(changed, told, **more)
            right = found is None or any(each and _same(found, each) for each in allowed)
            assert right, (path, value, junk, more, found)


def test_what_looks_like_a_schedule_is_known() -> None:
    """The words of the test are words that the readers look for, and the others are not."""
    assert all(looks_scheduled(key) for key in SPEAKING)
    assert not any(looks_scheduled(key) for key in PLAIN)
