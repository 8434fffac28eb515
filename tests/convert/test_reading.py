"""What a source is, what it is guessed to be, and what is refused."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

import ratewise as rw
from ratewise.convert import read
from ratewise.convert.reading import formats, guess
from ratewise.convert.sources import load

PLAN = rw.Plan(lr=rw.Warmup(10) >> rw.Cosine(to=0), peak={"lr": 3e-4})
DEEPSPEED = {
    "scheduler": {
        "type": "WarmupLR",
        "params": {"warmup_max_lr": 1e-3, "warmup_num_steps": 100, "warmup_type": "linear"},
    }
}


# Our own forms ------------------------------------------------------------------------------


def test_our_own_forms_are_read() -> None:
    """A schedule, a plan, and the text, dict and JSON of either are read as what they are."""
    for source in (PLAN, repr(PLAN), PLAN.to_dict(), PLAN.to_json()):
        assert read(source) == PLAN
    assert read("Warmup(10) >> Cosine(to=0)") == rw.Plan(lr=PLAN.lr)
    assert read(rw.Cosine(to=0)) == rw.Plan(lr=rw.Cosine(to=0))


def test_a_misspelt_schedule_gets_the_nearest_name() -> None:
    """A text that is nearly a schedule is answered as `parse` answers it."""
    with pytest.raises(rw.ScheduleError, match="did you mean Cosine"):
        read("Warmup(10) >> Cosin(to=0)")
    with pytest.raises(rw.ScheduleError, match="did you mean Cosine"):
        read('Plan(lr=Cosin(), peak={"lr": 0.1})')


def test_a_callable_is_a_function() -> None:
    """Anything that can be called and is nothing else maps updates to multiples of the peak."""
    plan = read(lambda update: 0.5**update)
    assert isinstance(plan.lr, rw.Function)
    assert np.array_equal(plan.lr.values(3), [1.0, 0.5, 0.25])
    assert guess(len).name == "function"


# Files --------------------------------------------------------------------------------------


def test_files_are_read_by_their_suffix(tmp_path: Path) -> None:
    """JSON, YAML, TOML and Python files hold the same config, as a path or as a text of one."""
    params = 'warmup_max_lr = 1e-3\nwarmup_num_steps = 100\nwarmup_type = "linear"\n'
    contents = {
        "a.json": json.dumps(DEEPSPEED),
        "a.yaml": "scheduler:\n  type: WarmupLR\n  params:\n    warmup_max_lr: 1e-3\n"
        "    warmup_num_steps: 100\n    warmup_type: linear\n",
        "a.toml": f'[scheduler]\ntype = "WarmupLR"\n[scheduler.params]\n{params}',
        "a.py": "import os\nn = 100\nscheduler = dict(type='WarmupLR', params=dict("
        "warmup_max_lr=1e-3, warmup_num_steps=n, warmup_type='linear'))\n",
    }
    expected = read(DEEPSPEED, total=500)
    for name, content in contents.items():
        path = tmp_path / name
        path.write_text(content, encoding="utf-8")
        assert guess(path).name == "deepspeed"
        assert read(path, total=500) == expected
        assert read(str(path), total=500) == expected
        assert name == "a.py" or read(content, total=500) == expected


def test_any_other_file_is_a_text(tmp_path: Path) -> None:
    """A file without a known suffix is read as the text that it holds."""
    path = tmp_path / "schedule.txt"
    path.write_text("Warmup(10) >> Cosine(to=0)\n", encoding="utf-8")
    assert read(path).lr == PLAN.lr


def test_python_files_are_never_run(tmp_path: Path) -> None:
    """What is no literal is left out, and a file without any is refused."""
    path = tmp_path / "config.py"
    path.write_text(f"open({str(tmp_path / 'trace')!r}, 'w')\nx = print(1)\n", encoding="utf-8")
    with pytest.raises(rw.ScheduleError, match="nothing in it is ever run"):
        read(path)
    assert not (tmp_path / "trace").exists()


def test_yaml_tags_are_never_followed(tmp_path: Path) -> None:
    """What wants to make an object is not made: it is refused where a rate would need it."""
    trace = tmp_path / "trace"
    tag = f"!!python/object/apply:builtins.open [{str(trace)!r}, w]"
    path = tmp_path / "config.yaml"
    path.write_text(f"a: {tag}\n", encoding="utf-8")
    with pytest.raises(rw.ScheduleError, match="is in no known format"):
        read(path)
    path.write_text(f"lr_scheduler_type: linear\nlearning_rate: {tag}\n", encoding="utf-8")
    with pytest.raises(rw.ScheduleError, match="line 2 would run code of Python"):
        read(path, total=10)
    path.write_text(f"lr_scheduler_type: linear\nlearning_rate: 1e-3\na: {tag}\n", "utf-8")
    assert read(path, total=10).peak == {"lr": 1e-3}
    assert not trace.exists()


@pytest.mark.parametrize(
    "written",
    [
        "!!python/object/apply:transformers.trainer_utils.SchedulerType\n- cosine",
        "!!python/str cosine",
        "cosine",
    ],
)
def test_plain_values_with_a_tag_of_python_are_what_they_stand_for(written: str) -> None:
    """As PyYAML writes down a word, a tuple, or a member of an enumeration."""
    text = f"lr_scheduler_type: {written}\nlearning_rate: !!python/float 1e-3\nwarmup_steps: 5\n"
    assert read(text + "betas: !!python/tuple [0.9, 0.95]\n", total=50) == read(
        {"lr_scheduler_type": "cosine", "learning_rate": 1e-3, "warmup_steps": 5, "betas": [1, 1]},
        total=50,
    )


class _Loud:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return pytest.fail, ("it was unpickled",)


def test_json_may_have_comments_and_a_last_comma(tmp_path: Path) -> None:
    """Comments of three kinds and commas behind the last item are left out, not those in texts."""
    path = tmp_path / "config.json"
    path.write_text(
        '{ # one\n "a": "x # y // z, }", // two\n "b": [1, 2,], /* three\n */ "c": "\\",}",\n}'
    )
    assert load(path) == {"a": "x # y // z, }", "b": [1, 2], "c": '",}'}


def test_a_yaml_text_that_begins_like_a_number_is_a_text() -> None:
    """Only what is a number as a whole is one: OLMo writes 4e12T for tokens."""
    assert load("a: 4e12T\nb: 1e-4\nc: 50e9") == {"a": "4e12T", "b": 1e-4, "c": 50e9}


@pytest.mark.parametrize(
    "text", ['{"' + "/*" * 10**6, '{"a": 1' + "," * 10**6, '{"' + '\\"' * 10**6]
)
def test_comments_without_an_end_take_no_time(tmp_path: Path, text: str) -> None:
    """Every character is looked at once."""
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(rw.ScheduleError, match="is not JSON"):
        load(path)


@pytest.mark.parametrize("name", ["training_args.bin", "model.pt", "scheduler.pkl", "config.json"])
def test_pickles_are_never_opened(tmp_path: Path, name: str) -> None:
    """A pickle is refused whatever it is called, as bytes too."""
    path = tmp_path / name
    path.write_bytes(pickle.dumps(_Loud()))
    for source in (path, str(path)):
        with pytest.raises(rw.ScheduleError, match=r"pickle.*give the live scheduler"):
            read(source)
    with pytest.raises(rw.ScheduleError, match="nothing is ever unpickled"):
        read(path.read_bytes())


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", b"{", "is not JSON"),
        ("a.yaml", b"a: [", "is not YAML"),
        ("a.toml", b"a = ", "is not TOML"),
        ("a.py", b"a = (", "is not Python"),
        ("a.json", b"\xff\xfe\x00", "is not a text in UTF-8"),
        ("a.json", b"[" * 100_000, "is not JSON"),
    ],
)
def test_broken_files_are_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    """A file that cannot be parsed is refused with its name and the reason."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(rw.ScheduleError, match=message) as caught:
        read(path)
    assert name in caught.value.who


def test_missing_files_are_said_to_be_missing(tmp_path: Path) -> None:
    """A path that names no file is not taken for a text."""
    for source in ("nowhere/config.yaml", tmp_path / "nothing", tmp_path):
        with pytest.raises(rw.ScheduleError, match="cannot be opened"):
            read(source)


# Guessing -----------------------------------------------------------------------------------


def test_a_format_can_be_named() -> None:
    """format= takes a name, and a wrong one gets the nearest."""
    assert read(DEEPSPEED, format="deepspeed", total=500) == read(DEEPSPEED, total=500)
    with pytest.raises(rw.ScheduleError, match="did you mean deepspeed"):
        read(DEEPSPEED, format="deepsped")


@pytest.mark.parametrize("name", ["torch", "timm", "fvcore", "ignite", "function"])
def test_live_formats_read_their_own_objects_only(name: str) -> None:
    """A named format of live objects refuses anything else."""
    with pytest.raises(rw.ScheduleError, match="leave format= out"):
        read(DEEPSPEED, format=name)


@pytest.mark.parametrize("source", [3, None, {"a": 1}, [], "", "hello", object()])
def test_what_is_in_no_format_is_refused(source: object) -> None:
    """Nothing is made of what is not known; the formats are listed."""
    with pytest.raises(rw.ScheduleError, match=r"no known format.*deepspeed"):
        read(source)


def test_a_class_is_not_a_scheduler() -> None:
    """A class is refused although it can be called."""
    with pytest.raises(rw.ScheduleError, match="make one"):
        read(dict)


def test_words_that_no_format_asks_for_are_refused() -> None:
    """A misspelt argument does not vanish."""
    with pytest.raises(rw.ScheduleError, match="did you mean total"):
        read(lambda update: 1.0, totl=100)
    with pytest.raises(rw.ScheduleError, match="total"):
        read(lambda update: 1.0, total=0)


def test_names_of_formats_are_their_keys() -> None:
    """Formats are known by name, and every name once."""
    assert all(name == each.name for name, each in formats().items())
    assert {"ratewise", "function", "torch", "timm", "fvcore", "ignite"} <= set(formats())
