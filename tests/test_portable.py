"""The package runs where POSIX ends, and on every Python that it names.

No module of it needs what only such a system has, and no line of it calls that, opens a text in
the encoding of the machine, or uses what a later Python has not.
"""

from __future__ import annotations

import ast
import io
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ratewise._printable import RESERVED, file_name
from tests import warm

SOURCE = Path(__file__).resolve().parent.parent / "src"

ELSEWHERE = """
import importlib, os, sys

POSIX = {"fcntl", "grp", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty"}
CALLS = ("sched_getaffinity", "sched_setaffinity", "fork", "forkpty", "getuid", "geteuid", "getgid",
         "getpgid", "killpg", "setsid", "mkfifo", "uname")
FRAMEWORKS = {"torch", "keras", "tensorflow", "jax", "optax", "transformers", "lightning",
              "composer", "deepspeed", "fastai", "ignite", "skorch", "ultralytics"}
FRAMEWORKS |= {"torchvision", "mcli"}  # which some of these ask for


class Missing:
    def find_spec(self, name, path=None, target=None):
        if name in POSIX:
            raise ImportError(f"no {name} here", name=name)


def broken(name):
    try:
        importlib.import_module(name)
    except ImportError as error:
        missed = "pip install 'ratewise[" in str(error) or error.name in FRAMEWORKS
        return "" if missed else f"{name}: {error!r}"
    except Exception as error:
        return f"{name}: {error!r}"
    return ""


out, sys.stdout = sys.stdout, sys.stderr  # some speak when they are imported
# Frameworks know what system this is, so they are loaded before it goes; ours are loaded again.
for name in sys.argv[1:]:
    broken(name)
for name in list(sys.modules):
    if name in POSIX or name.partition(".")[0] in ("ratewise", "filelock"):
        del sys.modules[name]
sys.meta_path.insert(0, Missing())
for call in CALLS:
    if hasattr(os, call):
        delattr(os, call)
print(*filter(None, map(broken, sys.argv[1:])), sep="\\n", file=out)

from ratewise.runs.engines.config import count_cores
assert count_cores() >= 1
"""


def modules() -> list[str]:
    """Return the names of all modules of the package."""
    names: list[str] = []
    for path in sorted((SOURCE / "ratewise").rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return [name for name in names if not name.endswith("__main__")]


def test_every_module_is_imported_without_what_only_posix_has() -> None:
    """Modules as on Windows, calls as on Windows and macOS; a framework may be missing."""
    done = warm.run(["-c", ELSEWHERE, *modules()], imported=warm.TORCH, timeout=600)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


# What is called ------------------------------------------------------------------------------

FILES = sorted((SOURCE / "ratewise").rglob("*.py"))

ELSEWHERE_NOT = {
    "os": """
        chown chroot fchmod fchown fork forkpty getegid geteuid getgid getgroups getloadavg getpgid
        getpgrp getpriority getsid getuid initgroups kill killpg lchown link lockf major mkfifo
        mknod nice openpty posix_fadvise posix_spawn pread pwrite sched_getaffinity
        sched_setaffinity sched_yield sendfile seteuid setgid setpgid setsid setuid statvfs symlink
        sync sysconf tcgetpgrp ttyname uname wait wait3 wait4 waitid O_CLOEXEC O_DIRECTORY O_DSYNC
        O_NOCTTY O_NOFOLLOW O_NONBLOCK O_SYNC WEXITSTATUS WIFEXITED WIFSIGNALED WNOHANG WTERMSIG
    """,
    "signal": """
        SIGALRM SIGCHLD SIGHUP SIGKILL SIGQUIT SIGSTOP SIGUSR1 SIGUSR2 alarm pause pthread_kill
        pthread_sigmask setitimer siginterrupt sigwait
    """,
    "select": "epoll kqueue poll",
    "time": "clock_gettime clock_settime pthread_getcpuclockid tzset",
    "socket": "AF_UNIX socketpair",
}
"""Names that some system does not have, or where they mean something else: on Windows `os.kill`
with 0 is Ctrl-C for everybody, and with anything else the end of the process."""

GONE = {
    "ast": "Bytes Ellipsis NameConstant Num Str",
    "asyncio": "get_event_loop iscoroutinefunction",
    "collections": "Callable Hashable Iterable Iterator Mapping MutableMapping Sequence Set",
    "datetime": "utcfromtimestamp utcnow",
    "importlib": "find_loader",
    "inspect": "formatargspec getargspec",
    "locale": "format getdefaultlocale resetlocale",
    "logging": "warn",
    "codecs": "open",
    "pkgutil": "ImpImporter ImpLoader find_loader get_loader",
    "threading": "currentThread activeCount",
    "typing": "ByteString io re",
    "unittest": "findTestCases makeSuite",
}
"""Names that a Python from 3.12 to 3.14 took away, or warns of."""

GONE_MODULES = """
    aifc asynchat asyncore audioop cgi cgitb chunk crypt distutils imghdr imp lib2to3 mailcap
    msilib nis nntplib ossaudiodev pipes pkg_resources smtpd sndhdr spwd sunau telnetlib uu xdrlib
"""


def calls_elsewhere_missing(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Names of ELSEWHERE_NOT that no look at the system comes before, in the same function."""
    for function in [tree, *(n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef))]:
        text = ast.unparse(function)
        guarded = set(re.findall(r"(?:hasattr|getattr)\(\w+, '(\w+)'", text))
        if function is not tree and re.search(
            r"\b(os\.name|sys\.platform|platform\.system)\b", text
        ):
            continue
        for node in own_nodes(function):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                missing = ELSEWHERE_NOT.get(node.value.id, "").split()
                if node.attr in missing and node.attr not in guarded:
                    yield node.lineno, f"{node.value.id}.{node.attr}"


def own_nodes(function: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a function without those of the functions in it."""
    for child in ast.iter_child_nodes(function):
        if not isinstance(child, ast.FunctionDef):
            yield child
            yield from own_nodes(child)


def texts_without_encoding(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Files that are opened as texts in whatever encoding the machine has."""
    for node in (n for n in ast.walk(tree) if isinstance(n, ast.Call)):
        keywords = {keyword.arg for keyword in node.keywords}
        if {"encoding", None} & keywords:
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
        modes = [a.value for a in node.args if isinstance(a, ast.Constant)]
        if name == "open" and any(isinstance(mode, int) for mode in modes):
            continue  # a task, with a seed
        modes += [k.value.value for k in node.keywords if isinstance(k.value, ast.Constant)]
        opens = name in ("open", "fdopen", "NamedTemporaryFile", "TemporaryFile")
        if name == "open" and isinstance(node.func, ast.Attribute) and len(modes) < len(node.args):
            opens = False  # a task too
        binary = any(isinstance(mode, str) and "b" in mode for mode in modes)
        unnamed = name.endswith("TemporaryFile") and not any(isinstance(m, str) for m in modes)
        if opens and not binary and not unnamed:
            yield node.lineno, ast.unparse(node)
        placed = {"read_text": 0, "write_text": 1}
        if name in placed and len(node.args) <= placed[name]:
            yield node.lineno, ast.unparse(node)
        if name in ("run", "Popen", "check_output") and {"text", "universal_newlines"} & keywords:
            yield node.lineno, ast.unparse(node)


def what_is_gone(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Modules and names that a Python from 3.12 on has not; leaving a `finally` by `return`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = getattr(node, "module", None) or ""
            for alias in node.names:
                top = (module or alias.name).partition(".")[0]
                if top in GONE_MODULES.split() or alias.name in GONE.get(module, "").split():
                    yield node.lineno, f"{module or ''} {alias.name}"
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            gone = GONE.get(node.value.id, "").split()
            yield from [(node.lineno, ast.unparse(node))] if node.attr in gone else ()
        elif isinstance(node, ast.Try):
            for one in (inner for last in node.finalbody for inner in ast.walk(last)):
                if isinstance(one, ast.Return | ast.Break | ast.Continue):
                    yield one.lineno, "leaves a finally"


def paths_of_one_system(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Places that one kind of system has."""
    for node in ast.walk(tree):
        text = node.value if isinstance(node, ast.Constant) else None
        if isinstance(text, str) and re.match(
            r"/(dev|proc|sys|tmp|var|etc|usr|bin)(/|$)|[A-Z]:\\", text
        ):
            yield node.lineno, repr(text)


CHECKS: dict[str, Callable[[ast.Module], Iterator[tuple[int, str]]]] = {
    "calls that some system does not have": calls_elsewhere_missing,
    "texts in the encoding of the machine": texts_without_encoding,
    "what a later Python has not": what_is_gone,
    "paths of one system": paths_of_one_system,
}


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_no_line_needs_one_system_or_one_python(
    check: Callable[[ast.Module], Iterator[tuple[int, str]]],
) -> None:
    """Unless it looks first whether it is there."""
    found = [
        f"{path.relative_to(SOURCE)}:{line} {what}"
        for path in FILES
        for line, what in check(
            ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 11))
        )
    ]
    assert found == []


GUILTY = {
    "import os\ndef f(pid):\n    os.kill(pid, 0)": calls_elsewhere_missing,
    "import os\nos.getuid()": calls_elsewhere_missing,
    "import signal\ndef f():\n    return signal.SIGKILL": calls_elsewhere_missing,
    "open('a')": texts_without_encoding,
    "open('a', 'w')": texts_without_encoding,
    "path.open()": texts_without_encoding,
    "path.open('a')": texts_without_encoding,
    "path.read_text()": texts_without_encoding,
    "path.write_text('a')": texts_without_encoding,
    "os.fdopen(3)": texts_without_encoding,
    "subprocess.run(['a'], text=True)": texts_without_encoding,
    "import distutils.util": what_is_gone,
    "from collections import Mapping": what_is_gone,
    "import datetime\ndatetime.utcnow()": what_is_gone,
    "def f():\n    try:\n        pass\n    finally:\n        return 1": what_is_gone,
    "p = '/dev/null'": paths_of_one_system,
    r"p = 'C:\\x'": paths_of_one_system,
}
INNOCENT = {
    "import os\ndef f():\n    return os.getuid() if hasattr(os, 'getuid') else 0",
    "import os, sys\ndef f(p):\n    if sys.platform != 'win32':\n        os.kill(p, 0)",
    "import os\nx = getattr(os, 'O_NONBLOCK', 0)",
    "open('a', 'rb')",
    "open('a', encoding='utf-8')",
    "task.open(seed)",
    "path.read_text(encoding='utf-8')",
    "from collections.abc import Mapping",
}


@pytest.mark.parametrize(("code", "check"), GUILTY.items())
def test_what_is_not_portable_is_found(code: str, check: Callable[..., Iterator[object]]) -> None:
    """The checks see what they are for."""
    assert len(list(check(ast.parse(code)))) == 1


@pytest.mark.parametrize("code", sorted(INNOCENT))
def test_what_is_portable_is_left_alone(code: str) -> None:
    """And nothing else."""
    tree = ast.parse(code)
    assert [found for check in CHECKS.values() for found in check(tree)] == []


@pytest.mark.parametrize(
    "name", ["con", "NUL", "aux.txt", "com1", "LPT9.log", ".", "..", "...", "", "a.", ".a", "a:b"]
)
def test_no_name_of_a_file_is_a_device_or_another_folder(name: str) -> None:
    """On Windows too, where a dot at the end is dropped, and `nul.csv` is no file."""
    made = file_name(name)
    assert not RESERVED.fullmatch(made)
    assert made.strip(".") == made != ""
    assert not set(made) & set('<>:"/\\|?*')
    assert made != name


@pytest.mark.parametrize("err", [False, True])
def test_what_is_printed_fits_the_console(err: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A console that has no ≥ and no braille gets question marks, and no error."""
    from ratewise.cli.output import say

    narrow = io.TextIOWrapper(io.BytesIO(), encoding="cp1252", newline="")
    monkeypatch.setattr(sys, "stderr" if err else "stdout", narrow)
    say("loss ≥ 1 ⠤ é\x1b[31m", err=err)
    narrow.flush()
    assert narrow.buffer.getvalue().rstrip() == b"loss ? 1 ? \xe9\\x1b[31m"  # type: ignore[attr-defined]
