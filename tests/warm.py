"""Programs in processes of their own, without the seconds in which each would import a framework.

A server imports what is named, trains nothing, and forks once for each program: the child has its
own standard streams, folder, environment and random numbers, is a new `__main__`, may be killed,
and ends as any interpreter does. What a test says of imports alone wants a cold process instead.

    python -m tests.warm MODULE …
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import random
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

ROOT = Path(__file__).resolve().parent.parent
MOST = 1 << 20
"""Bytes of a message at most."""

CHOOSE = ("ratewise.choose", "scipy.optimize", "sklearn.gaussian_process")
TORCH = (*CHOOSE, "torch", "accelerate", "transformers.trainer", "lightning")
LIGHTNING = TORCH
"""The same process serves both: the most of what it imports is what it would import alone."""
KERAS = ("keras",)
JAX = ("optax",)


class Program(NamedTuple):
    """A program that was started: its process, and the server that may wait for it."""

    server: socket.socket
    pid: int

    def wait(self, timeout: float = 300) -> int:
        """Return its exit code, or minus the signal that ended it."""
        self.server.settimeout(timeout)
        self.server.sendall(json.dumps({"wait": self.pid}).encode())
        try:
            return int(self.server.recv(MOST))
        except TimeoutError:
            os.kill(self.pid, signal.SIGKILL)
            self.server.recv(MOST)
            raise


def start(
    words: Sequence[str | Path | int],
    *,
    imported: Sequence[str],
    streams: Sequence[int],
    cwd: str | Path = ROOT,
    **environment: str,
) -> Program:
    """Start `python` with some words in a process that has imported the modules already.

    Args:
        words: As behind `python`: a script, -m and a module, or -c and code, and what it is given.
        imported: What is imported beforehand.
        streams: Descriptors of its standard input, output and error.
        cwd: Where it starts.
        environment: What is different from the environment of this process.
    """
    server = _server(tuple(imported), environment.get("KERAS_BACKEND", ""))
    asked = {
        "words": [str(word) for word in words],
        "cwd": str(cwd),
        "environment": {**os.environ, **environment},
    }
    server.settimeout(300)
    socket.send_fds(server, [json.dumps(asked).encode()], list(streams))
    return Program(server, int(server.recv(MOST)))


def run(
    words: Sequence[str | Path | int],
    *,
    imported: Sequence[str],
    cwd: str | Path = ROOT,
    timeout: float = 300,
    **environment: str,
) -> subprocess.CompletedProcess[str]:
    """Run `python` with some words to its end, as `subprocess.run` with its output captured."""
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as out,
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as err,
        open(os.devnull) as nothing,
    ):
        streams = [one.fileno() for one in (nothing, out, err)]
        program = start(words, imported=imported, streams=streams, cwd=cwd, **environment)
        code = program.wait(timeout)
        said = [one.read() for one in (out, err) if one.seek(0) == 0]
    return subprocess.CompletedProcess([sys.executable, *map(str, words)], code, *said)


@functools.cache
def _server(modules: tuple[str, ...], backend: str) -> socket.socket:
    """Start a server, one for the same modules on the same backend of Keras; it ends with us."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MOST)
    paths = [str(ROOT / "src"), str(ROOT), os.environ.get("PYTHONPATH", "")]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    if backend:
        env["KERAS_BACKEND"] = backend
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "tests.warm", *modules],
        cwd=ROOT,
        env=env,
        stdin=theirs,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    theirs.close()

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


def serve(modules: Sequence[str]) -> dict[str, Any]:
    """Import, then fork for whoever asks; return in each child with what it is to do."""
    for module in modules:
        with contextlib.suppress(ImportError):  # whoever needs it says that it is missing
            importlib.import_module(module)
    gc.collect()
    gc.freeze()  # what all children share is not written to
    asker = socket.socket(fileno=os.dup(0))
    while True:
        message, streams, *_ = socket.recv_fds(asker, MOST, 3)
        if not message:
            os._exit(0)
        asked = json.loads(message)
        if "wait" in asked:
            _, status = os.waitpid(asked["wait"], 0)
            asker.sendall(str(os.waitstatus_to_exitcode(status)).encode())
            continue
        pid = os.fork()
        if pid == 0:
            for place, stream in enumerate(streams):
                os.dup2(stream, place)
            asker.close()
        for stream in streams:
            os.close(stream)
        if pid == 0:
            return asked
        asker.sendall(str(pid).encode())


def become(asked: Mapping[str, Any]) -> None:
    """Make of a forked child the program that was asked for."""
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.chdir(asked["cwd"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    warnings.resetwarnings()
    random.seed()
    if (numpy := sys.modules.get("numpy")) is not None:
        numpy.random.seed()
    words = asked["words"]
    while words[0] == "-W":
        warnings.simplefilter(words[1])
        words = words[2:]
    if words[0] == "-m":
        sys.argv, sys.path[0] = words[1:], asked["cwd"]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    elif words[0] == "-c":
        sys.argv, sys.path[0] = ["-c", *words[2:]], ""
        main = type(sys)("__main__")
        sys.modules["__main__"] = main
        exec(compile(words[1], "<string>", "exec"), main.__dict__)
    else:
        sys.argv, sys.path[0] = list(words), str(Path(words[0]).parent)
        runpy.run_path(words[0], run_name="__main__")


def end(code: int) -> NoReturn:
    """End as an interpreter does, but for taking every module of a framework apart."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


if __name__ == "__main__":
    asked = serve(sys.argv[1:])
    try:
        become(asked)
    except SystemExit as stop:
        if isinstance(stop.code, str):
            print(stop.code, file=sys.stderr)
        end(stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1)
    except Exception:
        traceback.print_exc()
        end(1)
    end(0)
