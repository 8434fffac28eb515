"""Configs that name classes to be made: where they lie, and which of them is the scheduler.

Lightning writes `class_path` and `init_args`, Hydra `_target_` with the arguments beside it. Names
are looked up on lists of ours; nothing is imported or run because a file says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ratewise.convert.configs import _timm_classes as timm
from ratewise.convert.configs import _torch_classes as torch
from ratewise.convert.configs import _transformers_functions as transformers
from ratewise.convert.configs import nemo
from ratewise.convert.formats import RunFacts, ask
from ratewise.convert.pieces.keys import Keys, looks_scheduled
from ratewise.convert.sources.unknown import is_variable
from ratewise.schedule import Schedule, ScheduleError
from ratewise.schedule.errors import nearest, shorten

HYDRA = "_target_"
LIGHTNING = "class_path"
_OWN = {HYDRA, "_partial_", "_convert_", "_recursive_", "_args_"}
_LIGHTNINGS_OWN = {LIGHTNING, "init_args", "dict_kwargs"}
_TORCH = re.compile(r"torch\.optim\.(?:lr_scheduler|swa_utils)\.")
_PLATEAU = re.compile(r"(?:pytorch_lightning|lightning\.pytorch)\.cli\.ReduceLROnPlateau")
_TRANSFORMERS = re.compile(r"transformers\.(?:optimization\.)?(?=get_)")
_TIMM = re.compile(r"timm\.scheduler\.(?:\w+\.)?(?=\w+$)")
_NEMO = re.compile(r"nemo\.core\.optim\.lr_scheduler\.")
_NEMO_MODULE = re.compile(
    r"nemo\.lightning\.(?:pytorch\.optim\.)?(?:lr_scheduler\.)?(?=\w+Scheduler$)"
)
_RATES = re.compile(
    r"[Ss]ched(?!uleFree)|[a-z]LR$|[Ww]arm_?[Uu]p|[Aa]nneal|[Pp]lateau"
    r"|StochasticWeightAveraging$|LearningRateFinder$|Finetuning$"
)
"""How classes are called that change the rate, callbacks of Lightning among them."""
_NO_RATES = re.compile(
    r"nois|diffus|profil|weight_decay|(?:\b|_)ema(?:\b|_)|beta|temperature|velocity", re.IGNORECASE
)
_PLACE = re.compile(r"(?:^|_)sched(?:uler)?s?(?:_(?:config|cfg|conf|dict|list|params|init))?$")
_OPTIMIZERS = re.compile(r"^torch\.optim\.|\.OptimizerConfig$")
_OPTIMIZER = re.compile(r"(?:^|_)optim(?:i[sz]er)?s?(?:$|_)")


@dataclass(frozen=True)
class Instance:
    """A class that a config names.

    Attributes:
        path: Where it lies, keys with points between them.
        name: The class, with its module.
        given: Its arguments.
        beside: What stands beside them, where the arguments have a place of their own.
    """

    path: str
    name: str
    given: Mapping[str, Any] = field(hash=False)
    beside: Mapping[str, Any] = field(default_factory=dict[str, Any], hash=False)

    @property
    def key(self) -> str:
        """The key that it lies under."""
        return self.path.rpartition(".")[2]

    @property
    def family(self) -> tuple[str, str]:
        """What makes it and its name there; "" for a class that is on no list."""
        lists = (
            ("torch", _TORCH, torch.NAMES),
            ("torch", _PLATEAU, ()),
            ("transformers", _TRANSFORMERS, transformers.NAMES),
            ("timm", _TIMM, timm.CLASSES),
            ("nemo", _NEMO, nemo.POLICIES),
            ("nemo", _NEMO_MODULE, tuple(f"{name}Scheduler" for name in nemo.POLICIES)),
        )
        for family, module, known in lists:
            match = module.match(self.name)
            if match is not None:
                short = self.name[match.end() :] or "ReduceLROnPlateau"
                return (family, short) if short in known or not known else ("", self.name)
        if self.name in torch.NAMES:  # Lightning's command line knows the classes of PyTorch
            return "torch", self.name
        ours = self.name.partition(".")[0] == "ratewise"
        short = self.name.rpartition(".")[2]
        if ours and (self.name == "ratewise.torch.Scheduler" or short in Schedule.kinds):
            return "ratewise", short
        return "", self.name

    @property
    def is_scheduler(self) -> bool:
        """Whether it changes the rate, as far as its name or its place says."""
        short = self.name.rpartition(".")[2]
        if _NO_RATES.search(f"{self.path} {self.name}"):
            return bool(self.family[0])
        return bool(self.family[0] or _RATES.search(short) or _PLACE.search(self.key))


def is_optimizers(key: str, found: Instance | None) -> bool:
    """Tell whether what lies under a key belongs to an optimizer, by its place or its name."""
    named = found is not None and _OPTIMIZERS.search(found.name) is not None
    return named or bool(_OPTIMIZER.search(key))


def instance(path: str, value: Any) -> Instance | None:
    """Return what a value of a config names to be made, if it does."""
    if not isinstance(value, Mapping):
        return None
    if isinstance(value.get(HYDRA), str):
        given = {key: each for key, each in value.items() if key not in _OWN}
        positional = value.get("_args_")
        return Instance(
            path, value[HYDRA], {**given, "_args_": positional} if positional else given
        )
    if isinstance(value.get(LIGHTNING), str):
        parts = (value.get("init_args"), value.get("dict_kwargs"))
        given = {k: v for part in parts if isinstance(part, Mapping) for k, v in part.items()}
        beside = {key: each for key, each in value.items() if key not in _LIGHTNINGS_OWN}
        return Instance(path, value[LIGHTNING], given, beside)
    return None


def children(value: Any, path: str = "") -> Iterator[tuple[str, str, Any]]:
    """Return the keys of a mapping with their paths and values; of a list, what is in it."""
    pairs: Iterator[tuple[Any, Any]] = iter(())
    if isinstance(value, Mapping):
        pairs = iter(value.items())
    elif isinstance(value, list):
        pairs = ((i, each) for i, each in enumerate(value) if isinstance(each, Mapping | list))
    for key, each in pairs:
        yield str(key) if isinstance(key, str) else "", f"{path}.{key}".lstrip("."), each


def instances(value: Any, path: str = "") -> Iterator[Instance]:
    """Return all that a config names to be made, but for what lies in a scheduler."""
    found = instance(path, value)
    if found is not None:
        yield found
        if found.is_scheduler:
            return
    for _, inner, each in children(value, path):
        yield from instances(each, inner)


def check_keys(
    who: str, source: Any, used: Instance | None, known: set[str], path: str = ""
) -> None:
    """Refuse a key that looks like a schedule and is not read.

    Keys with false or nothing behind them are left alone, and so are those that hold the scheduler
    or the class of something else.
    """
    for key, inner, each in children(source, path):
        if (used is not None and inner == used.path) or (not path and is_variable(source, key)):
            continue
        holds = used is not None and used.path.startswith(f"{inner}.") and bool(_PLACE.search(key))
        plain = not holds and instance(inner, each) is None and inner not in known
        if plain and each not in (None, False) and _PLACE.search(key):
            rule = f"has {inner} and no class in it"
            raise ScheduleError(who, rule, "name its class, or read the live object")
        if plain and each not in (None, False) and _speaks_of_rates(key):
            near = nearest(
                key, ["lr_scheduler", "scheduler", *(k.rpartition(".")[2] for k in known)]
            )
            raise ScheduleError(who, f"has the key {shorten(inner, 60)}", near)
        check_keys(who, each, used, known, inner)


_OTHER_RATES = re.compile(r"_(?:lr|learning_rate)$|lr_find|(?:lr|learning_rate)_mult")


def _speaks_of_rates(key: str) -> bool:
    """Whether a key is about the rate of a group, or changes that of all."""
    if _OTHER_RATES.search(key):
        return True
    return looks_scheduled(key) and (key.startswith("lr") or not _NO_RATES.search(key))


@dataclass(frozen=True)
class ClassKeys(Keys):
    """The arguments of a class; one that is missing may be told by its name.

    Attributes:
        more: What was told.
    """

    more: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @classmethod
    def of(cls, found: Instance, ctx: RunFacts) -> ClassKeys:
        """Return the arguments of a class; "???" is Hydra's word for one that is missing."""
        given = {
            key: value
            for key, value in found.given.items()
            if value != "???" and key != "optimizer"  # which is given by the code
        }
        if "_args_" in given:
            rule = "has arguments without names (_args_)"
            raise ScheduleError(found.name, rule, "name them")
        return cls(found.name.rpartition(".")[2], given, ctx.more)

    def need(self, name: str) -> Any:
        """Return an argument that must be there, or was told."""
        if self.has(name):
            return self.given[name]
        if name in self.more:
            return self.more[name]
        raise ScheduleError(self.who, f"has no {name}", ask(name))
