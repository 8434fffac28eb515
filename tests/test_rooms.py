"""The rooms: who may import whom, that nothing runs in a circle, and one name for one class."""

from __future__ import annotations

import ast
import itertools
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src"

TRAINERS = ("composer", "deepspeed", "fastai", "ignite", "skorch", "ultralytics")
FACES = ("keras", "lightning", "optax", "torch", "transformers", *TRAINERS)
"""The public face of each framework: one file on top of its adapter."""

STANDS_ON: dict[str, tuple[str, ...]] = {
    "schedule": (),
    "view": (),
    "convert": ("schedule",),
    "adapters": ("schedule",),
    "show": ("schedule", "view"),
    "advise": ("schedule", "view"),
    **dict.fromkeys(FACES, ("adapters",)),
    "testing": (*FACES, "audit"),
    "launch": FACES,
    "tasks": ("adapters",),
    "runs": ("tasks",),
    "range_test": ("tasks", "view"),
    "logs": ("runs",),
    "compare": ("runs", "view"),
    "predict": ("logs", "view"),
    "audit": ("convert", "logs", "view"),
    "choose": ("advise", "compare", "convert", "predict", "range_test", "show"),
    "studio": ("audit", "choose"),
    "cli": ("launch", "studio", "testing"),
}
"""What a room is built on; whatever that is built on, it may import as well."""

NEUTRAL = {"_arrays", "_extras", "_files", "_json", "_printable", "_renamed"}
"""Small files beside the rooms that everything may import."""

DECLARED = "ratewise.schedule.base"
"""Its fluent methods, such as `clip` and `to_json`, load what they return when they are called."""


class Import(NamedTuple):
    """One import of another file of the package."""

    file: str
    line: int
    module: str
    late: bool

    def __str__(self) -> str:
        path = FILES[self.file].relative_to(ROOT).as_posix()
        return f"{path}:{self.line} imports {self.module}"


def name_of(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {name_of(path): path for path in sorted(SOURCE.rglob("*.py"))}


def named(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    """The files of the package that an import names."""
    if isinstance(node, ast.Import):
        asked = [alias.name for alias in node.names]
    else:
        assert not node.level, "imports are absolute"
        base = node.module or ""
        both = [(f"{base}.{alias.name}", base) for alias in node.names]
        asked = [longer if longer in FILES else shorter for longer, shorter in both]
    for module in asked:
        while module and module not in FILES:
            module = module.rpartition(".")[0]
        if module:
            yield module


def imports(file: str, node: ast.AST | None = None, late: bool = False) -> Iterator[Import]:
    """Every import of a file; late are those inside functions, or for the type checker alone."""
    tree = ast.parse(FILES[file].read_text(encoding="utf-8")) if node is None else node
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield from (Import(file, child.lineno, name, late) for name in named(child))
        else:
            typing = isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from imports(file, child, late or typing or inside)


EVERY = [found for file in FILES for found in imports(file)]


def room_of(module: str) -> str:
    """The room of a file; the package's own front page has none."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def below(room: str) -> set[str]:
    """All rooms that a room may import: itself, and what it stands on, all the way down."""
    return {room}.union(*(below(lower) for lower in STANDS_ON[room]))


def test_every_room_has_its_place() -> None:
    """No folder and no file stands outside of the plan."""
    rooms = {room_of(file) for file in FILES} - {"", "__main__"} - NEUTRAL
    assert rooms == set(STANDS_ON)


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/design/006-rooms.md"])
def test_the_maps_have_every_room(page: str) -> None:
    """Whoever looks for a room finds it in the tables, the public faces aside."""
    text = (ROOT / page).read_text(encoding="utf-8")
    assert [room for room in STANDS_ON if room not in FACES and f"| `{room}/` |" not in text] == []


@pytest.mark.parametrize("room", [*STANDS_ON, "", "__main__", *sorted(NEUTRAL)])
def test_imports_run_one_way(room: str) -> None:
    """A room imports what it stands on and nothing above or beside it, late imports included."""
    allowed = {"": {"schedule", "show"}, "__main__": {"cli"}}.get(room)
    if allowed is None:
        allowed = set() if room in NEUTRAL else below(room)
    if room in ("cli", "testing"):
        allowed = allowed | {""}  # they use the front page, as users do
    wrong = [
        str(found)
        for found in EVERY
        if room_of(found.file) == room and room_of(found.module) not in allowed | NEUTRAL | {room}
    ]
    assert wrong == []


def circles(edges: Mapping[str, set[str]]) -> list[list[str]]:
    """The strongly connected parts of a graph with more than one member (Tarjan 1972)."""
    count = itertools.count()
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        order[node] = lowest[node] = next(count)
        stack.append(node)
        for other in sorted(edges.get(node, ())):
            if other not in order:
                visit(other)
                lowest[node] = min(lowest[node], lowest[other])
            elif other in stack:
                lowest[node] = min(lowest[node], order[other])
        if lowest[node] == order[node]:
            part = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(part) > 1:
                found.append(sorted(part))

    for node in sorted(edges):
        if node not in order:
            visit(node)
    return found


def test_nothing_runs_in_a_circle() -> None:
    """No file needs itself through others, late imports and those for types included.

    The one exception is declared: the fluent methods of `schedule/base.py`.
    """
    edges: dict[str, set[str]] = defaultdict(set)
    for found in EVERY:
        if found.file != found.module and not (found.file == DECLARED and found.late):
            edges[found.file].add(found.module)
    told = [
        "\n".join(dict.fromkeys(str(one) for one in EVERY if {one.file, one.module} <= set(part)))
        for part in circles(edges)
    ]
    assert not told, "\n\n".join(told)


def test_circles_are_found() -> None:
    """A circle of two and one of three are seen, a chain is not."""
    edges = {"a": {"b"}, "b": {"a"}, "c": {"d"}, "d": {"e"}, "e": {"c", "f"}, "f": {"g"}}
    assert circles(edges) == [["a", "b"], ["c", "d", "e"]]


def test_no_init_loads_a_framework_or_a_heavy_library() -> None:
    """What needs a framework says so in a file of its own, never in an `__init__`."""
    heavy = {
        *TRAINERS,
        "torch",
        "keras",
        "tensorflow",
        "jax",
        "optax",
        "transformers",
        "lightning",
        "ray",
    }
    heavy |= {"matplotlib", "scipy", "sklearn", "optuna", "plotext", "rich", "typer"}
    heavy |= {"nicegui", "plotly"}
    guilty = [
        f"{path.relative_to(ROOT).as_posix()}:{node.lineno}"
        for name, path in FILES.items()
        if path.name == "__init__.py"
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Import | ast.ImportFrom)
        and {module.partition(".")[0] for module in foreign(node)} & heavy
    ]
    assert guilty == []


def foreign(node: ast.Import | ast.ImportFrom) -> list[str]:
    """The modules that an import at the top names, whosever they are."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""]


def test_a_class_has_a_name_of_its_own() -> None:
    """No two classes of the package that others can see share a name."""
    places: dict[str, list[str]] = defaultdict(list)
    for path in FILES.values():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(path.relative_to(ROOT).as_posix())
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_an_array_of_floats_has_one_name() -> None:
    """`Floats` is defined once; only the rates and losses of a run have names of their own."""
    aliases = {
        f"{path.relative_to(ROOT).as_posix()}: {target.id}"
        for path in FILES.values()
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign) and ast.unparse(node.value) == "NDArray[np.float64]"
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    protocols = "src/ratewise/tasks/protocols.py"
    assert aliases == {
        "src/ratewise/_arrays.py: Floats",
        f"{protocols}: Losses",
        f"{protocols}: Rates",
    }


def test_the_map_names_what_is_there() -> None:
    """Every room has its row in the design note, and every path in it exists."""
    page = (ROOT / "docs" / "design" / "006-rooms.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([\w./]+(?:\.py|/))`", page))
    places = (SOURCE / "ratewise", ROOT)
    lost = {name for name in named if not any((place / name).exists() for place in places)}
    assert lost == set()
    rooms = {name.rstrip("/").removesuffix(".py") for name in named if "/" not in name.rstrip("/")}
    assert set(STANDS_ON) - rooms - {face for face in FACES if f"{face}.py" in page} == set()
