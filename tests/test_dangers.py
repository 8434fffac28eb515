"""What can run code that is data: nowhere in the package but in places that are named here."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parent.parent / "src"

MODULES = {"pickle", "cPickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib",
           "jsonpickle", "code", "runpy", "pty", "ctypes", "commands"}  # fmt: skip
"""Modules that make objects or run code of what they are given."""
BUILTINS = {"eval", "exec", "compile", "__import__", "breakpoint", "input"}
CALLS = {
    "os.system", "os.popen", "os.execv", "os.execvp", "os.spawnl", "os.startfile",
    "tempfile.mktemp", "yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.full_load",
    "subprocess.getoutput", "subprocess.getstatusoutput", "pandas.read_pickle",
    "importlib.util.spec_from_file_location", "types.FunctionType", "types.CodeType",
}  # fmt: skip
LOADERS = {"Loader", "UnsafeLoader", "FullLoader", "CLoader", "CUnsafeLoader", "CFullLoader"}
"""Loaders of PyYAML that make objects."""

PLACES: dict[tuple[str, str], str] = {
    ("ratewise/runs/journal/pickled.py", "pickle"): "what its writer has signed, or with trust",
    ("ratewise/runs/journal/states.py", "import_module of data"): "our own encoders, by a table",
    ("ratewise/runs/engines/processes.py", "pickle"): "what goes to workers that it has started",
    ("ratewise/testing/conformance.py", "pickle"): "a value of the caller, there and back",
    ("ratewise/cli/tasks.py", "import_module of data"): "the task whose name the user has typed",
    ("ratewise/cli/tasks.py", "importlib.util.spec_from_file_location"): "the same as a file",
    ("ratewise/cli/tasks.py", "exec_module"): "the same as a file",
    ("ratewise/_extras.py", "import_module of data"): "a framework, named by our own code",
    ("ratewise/convert/choosing.py", "import_module of data"): "our own readers, by a table",
    ("ratewise/choose/__init__.py", "import_module of data"): "our own rooms, by a table",
    ("ratewise/choose/handover.py", "import_module of data"): "our own faces, by a list",
    (
        "ratewise/launch/startup/sitecustomize.py",
        "exec_module",
    ): "the one that it hides on the path",
    ("ratewise/runs/tensorboard.py", "import_module of data"): "two writers, named beside it",
}
"""Where such a thing is used, and why nothing of a stranger reaches it."""


def dangers(tree: ast.AST) -> Iterator[str]:
    """What of a file can run code, by name."""
    known: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                known[alias.asname or top] = alias.name if alias.asname else top
                if top in MODULES:
                    yield top
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                known[alias.asname or alias.name] = f"{node.module}.{alias.name}"
            if (node.module or "").partition(".")[0] in MODULES:
                yield (node.module or "").partition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from _of_call(node, known)
        elif isinstance(node, ast.Attribute) and node.attr in LOADERS:
            yield node.attr


def _of_call(node: ast.Call, known: dict[str, str]) -> Iterator[str]:
    name = ast.unparse(node.func)
    first, dot, rest = name.partition(".")
    full = known.get(first, first) + dot + rest
    given = {word.arg: word.value for word in node.keywords}
    if name in BUILTINS or full.removeprefix("builtins.") in BUILTINS:
        yield full.removeprefix("builtins.")
    if full in CALLS:
        yield full
    if full.endswith("exec_module"):
        yield "exec_module"
    if full.endswith("import_module") and not all(_is_constant(arg) for arg in node.args):
        yield "import_module of data"
    if full in ("torch.load", "torch.jit.load") and not _is(given.get("weights_only"), True):
        yield "torch.load without weights_only"
    if full == "numpy.load" and "allow_pickle" in given and not _is(given["allow_pickle"], False):
        yield "numpy.load with pickles"
    if "shell" in given and not _is(given["shell"], False):
        yield "a shell"


def _is_constant(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant)


def _is(node: ast.expr | None, value: bool) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def test_only_named_places_can_run_code() -> None:
    """What the table has is there, what is there the table has; each with its reason."""
    found = {
        (path.relative_to(SOURCE).as_posix(), what)
        for path in sorted(SOURCE.rglob("*.py"))
        for what in dangers(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert found == set(PLACES)
    assert all(PLACES.values())


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("import pickle as p", "pickle"),
        ("from marshal import loads", "marshal"),
        ("def f():\n  import shelve", "shelve"),
        ("eval('1')", "eval"),
        ("import builtins\nbuiltins.exec('')", "exec"),
        ("from builtins import compile as c\nc('', '', 'exec')", "compile"),
        ("__import__(x)", "__import__"),
        ("import yaml\nyaml.load(x)", "yaml.load"),
        ("from yaml import unsafe_load as u\nu(x)", "yaml.unsafe_load"),
        ("import yaml\nf(x, yaml.FullLoader)", "FullLoader"),
        ("import torch\ntorch.load(x)", "torch.load without weights_only"),
        ("import torch\ntorch.load(x, weights_only=False)", "torch.load without weights_only"),
        ("import numpy as np\nnp.load(x, allow_pickle=True)", "numpy.load with pickles"),
        ("import subprocess as s\ns.run(x, shell=True)", "a shell"),
        ("import os\nos.system(x)", "os.system"),
        ("from os import popen\npopen(x)", "os.popen"),
        ("import tempfile\ntempfile.mktemp()", "tempfile.mktemp"),
        ("from importlib import import_module\nimport_module(x)", "import_module of data"),
        ("spec.loader.exec_module(m)", "exec_module"),
    ],
)
def test_it_is_found_under_any_name(source: str, what: str) -> None:
    """Renamed, from a module or inside a function."""
    assert what in set(dangers(ast.parse(source)))


@pytest.mark.parametrize(
    "source",
    ["model.eval()", "re.compile('a')", "model.compile(o)",
     "import torch\ntorch.load(x, weights_only=True)",
     "import numpy as np\nnp.load(x)", "import yaml\nyaml.safe_load(x)", "import_module('torch')",
     "import subprocess\nsubprocess.run([x])", "file.execute('SELECT 1')"],
)  # fmt: skip
def test_what_only_looks_like_it_is_none(source: str) -> None:
    """Methods of others that share a name, and the safe forms."""
    assert set(dangers(ast.parse(source))) == set()
