"""Print the files of tests that the packages of this Python allow, one a line.

A file is left out if it, or what it imports of the tests, imports a package that is not here. A
face of ratewise, such as `ratewise.torch`, needs its framework.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FACES = {"torch", "keras", "optax", "transformers", "lightning"}
FOLDERS = [ROOT / name for name in ("tests", "benchmarks", "examples")]
OWN = {"tests", *(path.stem for folder in FOLDERS for path in folder.rglob("*.py"))}


def modules(path: Path) -> Iterator[str]:
    """Yield the modules that a file imports, at the top or in a function."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and "import_module(f" in ast.unparse(node):
            beside = path.parent.relative_to(ROOT).as_posix().replace("/", ".")  # any of them
            yield from (f"{beside}.{one.stem}" for one in path.parent.glob("[!t_]*.py"))
        elif isinstance(node, ast.Call) and path.name == "conftest.py":
            asked = [a.value for a in node.args if isinstance(a, ast.Constant)]
            yield from asked if ast.unparse(node.func) == "pytest.importorskip" else ()


@cache
def needs(path: Path) -> tuple[frozenset[str], frozenset[Path]]:
    """Return the packages that a file imports and are not here, and the files of tests it needs."""
    packages: set[str] = set()
    files = {one / "conftest.py" for one in path.parents if ROOT / "tests" in one.parents}
    for name in modules(path):
        top, *rest = name.split(".")
        files.add(ROOT.joinpath(*name.split(".")).with_suffix(".py"))
        if top == "ratewise":
            packages |= {face for face in FACES & {*rest} if not importlib.util.find_spec(face)}
        elif top not in OWN:
            packages |= {top} if not importlib.util.find_spec(top) else set()
    return frozenset(packages), frozenset(filter(Path.is_file, files))


def missing(path: Path) -> set[str]:
    """Return the packages that are not here and that a file needs, with what it imports."""
    waiting, seen = [path], {path}
    found: set[str] = set()
    while waiting:
        packages, files = needs(waiting.pop())
        found |= packages
        waiting += files - seen
        seen |= files
    return found


def main() -> None:
    """Print what can be run, and to standard error how much cannot and for want of what."""
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    left = {path: missing(path) for path in files}
    for path in files:
        if not left[path]:
            print(path.relative_to(ROOT).as_posix())
    wanting = sorted(set().union(*left.values()))
    if wanting:
        count = sum(map(bool, left.values()))
        told = f"{count} of {len(files)} files of tests are left out: no {', '.join(wanting)} here"
        print(told, file=sys.stderr)


if __name__ == "__main__":
    main()
