"""Names, notes and texts of others stay what they are in what is written: never code."""

from __future__ import annotations

import ast
import functools
import json
import re
from typing import Any

import pytest
from hypothesis import example, given, settings

import ratewise as rw
from ratewise.convert import write
from ratewise.schedule.meant import is_pattern
from tests.hostile import driving, names

CODE = ("keras", "lightning", "optax", "torch", "transformers")
RATE = rw.Hold(0.1, over=1) >> rw.Warmup(5, start=0.1) >> rw.Hold()
TOTAL = 20
BREAKOUT = '"""\nimport os; os.abort()\n"""'

NODES = set(
    re.findall(
        r"\S+",
        """
    Add AnnAssign Assign Attribute BinOp BitOr Call ClassDef Compare Constant Dict Div Eq
    And BoolOp Expr FloorDiv For FunctionDef GtE If IfExp Import ImportFrom In Is IsNot Lambda List
    ListComp Load
    Lt Mod Module Mult Name Not NotEq NotIn Pow Return Slice Starred Store Sub Subscript
    Tuple USub UnaryOp alias arg arguments comprehension keyword
""",
    )
)
"""Kinds of nodes that a written file may consist of."""

CALLS = set(
    re.findall(
        r"\S+",
        """
    LambdaLR PlanScheduler __init__ enumerate str
    array asarray cast clip expand_dims fill_ float fnmatchcase full len sort sub
    get get_config hasattr int isinstance items keys_of level make_scheduler max maximum
    min minimum partition place read real register_keras_serializable register_step rstrip
    searchsorted select setdefault shape step sum super take value where write
""",
    )
)
"""Last names of all functions that a written file may call."""

MODULES = {
    "bisect",
    "fnmatch",
    "math",
    "re",
    "keras",
    "jax.numpy",
    "torch.optim",
    "torch.optim.lr_scheduler",
}
MODULES |= {"lightning.pytorch.utilities.types"}


def plan_of(one: str, two: str, note: str) -> rw.Plan:
    """A plan with names of others wherever there are names."""
    keys = {one: rw.Hold(0.25), two: rw.Hold(0.5)}
    part = rw.Plan(lr=rw.Hold(0.75), keys={one: rw.Hold(0.125)})
    groups = {one: rw.Hold(0.3), two: part}
    return rw.Plan(lr=RATE, keys=keys, groups=groups, peak={"lr": 3e-4}, notes=[note, one])


class Plain(ast.NodeTransformer):
    """Takes texts and the names of functions of levels out of a tree: what is left is its shape."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}

    def rename(self, name: str) -> str:
        if name.endswith(("level", "schedule")):
            return self.known.setdefault(name, f"f{len(self.known)}")
        return name

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.name = self.rename(node.name)
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self.rename(node.id)
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        node.value = "text" if isinstance(node.value, str) else node.value
        return node


def shape(source: str) -> str:
    return ast.dump(Plain().visit(ast.parse(source)))


@functools.cache
def plain_shape(target: str, patterns: bool = False) -> str:
    plan = plan_of("a*" if patterns else "a", "b", "c")
    return shape(write(plan, target, total=TOTAL, approximate=True))


def shape_for(target: str, *groups: str) -> str:
    """The shape of a file for groups that are called so: that for patterns tries them."""
    patterns = any(map(is_pattern, groups)) and target in ("torch", "lightning", "transformers")
    return plain_shape(target, patterns)


def check_white_list(source: str) -> None:
    for node in ast.walk(ast.parse(source)):
        assert type(node).__name__ in NODES, ast.dump(node)
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func).rpartition(".")[2]
            assert called in CALLS or called.endswith("_level"), ast.unparse(node)
        if isinstance(node, ast.Import):
            assert {alias.name for alias in node.names} <= MODULES
        if isinstance(node, ast.ImportFrom):
            assert node.module in MODULES


def tables(source: str) -> dict[str, Any]:
    """The tables of a file for PyTorch: keys by group, None for all others."""
    found: dict[str, Any] = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.AnnAssign):
            assert isinstance(node.value, ast.Dict)
            found[ast.unparse(node.target)] = node.value
    groups = zip(found["GROUPS"].keys, found["GROUPS"].values, strict=True)
    told = {ast.literal_eval(name): _keys(table) for name, table in groups}
    return {None: _keys(found["EVERY"]), **told}


def _keys(table: ast.Dict) -> list[str]:
    return [ast.literal_eval(key) for key in table.keys]


@pytest.mark.parametrize("target", CODE)
@settings(max_examples=12, derandomize=True)
@given(one=names, two=names, note=names)
@example(one=BREAKOUT, two=BREAKOUT + "\\", note=BREAKOUT)
@example(one="a/b", two="a b", note="\r\x0c\x85\u2028import os")
@example(one="²", two="ﬁ", note="\ud800")
@example(one='layers.*"""', two="[a'\"]?", note="*")
@example(one="x" * 20_000, two="x" * 20_001, note="y" * 100_000)
def test_no_name_becomes_code(target: str, one: str, two: str, note: str) -> None:
    """Code written for hostile names is that for plain ones, but for the texts in it."""
    one, two = (name + "'" if name == "lr" else name for name in (one, two))
    if one == two:
        two += "'"
    plan = plan_of(one, two, note)
    source = write(plan, target, total=TOTAL, approximate=True)
    assert driving(source) == set()
    compile(source.encode(), "written", "exec")
    assert shape(source) == shape_for(target, one, two)
    check_white_list(source)
    if target in ("torch", "lightning", "transformers"):
        every = ["lr", one, two]
        assert tables(source) == {None: every, one: every, two: every}


@settings(max_examples=15, derandomize=True)
@given(name=names, note=names)
def test_json_for_deepspeed_is_json_whatever_names_are(name: str, note: str) -> None:
    """The scheduler in it does not change, and names stand in its comment, spelled out."""
    plan = rw.Plan(lr=RATE, groups={name: rw.Hold()}, peak={"lr": 3e-4}, notes=[note])
    text = write(plan, "deepspeed", total=TOTAL, approximate=True)
    plain = write(rw.Plan(lr=RATE, peak={"lr": 3e-4}), "deepspeed", total=TOTAL, approximate=True)
    assert driving(text) == set()
    found = json.loads(text.encode())
    assert found["scheduler"] == json.loads(plain)["scheduler"]
    assert found.keys() == {"_comment", "scheduler"}


RUN = [(BREAKOUT, "a/b"), ("a b", "a_b"), ("名²\\", "\u202e\x1b[31m'\"")]


@pytest.mark.parametrize(("one", "two"), RUN)
def test_written_code_gives_every_group_its_own_rates(one: str, two: str) -> None:
    """Groups and keys with hostile names have, in PyTorch, the values of the plan."""
    torch = pytest.importorskip("torch")
    first, second = rw.Linear(to=0), rw.Cosine(to=0.5)
    groups = {one: first, two: rw.Plan(lr=second, keys={one: first})}
    plan = rw.Plan(lr=RATE, keys={one: second, two: first}, groups=groups)
    space: dict[str, Any] = {}
    exec(compile(write(plan, "torch", total=TOTAL), "written", "exec"), space)
    made = [{"params": [torch.nn.Parameter(torch.ones(1))], "name": n, one: 2.0, two: 4.0}
            for n in (one, two, "other")]  # fmt: skip
    optimizer = torch.optim.SGD(made, lr=0.5)
    scheduler = space["make_scheduler"](optimizer)
    used = []
    for _ in range(TOTAL):
        used.append([[group[key] for key in ("lr", one, two)] for group in optimizer.param_groups])
        optimizer.step()
        scheduler.step()
    for place, rates in enumerate(((first, second, first), (second, first, first),
                                   (RATE, second, first))):  # fmt: skip
        for key, (base, schedule) in enumerate(zip((0.5, 2.0, 4.0), rates, strict=True)):
            wanted = base * schedule.resolve(TOTAL).values()
            assert [u[place][key] for u in used[1:]] == pytest.approx(wanted[1:], rel=1e-12)


def test_keys_that_look_alike_have_their_own_schedules_in_optax() -> None:
    """Two keys of which only signs differ are two schedules."""
    jnp = pytest.importorskip("jax.numpy")
    plan = rw.Plan(lr=RATE, keys={"a/b": rw.Hold(0.25), "a b": rw.Hold(0.5), "!": rw.Hold(0.75)})
    space: dict[str, Any] = {}
    exec(compile(write(plan, "optax", total=TOTAL), "written", "exec"), space)
    made = [value for name, value in space.items() if name.endswith("schedule")]
    assert sorted(float(one(1.0)(jnp.int32(3))) for one in made[1:]) == [0.25, 0.5, 0.75]
