"""Where a journal may be: any name, any link, any folder; else one clear error."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ratewise.choose import compare
from ratewise.runs.journal import Journal, asked_for, remember, status
from ratewise.runs.journal.owner import Owner, own_folder
from ratewise.schedule import ScheduleError
from tests.runs.journal.damage import PLANS
from tests.runs.journal.tasks import Bowl

NAMES = ["a#b", "a?mode=memory", "%41", "a b", "a\nb", "ä名", "&x=1", "a;b", "'q'", '"', "-x"]
NAMES += ["file:x", ":memory:", "~", "$HOME", "*", "x" * 200, "\udcff"]
ONE: Any = {"constant": PLANS["constant"]}


@pytest.mark.skipif(sys.platform == "win32", reason="names that Windows does not have")
@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_journal_may_be_called_anything(tmp_path: Path, name: str) -> None:
    """What stands for something in an address of SQLite is a character here; folders too."""
    for path in (tmp_path / name, tmp_path / "folder" / name[:100] / "runs.db"):
        remember(path, {"command": "compare"})
        compare(Bowl(), ONE, total=8, journal=path)
        task = Bowl()
        compare(task, ONE, total=8, journal=path)
        assert task.made == 0
        assert status(path).ended
        assert asked_for(path) == {"command": "compare"}
        assert path.is_file()
    assert {one.name for one in tmp_path.iterdir()} <= {
        f"{start}{end}" for start in (name, "folder") for end in ("", ".lock")
    }


def test_a_relative_name_is_of_this_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    compare(Bowl(), ONE, total=8, journal="%41.db")
    assert status("%41.db").ended
    assert (tmp_path / "%41.db").is_file()


WRONG = {
    "x" * 300: "cannot write there",
    "y" * 250: "cannot write there",
    "/".join(["z" * 200] * 5): "cannot write there",
    "a\0b": "cannot write there",
    "folder": "is a folder",
    "loop": "cannot write there",
    "none/../folder": "is a folder",
}


@pytest.mark.parametrize("name", WRONG, ids=lambda name: ascii(name)[:20])
def test_what_cannot_be_a_file_is_one_error(tmp_path: Path, name: str) -> None:
    """Too long, no name at all, a folder, a link to itself: before anything is trained."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    task = Bowl()
    with pytest.raises(ScheduleError, match=WRONG[name]):
        compare(task, ONE, total=8, journal=os.path.join(tmp_path, name))
    for look in (status, asked_for):
        with pytest.raises(ScheduleError, match=r"cannot be read|is no file|is a folder"):
            look(os.path.join(tmp_path, name))
    assert task.made == 0


def test_a_journal_is_read_where_nothing_can_be_written(tmp_path: Path) -> None:
    """Looking leaves nothing behind, also in a folder that is read-only."""
    path = tmp_path / "there" / "runs.db"
    compare(Bowl(), ONE, total=8, journal=path)
    (path.parent / "runs.db.lock").unlink()
    before = sorted(path.parent.iterdir())
    path.parent.chmod(0o555)
    try:
        assert status(path).ended
    finally:
        path.parent.chmod(0o755)
    assert sorted(path.parent.iterdir()) == before


def test_the_lock_holds_the_file_not_its_name(tmp_path: Path) -> None:
    """Moved or linked while it is written, it is still written by one."""
    path, moved, link = (tmp_path / name for name in ("runs.db", "moved.db", "link.db"))
    first = Journal(path)
    link.symlink_to(path)
    task = Bowl()
    with pytest.raises(ScheduleError, match="is being written"):
        compare(task, ONE, total=8, journal=link)
    path.rename(moved)
    with pytest.raises(ScheduleError, match="is being written"):
        compare(task, ONE, total=8, journal=moved)
    assert task.made == 0
    first.close()


# The key --------------------------------------------------------------------------------------


def test_the_key_is_the_users_alone(tmp_path: Path) -> None:
    """It is made once, with no rights for others; one that is cut or open to others is not used."""
    owner = Owner(tmp_path / "own")
    path = tmp_path / "own" / "key"
    assert owner.key == Owner(tmp_path / "own").key == path.read_bytes()
    assert os.name != "posix" or stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["key"]
    assert owner.signed("x", b"y", owner.sign("x", b"y"))
    assert not owner.signed("xy", b"", owner.sign("x", b"y"))
    if os.name == "posix":
        path.chmod(0o644)
        assert Owner(tmp_path / "own").key != owner.key
    path.write_bytes(b"cut")
    assert len(Owner(tmp_path / "own").key) == 32


def test_where_no_key_can_be_kept_it_is_one_of_this_process(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    one, other = Owner(tmp_path / "file" / "x"), Owner(tmp_path / "file" / "x")
    assert one.key == one.key != other.key


MAKES = (
    "import sys; sys.stdin.read(); from pathlib import Path;"
    "from ratewise.runs.journal.owner import Owner; print(Owner(Path(sys.argv[1])).key.hex())"
)


def test_processes_that_make_the_key_at_once_agree(tmp_path: Path) -> None:
    command = [sys.executable, "-c", MAKES, str(tmp_path / "own")]
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, **pipes) for _ in range(4)]
    for process in processes:
        process.stdin.close()
    keys = {process.stdout.read() for process in processes}
    for process in processes:
        process.wait()
    assert len(keys) == 1


def test_the_users_folder_is_where_systems_have_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative one counts for nothing, as the rule for these folders says."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert own_folder() == tmp_path / "ratewise"
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert sys.platform == "win32" or own_folder() == tmp_path / ".config" / "ratewise"
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setenv("APPDATA", str(tmp_path / "AppData"))
    assert own_folder() == tmp_path / "AppData" / "ratewise"
