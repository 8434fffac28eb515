"""The rules of the house: sizes, exports, who may import whom, and what stays out of the text."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "ratewise"
CODE = sorted([*SOURCE.rglob("*.py"), *(ROOT / "tests").rglob("*.py")])
ROOMS = sorted(p for p in SOURCE.rglob("__init__.py") if not p.parent.name.startswith("_"))

LONGEST = 400

TEXT_FOLDERS = ("src", "tests", "docs", "examples", "benchmarks", "requirements", ".ci")
TEXT_SUFFIXES = {".py", ".md", ".toml", ".txt", ".yml", ".yaml", ".cfg", ".html"}
STAY_OUT = {
    "a path of one machine": r"(?<![\w./])/(?:home|root|tmp|work|opt|Users)/\w",
    "where packages come from": r"(?:index-url|find-links|pythonhosted|/simple/)",
    "a number of a tracker": r"\b(?:issue|ticket|PR|pull request|GH)[ -]?#?\d",
    "work left undone": r"\b(?:TO[D]O|FIX[M]E|X[X]X)\b",
    "an unfinished merge": r"^(?:<{7}|={7}|>{7})(?: |$)",
}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def text_files() -> list[Path]:
    inside = [path for folder in TEXT_FOLDERS for path in (ROOT / folder).rglob("*")]
    return [
        path
        for path in sorted([*inside, *ROOT.iterdir()])
        if path.is_file() and (path.suffix in TEXT_SUFFIXES or path.name in {"Makefile", "run"})
    ]


def absolute(node: ast.ImportFrom, path: Path) -> str:
    """The module that a `from … import` names, with the leading dots filled in."""
    if not node.level:
        return node.module or ""
    package = ("ratewise", *path.relative_to(SOURCE).parent.parts)
    base = package[: len(package) - node.level + 1]
    return ".".join([*base, *([node.module] if node.module else [])])


def imports(path: Path) -> Iterator[str]:
    """Every module that a file may import, at its top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = absolute(node, path)
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def exports(path: Path) -> list[str] | None:
    """The literal `__all__` of a file, or None."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign) and node.value is not None:
            targets = [node.target]
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            return list(ast.literal_eval(node.value))
    return None


@pytest.mark.parametrize("path", CODE, ids=name_of)
def test_a_file_stays_short_enough_to_be_read_at_once(path: Path) -> None:
    """A file holds one idea, usually in 300 lines; past 400 it holds two."""
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= LONGEST, f"{name_of(path)} has {lines} lines: split it by idea"


@pytest.mark.parametrize("path", ROOMS, ids=name_of)
def test_a_room_says_in_order_what_it_exports(path: Path) -> None:
    """Each `__init__` of a public room has a literal `__all__`, sorted and without repeats."""
    names = exports(path)
    assert names is not None, f"{name_of(path)} needs an __all__"
    assert names == sorted(set(names), key=rank)


def test_what_the_package_exports_exists() -> None:
    """Every name in `ratewise.__all__` can be imported."""
    import ratewise

    assert [name for name in ratewise.__all__ if not hasattr(ratewise, name)] == []


def test_only_the_main_module_imports_the_command_line() -> None:
    """The commands parse, call and print; nothing depends on them."""
    guilty = [
        name_of(path)
        for path in sorted(SOURCE.rglob("*.py"))
        if path != SOURCE / "__main__.py"
        and path.parent != SOURCE / "cli"
        and any(re.match(r"ratewise\.cli\b", module) for module in imports(path))
    ]
    assert guilty == []


def test_schedules_need_numpy_and_nothing_else() -> None:
    """`ratewise.schedule` imports the standard library, numpy and itself."""
    allowed = sys.stdlib_module_names | {"numpy"}
    strangers = {
        f"{name_of(path)}: {module}"
        for path in (SOURCE / "schedule").rglob("*.py")
        for module in imports(path)
        if module.partition(".")[0] not in allowed
        and not re.match(r"ratewise\.(schedule|_arrays|_printable)\b", module)
    }
    assert strangers == set()


def test_importing_ratewise_loads_numpy_and_nothing_heavier() -> None:
    """`import ratewise` adds only itself and the standard library to what numpy loads."""
    script = (
        "import sys, numpy; before = set(sys.modules); import ratewise; "
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert set(run.stdout.split()) - sys.stdlib_module_names - {"numpy"} == {"ratewise"}


def rank(name: str) -> tuple[int, str]:
    """The linter's order: initials and constants, then classes, then the rest."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


def found_in(text: str) -> set[str]:
    return {
        f"{what}: {match.group(0)!r} on line {text.count(chr(10), 0, match.start()) + 1}"
        for what, pattern in STAY_OUT.items()
        for match in re.finditer(pattern, text, re.MULTILINE | re.IGNORECASE)
    }


@pytest.mark.parametrize("path", text_files(), ids=name_of)
def test_the_text_speaks_of_the_project_alone(path: Path) -> None:
    """No file names somebody's machine, a tracker's number or work left undone."""
    if path == Path(__file__).resolve():
        pytest.skip("holds the patterns themselves")
    assert found_in(path.read_text(encoding="utf-8")) == set()


def test_what_stays_out_is_found() -> None:
    """The patterns see what they are for, and leave look-alikes alone."""
    stranger = "".join(["open('/ho", "me/ada/x')"]), "see is" + "sue 12", "# TO" + "DO: later"
    assert [len(found_in(text)) for text in stranger] == [1, 1, 1]
    assert found_in("https://example.org/home/x, src/opt/x, a/tmp/b, #123456, == 1") == set()
