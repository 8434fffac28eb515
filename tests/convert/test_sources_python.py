# ruff: noqa: E501 — configs as they are written
"""Python configs are worked out as Python would run them, or not at all."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratewise import ScheduleError
from ratewise.convert import read
from ratewise.convert.configs.mmengine import FORMATS as MMENGINE
from ratewise.convert.sources import load
from ratewise.convert.sources.python import assigned
from ratewise.convert.sources.unknown import Elsewhere, Partial, Unknown
from tests.convert.configs.checks import agree
from tests.convert.configs.checks import read as read_mapping
from tests.convert.configs.formulas_mmengine import Scheduler, trace
from tests.convert.configs.texts import SOURCES
from tests.examples import examples


def run(text: str) -> dict[str, Any]:
    """What Python itself makes of a text: its names and their values."""
    names: dict[str, Any] = {}
    exec(text, names)
    del names["__builtins__"]
    return names


def known(value: Any) -> Any:
    """A value with no part unknown; anything else is an error."""
    assert not isinstance(value, Unknown), value
    assert not isinstance(value, Partial) or value.rest is None, value
    if isinstance(value, dict):
        return {key: known(item) for key, item in value.items()}
    return type(value)(map(known, value)) if isinstance(value, list | tuple) else value


WORKED_OUT = {
    "arithmetic": "a = 300\nb = a // 2\nc = a / 7\nd = -a + 2 ** 5 % 7\ne = 1e-3 * 0.05\nf = 2 ** -1\n",
    "calls": "a = int(0.7 * 12)\nb = float('1e-3')\nc = min(3, a)\nd = max([1, 5])\ne = len([1, 2])\n"
    "f = round(2.567, 1)\ng = abs(-2)\nh = sum([1, 2.5])\ni = list(range(2, 9, 3))\nj = tuple([1])\n",
    "mappings": "a = dict(b=1, **dict(c=2))\nd = dict(a, b=3)\ne = {**a, 'f': [1, (2, 3)]}\ng = a | {'b': 0}\n",
    "lists": "a = [1, 2] + [3]\nb = [0] * 3\nc = (1,) + (2,)\nd = [*a, 4]\ne = a[1:]\nf = a[-1]\n",
    "texts": "a = 'x' + 'y'\nb = f'{a}-{1.5}-{2:.2f}'\nc = 'ab' * 2\nd = str(3)\n",
    "comparisons": "a = 3\nb = 1 if a > 2 else 0\nc = a in (1, 3)\nd = not a\ne = a == 3 and 'x'\nf = 0 or 5\n"
    "g = 1 < a <= 3\nh = None is None\n",
    "changes": "a = dict(b=dict(c=1), d=[1])\na['b']['c'] = 2\na['e'] = 3\na['d'].append(4)\n"
    "a['d'] += [5]\na.update(f=6)\na.update({'g': 7})\ndel a['e']\nh = a.get('x', 8)\ni = a.pop('f')\n"
    "a.setdefault('j', []).extend([9])\n",
    "one object by two names": "a = dict(b=1)\nc = a\nd = [a, a]\nc['b'] = 2\nd[0].update(e=3)\nf = a.copy()\n"
    "f['b'] = 4\n",
    "counters": "a = 1\na += 2\na *= 3\na -= 1\na /= 4\nb = [1]\nc = b\nb += [2]\nd = (1,)\nd += (2,)\n",
    "several at once": "a = b = [1]\nc, d = 1, 2\n(e, [f, g]) = (3, (4, 5))\nb.append(2)\nh: int = 6\ni: float\n",
    "branches": "a = 2\nif a > 1:\n    b = 3\n    if a == 5:\n        c = 1\n    else:\n        c = 2\nelse:\n    b = 4\n",
    "mathematics": "import math\nfrom math import ceil as up\na = math.ceil(7 / 2)\nb = up(0.1)\nc = math.sqrt(2)\n"
    "d = math.pi / 2\ne = math.cos(d)\n",
    "copies": "import copy\na = dict(b=[1])\nc = copy.deepcopy(a)\nc['b'].append(2)\nd = copy.copy(a)\nd['e'] = 1\n",
    "comprehensions": "a = 10\nx = 5\nb = [int(x * a) for x in (0.5, 0.8)]\nc = [x for x in b if x > 5]\nd = x\n"
    "e = [[y, a] for y in range(2)]\nf = [x for x in []]\n",
    "strange names": "dicta = 1\nlen_ = 2\n_x = 3\nx1 = dict(_delete_=True)\n",
}  # fmt: skip


@pytest.mark.parametrize("name", WORKED_OUT)
def test_what_can_be_worked_out_is_what_python_makes_of_it(name: str) -> None:
    """Every name has the value, and the type, that it has where the file is run."""
    text = WORKED_OUT[name]
    expected = {
        k: v
        for k, v in run(text).items()
        if type(v).__name__ not in ("module", "builtin_function_or_method") and k[:2] != "__"
    }
    found = known(assigned("file", text))
    assert found == expected
    assert {k: type(v) for k, v in found.items()} == {k: type(v) for k, v in expected.items()}


NOT_WORKED_OUT = {
    "a call": "lr = get_lr()",
    "a call with a value": "base = 1\nlr = base * scale(base)",
    "a name of nowhere": "lr = base_lr * 2",
    "an import": "from defaults import lr\nlr = lr * 2",
    "a loop": "lr = 1\nfor i in range(3):\n    lr = lr * 0.5",
    "a loop while": "lr = 1\nwhile lr < 3:\n    lr += 1",
    "a branch": "import os\nlr = 1\nif os.environ.get('X'):\n    lr = 2",
    "another branch": "lr = 1\nif 'X' in names:\n    pass\nelse:\n    lr = 2",
    "a try": "lr = 1\ntry:\n    lr = int('x')\nexcept ValueError:\n    lr = 3",
    "a with": "lr = 1\nwith open('x') as f:\n    lr = 2",
    "a name of a with": "with open('x') as lr:\n    pass",
    "a match": "lr = 1\nmatch [1, 2]:\n    case [1, lr]:\n        pass",
    "an expression in a condition": "lr = 1\nx = (lr := 5)",
    "a comprehension": "lr = {x * 2 for x in (1, 2)}",
    "a comprehension of two": "lr = [x * y for x in (1, 2) for y in (3, 4)]",
    "a comprehension over what is unknown": "lr = [x * 2 for x in f()]",
    "a name of a comprehension": "x = [lr for lr in (1, 2)]\nlr = lr",
    "a comprehension with a condition": "lr = [x for x in (1, 2) if f(x)]",
    "a lambda": "lr = (lambda: 3)()",
    "a function that assigns": "lr = 1\ndef f():\n    global lr\n    lr = 2\nf()",
    "exec": "lr = 1\nexec(open('configurator.py').read())",
    "globals": "lr = 1\nglobals()['lr'] = 2",
    "globals changed": "lr = 1\nglobals().update(lr=3)",
    "locals": "lr = 1\nlocals().update(lr=3)",
    "setattr": "lr = 1\nsetattr(__import__('sys').modules[__name__], 'lr', 2)",
    "a star": "lr = 1\nfrom defaults import *",
    "a built-in of somebody else": "from numbers_ import *\nlr = max(1, 2)",
    "a built-in with another meaning": "def max(a, b):\n    return 7\nlr = max(1, 2)",
    "a built-in assigned": "min = len\nlr = min([5, 6])",
    "a division by zero": "lr = 1 / 0",
    "a number that is none": "lr = (-8) ** 0.5",
    "a text times": "lr = int('x')",
    "an index of nothing": "lr = [1][5]",
    "a key of nothing": "lr = {}['a']",
    "deleted": "x = dict(lr=1)\nlr = 1\ndel lr\nlr = lr",
    "a class": "class lr:\n    a = 1\nlr = lr.a",
    "another class": "class A:\n    lr = 1\nlr = A.lr",
    "a value of the command line": "import sys\nlr = float(sys.argv[1]) if len(sys.argv) > 1 else 1e-3",
    "the environment": "import os\nlr = float(os.getenv('LR', 1e-3))",
    "one of several": "a, lr = split()",
    "await": "lr = [*names]",
    "a set": "lr = {1, 2}",
    "a starred target": "a, *lr = [1, 2, 3]",
}
IN_PLACE = {
    "a function": "cfg = dict(lr=1)\nchange(cfg)",
    "a function of the file": "cfg = dict(lr=1)\ndef f():\n    cfg['lr'] = 2\nf()",
    "a function of the file that updates": "cfg = dict(lr=1)\ndef f():\n    cfg.update(lr=2)\nf()",
    "a method": "cfg = dict(lr=1)\ncfg.change()",
    "a method with an unknown value": "cfg = dict(lr=1)\ncfg.update(other())",
    "a key that is not known": "cfg = dict(lr=1)\ncfg[key] = 2",
    "a loop": "cfg = dict(lr=1)\nfor k in list(cfg):\n    cfg[k] = 2",
    "another name": "cfg = dict(lr=1)\nother = cfg\nother.update(f())",
    "a part": "part = dict(lr=1)\ncfg = dict(a=part)\nchange(part)\ncfg = cfg['a']",
    "a part inside": "cfg = dict(lr=1)\nall_of_it = [cfg]\nchange(all_of_it)",
    "a value that is returned": "cfg = dict(lr=1)\nx = change(cfg)",
    "a value inside of a value": "cfg = dict(lr=1)\nx = [1, dict(a=change(cfg))]",
    "a branch": "cfg = dict(lr=1)\nif somewhere:\n    cfg['lr'] = 2",
    "a delete": "cfg = dict(lr=1)\nif somewhere:\n    del cfg['lr']",
    "an attribute of a call": "cfg = dict(lr=1)\nchange(cfg).x = 3",
}


@pytest.mark.parametrize("name", NOT_WORKED_OUT)
def test_what_cannot_be_worked_out_is_unknown(name: str) -> None:
    """It is neither left out nor taken at a value that it had before."""
    found = assigned("file", NOT_WORKED_OUT[name]).get("lr")
    assert isinstance(found, Unknown)
    assert isinstance(found, Elsewhere) or "line" in found.why or "function" in found.why


@pytest.mark.parametrize("name", IN_PLACE)
def test_what_may_have_changed_in_place_is_unknown(name: str) -> None:
    """A mapping that unknown code was handed may be another one, by whatever name."""
    found = assigned("file", IN_PLACE[name]).get("cfg")
    inside = found if isinstance(found, Unknown) else found.get("lr")
    assert isinstance(inside, Unknown)


NAMES = st.sampled_from("abc")
ATOMS = st.one_of(
    NAMES,
    st.integers(-9, 99).map(str),
    st.sampled_from(
        ["0.05", "1e-3", "True", "None", "'x'", "[1, 2]", "(3,)", "dict(k=1)", "{'k': [4]}"]
    ),
)
EXPRESSIONS = st.recursive(
    ATOMS,
    lambda part: st.one_of(
        st.tuples(part, st.sampled_from(["+", "-", "*", "/", "//", "%", "**", "==", "<", "and", "or", "in"]), part).map(
            lambda x: f"({x[0]} {x[1]} {x[2]})"
        ),
        st.tuples(st.sampled_from(["int", "float", "len", "min", "max", "abs", "round", "sum", "list", "tuple", "str", "dict", "f"]), part).map(
            lambda x: f"{x[0]}({x[1]})"
        ),
        st.tuples(part, part, part).map(lambda x: f"({x[0]} if {x[1]} else {x[2]})"),
        st.tuples(part, st.sampled_from(["['k']", "[0]", "[1:]", ".get('k', 5)", ".copy()"])).map("".join),
        part.map(lambda x: f"-{x}"),
        st.lists(part, max_size=3).map(lambda x: f"[{', '.join(x)}]"),
        st.lists(part, max_size=2).map(lambda x: f"dict({', '.join(f'k{i}={v}' for i, v in enumerate(x))})"),
    ),
    max_leaves=8,
)  # fmt: skip
STATEMENTS = st.one_of(
    st.tuples(NAMES, st.sampled_from(["=", "=", "=", "+=", "*=", "-="]), EXPRESSIONS).map(" ".join),
    st.tuples(NAMES, EXPRESSIONS).map(lambda x: f"{x[0]}['k'] = {x[1]}"),
    st.tuples(NAMES, EXPRESSIONS).map(lambda x: f"{x[0]}.append({x[1]})"),
    st.tuples(NAMES, EXPRESSIONS).map(lambda x: f"{x[0]}.update(z={x[1]})"),
    st.tuples(EXPRESSIONS, NAMES, EXPRESSIONS).map(lambda x: f"if {x[0]}:\n    {x[1]} = {x[2]}"),
    st.tuples(NAMES, NAMES, EXPRESSIONS).map(lambda x: f"{x[0]}, {x[1]} = 7, {x[2]}"),
)


def same(found: Any, expected: Any) -> bool:
    """Whether a value is Python's own, unknown parts apart."""
    if isinstance(found, Unknown):
        return True
    if isinstance(found, Partial) and found.rest is not None:
        return all(key in expected and same(v, expected[key]) for key, v in found.items())
    if type(found) is not type(expected) and not isinstance(found, Partial):
        return False
    if isinstance(found, dict):
        return found.keys() == expected.keys() and all(same(found[k], expected[k]) for k in found)
    if isinstance(found, list) and any(isinstance(item, Unknown) for item in found):
        return len(found) == 1 or (len(found) == len(expected) and all(map(same, found, expected)))
    if isinstance(found, list | tuple):
        return len(found) == len(expected) and all(map(same, found, expected))
    return found == expected or (found != found and expected != expected)


@settings(max_examples=examples(120))
@given(st.lists(STATEMENTS, min_size=1, max_size=6))
def test_random_files_are_what_python_makes_of_them(statements: list[str]) -> None:
    """Statement by statement as far as Python itself comes: no other value, no other type."""
    texts = ["a = 3", "b = dict(k=2)", "c = [1, 2.5]"]
    names: dict[str, Any] = {"f": lambda x: x}
    for text in [*texts, *statements]:
        try:
            exec(text, {}, names)
        except Exception:
            break
        texts.append(text)
    texts = texts[3:]
    found = assigned("file", "from x import f\n" + "\n".join(texts))
    assert {name for name in "abc" if name in names} <= found.keys()
    for name in "abc":
        if "..." in repr(names[name]):  # it is in itself
            continue
        assert same(found[name], names[name]), ("\n".join(texts), name, found[name])


# Readers --------------------------------------------------------------------------------------

RTMDET = """\
max_epochs = 300
stage2_num_epochs = 20
base_lr = 0.004
train_cfg = dict(max_epochs=max_epochs, dynamic_intervals=[(max_epochs - stage2_num_epochs, 1)])
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=base_lr))
param_scheduler = [
    dict(type='LinearLR', start_factor=1.0e-5, by_epoch=False, begin=0, end=1000),
    dict(type='CosineAnnealingLR', eta_min=base_lr * 0.05, begin=max_epochs // 2,
         end=max_epochs, T_max=max_epochs // 2, by_epoch=True, convert_to_iter_based=True),
]
"""


def rtmdet(epoch: int) -> list[float]:
    """RTMDet's rates by MMEngine's recursions, worked out without the file."""
    warm = Scheduler("Linear", 0, 1000, 1, {"start_factor": 1e-5, "end_factor": 1.0})
    cosine = Scheduler("CosineAnnealing", 150 * epoch, 300 * epoch, 1,
                       {"T_max": 150 * epoch, "eta_min": 0.004 * 0.05})  # fmt: skip
    return trace(300 * epoch, 0.004, [warm, cosine])


def test_arithmetic_on_names_of_the_file(tmp_path: Path) -> None:
    """RTMDet's halves and shares are worked out; its length is its epochs."""
    path = tmp_path / "rtmdet.py"
    path.write_text(RTMDET)
    plan = read(path, epoch=8)
    agree(plan, rtmdet(8), slack=3e-13)
    assert plan == read_mapping(MMENGINE, run(RTMDET), 2400, epoch=8)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "base_lr = 0.004",
            "base_lr = scaled(0.004)",
            r"needs lr in .* got scaled\(0.004\) \(line 3",
        ),
        ("max_epochs = 300", "max_epochs = int(os.environ['E'])", r"got max_epochs // 2 \(line 8"),
        (
            "base_lr * 0.05",
            "lowest(base_lr)",
            r"got lowest\(base_lr\) \(line 8 is not worked out\)",
        ),
        ("optimizer=dict(type='AdamW', lr=base_lr)", "optimizer=make()", r"got .*make\(\).*line 5"),
        ("begin=max_epochs // 2", "begin=max_epochs // half", "max_epochs // half.*line 8"),
    ],
)
def test_a_reader_that_needs_what_is_unknown_names_it(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    """The error says what was written, and in which line."""
    path = tmp_path / "rtmdet.py"
    path.write_text(RTMDET.replace(old, new))
    with pytest.raises(ScheduleError, match=message):
        read(path, epoch=8)


def test_what_no_reader_needs_may_be_unknown(tmp_path: Path) -> None:
    """A model that is made by code changes no rate."""
    path = tmp_path / "rtmdet.py"
    path.write_text(f"from mmdet import build\nimport os\nmodel = build(os.environ)\n{RTMDET}")
    agree(read(path, epoch=8), rtmdet(8), slack=3e-13)


def test_nanogpt_takes_no_default_for_what_is_unknown(tmp_path: Path) -> None:
    """A key that the file has counts, known or not; nanoGPT's own is for one it does not have."""
    path = tmp_path / "config.py"
    text = "wandb_log = False\nmax_iters = 5 * 100\nlr_decay_iters = max_iters\nwarmup_iters = {}\n"
    path.write_text(text.format("max_iters // 10"))
    plan = read(path)
    assert plan.rates(500)[49] < plan.rates(500)[50] == plan.peak["lr"]
    assert plan.rates(500)[49] == pytest.approx(6e-4 * 50 / 51, rel=1e-12)
    path.write_text(text.format("warm()"))
    with pytest.raises(ScheduleError, match=r"needs warmup_iters.*got warm\(\) \(line 4"):
        read(path)


def test_classes_may_stand_for_their_names(tmp_path: Path) -> None:
    """MMEngine's newer configs name the class itself."""
    path = tmp_path / "config.py"
    path.write_text(
        "from mmengine.optim import LinearLR, CosineAnnealingLR as Cosine\n"
        "param_scheduler = [dict(type=LinearLR, start_factor=0.1, by_epoch=False, end=5),\n"
        "    dict(type=Cosine, by_epoch=False, begin=5, end=20)]\nparam_scheduler[1].end = 25\n"
        "optim_wrapper = dict(optimizer=dict(lr=1e-3))\n"
    )
    schedulers = [Scheduler("Linear", 0, 5, 1, {"start_factor": 0.1, "end_factor": 1.0}),
                  Scheduler("CosineAnnealing", 5, 25, 1, {"eta_min": 0.0})]  # fmt: skip
    agree(read(path, total=30), trace(30, 1e-3, schedulers), slack=3e-13)


def test_lazy_calls_are_mappings() -> None:
    """Detectron2's `LazyCall` names its target, and its keywords are keys."""
    text = (
        "from detectron2.config import LazyCall as L\nfrom torch.optim import SGD\n"
        "optimizer = L(SGD)(lr=0.1, momentum=0.9)\noptimizer.lr = 0.2\n"
    )
    expected = {"_target_": "torch.optim.SGD", "lr": 0.2, "momentum": 0.9}
    assert assigned("file", text) == {"optimizer": expected}


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every path of keys in a config."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        yield (*at, key)
        if isinstance(item, dict | list):
            yield from places(item, (*at, key))


def replaced(value: Any, at: tuple[Any, ...], new: Any) -> Any:
    """A copy of a config with another value at a path."""
    if not at:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[at[0]] = replaced(copy[at[0]], at[1:], new)
    return copy


@pytest.mark.parametrize(
    "name", [n for n, (text, _) in SOURCES.items() if isinstance(load(text), dict)]
)
def test_an_unknown_value_is_never_passed_over(name: str) -> None:
    """Of each format, with any one value unknown: the same plan, or an error."""
    text, told = SOURCES[name]
    config = load(text)
    plan = read(config, format=name, **told)
    refused = 0
    for at in places(config):
        unknown = Unknown(f"{at[-1]}()", "line 3 is not worked out")
        try:
            found = read(replaced(config, at, unknown), format=name, **told)
        except ScheduleError:
            refused += 1
            continue
        assert (found.lr, found.peak) == (plan.lr, plan.peak), at
    assert refused


def test_unknown_values_answer_no_question() -> None:
    """Neither their truth nor whether they equal a word is guessed."""
    value = Unknown("f(x)", "line 3 is not worked out")
    for ask in (bool, lambda v: v == "cosine", lambda v: v == 0, lambda v: v in ("a", "b")):
        with pytest.raises(ScheduleError, match=r"f\(x\) is needed and not known: line 3"):
            ask(value)
    assert value is not None
    assert value == value
    assert load({"a": math.inf}) == {"a": math.inf}
