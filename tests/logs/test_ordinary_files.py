"""What is no ordinary file is not waited for and not read without end, whoever is to read it."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import ratewise as rw
from ratewise._files import open_ordinary
from ratewise.choose import read_curves
from ratewise.convert import read
from ratewise.logs.trainer_state import LARGEST, MOST_VALUES, read_state
from ratewise.show import read_metrics

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")

READERS: dict[str, Callable[[Path], Any]] = {
    "curves": read_curves,
    "config": read,
    "metrics": read_metrics,
    "state": read_state,
}
KINDS = ("pipe", "socket", "device", "loop", "gone", "folder")
NAMES = ("x.csv", "x.json", "trainer_state.json", "events.out.tfevents.1.x", "x.yaml", "x.py", "x")


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder with a name that is short enough for a socket."""
    import tempfile

    with tempfile.TemporaryDirectory(dir="/tmp" if Path("/tmp").is_dir() else None) as made:
        yield Path(made)


def made(path: Path, kind: str) -> None:
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(str(path))
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "gone":
        path.symlink_to(path.with_name("nowhere"))
    else:
        path.mkdir()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_it_is_refused_at_once(short: Path, reader: Callable[[Path], Any], kind: str) -> None:
    """A pipe, a socket, `/dev/zero` behind a link, a link to itself or to nothing, a folder."""
    for name in NAMES:
        made(short / name, kind)
        with pytest.raises(rw.ScheduleError):
            reader(short / name)


def test_in_a_folder_it_is_passed_over(short: Path) -> None:
    """A folder with a log and with all of these is read as the log."""
    for kind in KINDS:
        made(short / f"{kind}.csv", kind)
        made(short / f"events.out.tfevents.{kind}", kind)
    rows = "".join(f"{t},1e-3,{2 + 1 / t}\n" for t in range(1, 30))
    (short / "log.csv").write_text("step,lr,loss\n" + rows)
    (curve,) = read_curves(short)
    assert curve.name == "log"


def test_an_ordinary_file_may_stand_behind_a_link(short: Path) -> None:
    """Links are followed to files."""
    (short / "a").write_bytes(b"abc")
    (short / "b").symlink_to(short / "a")
    with open_ordinary(short / "b") as file:
        assert file.read() == b"abc"
    for path in ("a\0b", "\ud800", ""):
        with pytest.raises(OSError, match=r"\S"):
            open_ordinary(path)


def test_json_of_a_trainer_has_its_budget(tmp_path: Path) -> None:
    """So many bytes and so many values; what is more is refused before it is read."""
    path = tmp_path / "trainer_state.json"
    with path.open("wb") as file:
        file.truncate(LARGEST + 1)
    with pytest.raises(rw.ScheduleError, match="has more than 64,000,000 bytes of JSON"):
        read_curves(path)
    path.write_bytes(b'{"log_history": [' + b"0," * MOST_VALUES + b"0]}")
    with pytest.raises(rw.ScheduleError, match="has more than 2,500,000 values"):
        read_curves(path)
