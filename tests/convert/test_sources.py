"""Files and texts that are no config, or hostile: an answer or one error, in no time and memory."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ratewise import ScheduleError
from ratewise.convert import read
from ratewise.convert.reading import formats
from ratewise.convert.sources import load
from ratewise.convert.sources.limits import LARGEST, SLOW_YAML
from tests.costs import SECOND, cost

NEMO = """\
model:
  encoder: {d_model: 512}
  optim:
    name: adamw
    lr: 2.0
    sched: {name: NoamAnnealing, d_model: 512, warmup_steps: 10000, min_lr: 1e-6}
"""
ALIASES = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 9)
)
MERGES = "b0: &b0 {x: 1, y: 2}\n" + "".join(
    f"b{i}: &b{i} {{<<: [*b{i - 1}, *b{i - 1}, *b{i - 1}, *b{i - 1}]}}\n" for i in range(1, 12)
)
DOUBLING = "x0 = [1, 2]\n" + "".join(f"x{i} = [x{i - 1}, x{i - 1}]\n" for i in range(1, 60))
ADDING = "x0 = [1, 2]\n" + "".join(f"x{i} = x{i - 1} + x{i - 1}\n" for i in range(1, 60))
DICTS = "x0 = dict(a=1)\n" + "".join(f"x{i} = dict(a=x{i - 1}, b=x{i - 1})\n" for i in range(1, 60))
TEXTS = "x0 = 'ab'\n" + "".join(f"x{i} = f'{{x{i - 1}}}{{x{i - 1}}}'\n" for i in range(1, 60))
SAME = DOUBLING + DOUBLING.replace("x", "y") + "z = x59 == y59\nw = {(x59, 1): 2}\n"
REFERENCES = "a0: {x: 1, y: 2}\n" + "".join(
    f"a{i}: {{x: '${{a{i - 1}}}', y: '${{a{i - 1}}}'}}\n" for i in range(1, 60)
)
JOINED = "a0: ab\n" + "".join(f"a{i}: '${{a{i - 1}}}${{a{i - 1}}}'\n" for i in range(1, 60))
ORDINARY = "".join(f"key_{i}: {{a: 1, b: [1, 2, three], c: text {i}}}\n" for i in range(220_000))
HOSTILE: dict[str, tuple[str, str | bytes]] = {
    "aliases that explode": ("a.yaml", ALIASES),
    "merge keys that explode": ("a.yaml", MERGES),
    "an alias inside of itself": ("a.yaml", "a: &a [*a]\nb: &b {c: *b}\n"),
    "brackets in YAML": ("a.yaml", "[" * 100_000),
    "dashes in YAML": ("a.yaml", "- " * 100_000),
    "braces in YAML": ("a.yaml", "{a: " * 100_000),
    "question marks in YAML": ("a.yaml", "? " * 100_000),
    "10 MB of ordinary YAML": ("a.yaml", ORDINARY),
    "much YAML": ("a.yaml", ORDINARY[: LARGEST[".yaml"]].rpartition("\n")[0]),
    "a long list in YAML": ("a.yaml", "a: [" + "1, " * 300_000 + "1]\n"),
    "directives": ("a.yaml", "".join(f"%TAG !{i}! tag:x,2000:\n" for i in range(30_000)) + "--- 1"),
    "base 60": ("a.yaml", "a: 1" + ":1" * 200_000 + "\n"),
    "many digits in YAML": ("a.yaml", "lr: 1" + "0" * 5000 + "\n"),
    "a long plain scalar": ("a.yaml", "a: " + "b " * 400_000),
    "tags that make objects": ("a.yaml", "a: !!python/object/apply:os.system [ls]\n"),
    "tags of what they are not": ("a.yaml", "a: !!int ''\nb: !!timestamp x\nc: !!bool x\n"),
    "keys that are lists": ("a.yaml", "? [1, 2]\n: 3\n? {a: 1}\n: 2\n"),
    "brackets in JSON": ("a.json", "[" * 100_000),
    "lists in JSON": ("a.json", "[" + "[]," * 1_500_000 + "[]]"),
    "objects in JSON": ("a.json", "[" + '{"a":1},' * 500_000 + "1]"),
    "a long string in JSON": ("a.json", '{"' + "a" * 4_500_000),
    "a long string with escapes": ("a.json", '{"a": "' + "\\n" * 2_000_000 + "x"),
    "comments without an end": ("a.json", '{"a": 1 ' + "/* " * 1_000_000),
    "many digits in JSON": ("a.json", '{"train_iters": 1' + "0" * 5000 + "}"),
    "a number beyond floats": ("a.json", '{"scheduler": {"type": "WarmupLR", "params": '
                               '{"warmup_num_steps": 1' + "0" * 4000 + "}}}"),
    "no numbers": ("a.json", '{"scheduler": {"type": "WarmupLR", "params": '
                   '{"warmup_max_lr": NaN, "warmup_num_steps": Infinity}}}'),
    "dotted keys in TOML": ("a.toml", "a" + ".a" * 100_000 + " = 1\n"),
    "dotted keys in a table": ("a.toml", "x = {a" + ".a" * 100_000 + " = 1}\n"),
    "dotted tables": ("a.toml", "[a" + ".a" * 100_000 + "]\n"),
    "many tables": ("a.toml", "".join(f"[a.b{i}.c]\nd = 1\n" for i in range(12_000))),
    "brackets in TOML": ("a.toml", "a = " + "[" * 100_000),
    "digits in TOML": ("a.toml", "a = 0x" + "f" * 200_000 + "\n"),
    "dates in TOML": ("a.toml", "learning_rate = 1979-05-27\nlr_scheduler = 'cosine'\n"),
    "powers": ("a.py", "a = 9**9**9\nb = 9**9**9**9\nlearning_rate = 2**10**9\n"),
    "repetition": ("a.py", "a = [0] * 10**9\nb = 'x' * 10**10\nc = (1,) * 2**60\n"),
    "lists that double": ("a.py", DOUBLING),
    "lists that are added": ("a.py", ADDING),
    "mappings that double": ("a.py", DICTS),
    "texts that double": ("a.py", TEXTS),
    "lists that double, compared": ("a.py", SAME),
    "a wide format": ("a.py", "a = f'{1:>1000000000}'\nb = f'{1.5:.999999999f}'\n"),
    "a list in itself": ("a.py", "a = []\na.append(a)\nb = dict()\nb['b'] = b\n"),
    "900 times 1": ("a.py", "learning_rate = 1e-3" + " * 1" * 900 + "\n"),
    "100,000 times 1": ("a.py", "learning_rate = 1e-3" + "*1" * 70_000 + "\n"),
    "minus signs": ("a.py", "a = " + "-" * 100_000 + "1\n"),
    "brackets in Python": ("a.py", "a = " + "(" * 100_000),
    "attributes in Python": ("a.py", "a = b" + ".c" * 9000 + "\nd = b" + "[0]" * 9000 + "\n"),
    "calls that know nothing": ("a.py", "t = (0,) * 19999\n" + "a = f(t)\n" * 12_000),
    "much Python": ("a.py", "a = [" + "1, " * 45_000 + "]\n"),
    "too much Python": ("a.py", "a = [" + "1, " * 4_000_000 + "]\n"),
    "references that explode": ("a.yaml", REFERENCES),
    "references in texts that explode": ("a.yaml", JOINED),
    "references far inside": (
        "a.yaml", "{a: " * 95 + "[" + "x, " * 40_000 + "'${a}']" + "}" * 95),
    "references in circles": ("a.yaml", "a: ${b}\nb: ${a}\nc: ${.c}\nd: {e: '${d}'}\n"),
    "references in references": ("a.yaml", "a: '" + "${" * 50_000 + "'\n"),
    "many references": ("a.yaml", "a: '" + "${b}" * 100_000 + "'\nb: 1\n"),
    "a long chain of references": (
        "a.yaml", "a0: 1\n" + "".join(f"a{i}: ${{a{i - 1}}}\n" for i in range(1, 10_000))),
    "UTF-16": ("a.yaml", "lr: 1\n".encode("utf-16")),
    "UTF-16 without a mark": ("a.json", '{"lr": 1}'.encode("utf-16-le")),
    "Latin-1": ("a.yaml", "# für\nlr: 1\n".encode("latin-1")),
    "NUL": ("a.py", "a = 1\0\n"),
    "NUL in a text": ("a.txt", "--lr 1\0\n"),
    "nothing but NUL": ("a.toml", "\0" * 100_000),
    "bytes": ("a.json", bytes(range(256)) * 400),
    "flags without an end": ("a.sh", "--lr '" + "a" * 45_000),
    "many flags": ("a.sh", "--lr 1 " * 7_000),
    "a text without an end": ("a.txt", "x" * 5_000_000),
    "digits of a time": ("a.yaml", "schedulers: {linear_decay_with_warmup: {t_warmup: '"
                         + "1" * 20_000 + "x'}}\nmax_duration: '" + "1" * 20_000 + "x'\n"),
    "digits of a length": ("a.txt", f"Warmup('{'1' * 20_000}x')"),
    "brackets in a schedule": ("a.txt", "Hold(" * 50_000),
    "a schedule of products": ("a.txt", "Hold()" + " * 1" * 900),
    "a schedule of minus signs": ("a.txt", "Hold(" + "-" * 50_000 + "1)"),
    "attributes in a schedule": ("a.txt", "torch" + ".a" * 40_000 + "(1)"),
}  # fmt: skip
SCRIPT = """
import json, sys, pathlib
from tests.costs import cost
from ratewise import ScheduleError
from ratewise.convert import read
from ratewise.convert.reading import formats
formats()
status = pathlib.Path("/proc/self/status")
for name in json.load(open(sys.argv[1])):
    path, answers = pathlib.Path(name), []
    def look():
        try:
            read(path, total=100, epoch=10, samples=4, tokens=4)
            answers.append("a plan")
        except ScheduleError as error:
            answers.append(str(error))
    took, answer = cost(look), answers[0]
    most = status.read_text().split("VmHWM:")[1].split()[0] if status.exists() else 0
    print(json.dumps([name, answer, took, int(most)]))
"""


def run_reads(paths: list[Path], folder: Path) -> list[tuple[str, str, float, int]]:
    """Read files in a process of its own: answers, costs, and the most kilobytes so far."""
    names = folder / "names"
    names.write_text(json.dumps([str(path) for path in paths]))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(names)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


def test_hostile_files_cost_nothing(tmp_path: Path) -> None:
    """Each is read or refused in a second and 200 MB, whatever is in it."""
    paths: list[Path] = []
    for name, (file, content) in HOSTILE.items():
        path = tmp_path / name.replace(" ", "-").replace(",", "") / file
        path.parent.mkdir()
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        paths.append(path)
    paths += not_files(tmp_path)
    answers = run_reads(paths, tmp_path)
    assert len(answers) == len(paths)
    slow = {name: took for name, _, took, _ in answers if took > SECOND}
    assert slow == {}
    assert max(most for *_, most in answers) < 200_000


def not_files(folder: Path) -> list[Path]:
    """Paths of what is no ordinary file, or of 100 MB."""
    pipe, large = folder / "pipe.yaml", folder / "large.json"
    os.mkfifo(pipe)
    large.touch()
    os.truncate(large, 10**8)
    links = {"zero.yaml": "/dev/zero", "random.py": "/dev/urandom", "loop.toml": "loop.toml",
             "out.json": "/dev/stdout", "memory.yaml": "/proc/self/mem", "far.py": "/dev/tty",
             "a.yaml": "b.yaml", "b.yaml": "a.yaml", "folder.json": str(folder)}  # fmt: skip
    for name, target in links.items():
        (folder / name).symlink_to(target)
    strange = [
        folder / ("x" * 300 + ".yaml"),
        folder / "a\0b.yaml",
        folder / "pipe.yaml" / "a.json",
    ]
    return [pipe, large, folder, *(folder / name for name in links), *strange]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.yaml", ALIASES, "has more than 50,000 values"),
        ("a.yaml", "a: &a [*a]\n", r"has \*a inside of itself"),
        ("a.yaml", "[" * 200, "is nested too deeply"),
        ("a.json", "[" * 200 + "]" * 200, "is nested too deeply"),
        ("a.yaml", ORDINARY, f"has more than {LARGEST['.yaml']:,} bytes"),
        ("a.json", '{"a": {"lr": 1, "lr": 2}}', "has the key 'lr' twice: keep one of them"),
        ("a.toml", "lr = 1\nlr = 2\n", "is not TOML"),
        ("a.yaml", f"seed: 1{'0' * 400}\n", "more than 300 digits"),
        ("a.py", "a = []\na.append(a)\n", "is nested too deeply"),
        ("a.py", DOUBLING, "has more than 50,000 values"),
    ],
)
def test_what_is_too_much_is_said(tmp_path: Path, name: str, content: str, message: str) -> None:
    """The error names the file, and what it has too much of."""
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(ScheduleError, match=message) as caught:
        load(path)
    assert name in caught.value.who


def test_a_key_of_yaml_that_says_two_things_is_not_known() -> None:
    """It is refused where it is needed, and changes nothing elsewhere."""
    text = "lr_scheduler_type: cosine\nlearning_rate: 1e-3\nsave_steps: 5\nsave_steps: 6\n"
    assert read(text, total=10).rates(10)[0] == 1e-3
    with pytest.raises(ScheduleError, match=r"line 5 is not the only one .* call read.*lr=…"):
        read(f"{text}learning_rate: 2e-3\n", total=10)
    assert read(f"{text}learning_rate: 2e-3\n", total=10, lr=2e-3).peak == {"lr": 2e-3}


def test_a_key_that_says_the_same_twice_is_one(tmp_path: Path) -> None:
    """A key may be repeated, and a merge key is no repetition."""
    path = tmp_path / "a.yaml"
    path.write_text("a: &a {lr: 1, b: 2}\nc: {<<: *a, lr: 3}\nd: 1\nd: 1\n")
    assert load(path) == {"a": {"lr": 1, "b": 2}, "c": {"lr": 3, "b": 2}, "d": 1}
    assert load('{"a": 1, "a": 1}') == {"a": 1}


@pytest.mark.parametrize("is_fast", [True, False])
def test_yaml_is_that_of_pyyaml(monkeypatch: pytest.MonkeyPatch, is_fast: bool) -> None:
    """Whatever PyYAML's own safe loader makes of a config, with its fast parser and without."""
    import yaml

    from ratewise.convert.sources.yaml_nodes import safe_loader

    monkeypatch.setattr(yaml, "__with_libyaml__", is_fast)
    monkeypatch.setattr("ratewise.convert.sources.yaml_nodes.safe_loader", safe_loader.__wrapped__)
    text = (
        "a: 1_000\nb: 0x1f\nc: 010\nd: yes\ne: ~\nf: 1.5e+3\ng: .inf\nh: 2024-01-02\ni: !!str 1\n"
        "j: &j [1, {k: v}]\nl: *j\nm: |\n  text\n  more\nn: 'it''s'\no: -.5\np: [a, b: c]\n"
        "q: {x, y: }\n? z\n: 1\n1: one\nnull: two\nr: !!set {s, t}\nu: 1.\nv: +1\nw: 0o7\n"
    )
    assert load(text) == yaml.safe_load(text)
    for hostile in (ALIASES, MERGES, "[" * 10**5, "- " * 10**5):
        assert load(hostile) == hostile
    much = ORDINARY[: 2 * SLOW_YAML].rpartition("\n")[0]
    assert isinstance(load(much), dict if is_fast else str)


def seeds(count: int) -> list[tuple[str, bytes]]:
    """Files of random bytes, and of configs of which some bytes were changed, by a seed."""
    rng = random.Random(0)
    params = {"warmup_max_lr": 1e-3, "warmup_num_steps": 10}
    originals = {
        ".yaml": NEMO.encode(),
        ".json": json.dumps({"scheduler": {"type": "WarmupLR", "params": params}}).encode(),
        ".toml": b'lr_scheduler = "cosine"\nlearning_rate = 1e-4\n[a.b]\nc = [1, 2.5]\n',
        ".py": b"epochs = 12\nparam_scheduler = [dict(type='StepLR', step_size=epochs // 2)]\n"
        b"optim_wrapper = dict(optimizer=dict(lr=0.1 * 2))\nx = {'a': [1, (2,)]}\n",
        ".txt": b"--lr 1e-3 --lr-decay-style cosine --train-iters 100 --min-lr 1e-5\n",
    }
    marks = b"\n: -[]{}(),'\"#&*!|>%@`\\=+./_0123456789eE$\x00\xff~"
    found: list[tuple[str, bytes]] = []
    for _ in range(count):
        suffix, content = rng.choice(list(originals.items()))
        changed = bytearray(content if rng.random() < 0.9 else rng.randbytes(rng.randrange(60)))
        for _ in range(rng.randrange(1, 6)):
            place = rng.randrange(len(changed) + 1)
            piece = bytes(rng.choices(marks, k=rng.randrange(1, 4)))
            changed[place : place + rng.randrange(4)] = piece * rng.choice([1, 1, 1, 30])
        found.append((suffix, bytes(changed)))
    return found


def answer(path: Path) -> str:
    """Return the error that a config gives, or nothing."""
    try:
        read(path, total=20, epoch=5)
    except ScheduleError as error:
        return str(error)
    return ""


def test_broken_files_are_answered(tmp_path: Path) -> None:
    """Of 2,600 broken configs each is a plan or one error, at once."""
    formats()
    answers, times = list[str](), list[tuple[float, Path, bytes]]()
    for suffix, content in seeds(2600):
        path = tmp_path / f"config{suffix}"
        path.write_bytes(content)
        begin = time.thread_time()
        answers.append(answer(path))
        times.append((time.thread_time() - begin, path, content))
    assert max(map(len, answers)) < 1000
    assert 50 < answers.count("") < 1950
    _, path, content = max(times)
    path.write_bytes(content)
    assert cost(lambda: answer(path)) < SECOND


def test_what_is_shown_of_a_value_is_all_that_is_written() -> None:
    """`shorten` writes what `repr` does, cut, and no more of it than that."""
    from ratewise.schedule.errors import shorten

    class Loud(str):
        def __repr__(self) -> str:
            return "loud"

    plain: list[Any] = [{"a": [1, (2,), ()], "b": {}}, (), (1,), [], "it's", b"x", Loud("x"), 1.5,
                        {1: {2: {3: (4, 5)}}}, None, {1, }, "a" * 60, ["b" * 70], True]  # fmt: skip
    for value in plain:
        text = repr(value)
        assert shorten(value) == (text if len(text) <= 60 else text[:59] + "…")
    value: Any = ["x" * 10**7] * 10
    for _ in range(60):
        value = [value, value]
    large = (value, {"a": value}, "y" * 10**8, [0] * 10**7, 10**5000, {"k" * 10**7: value})
    assert cost(lambda: [shorten(each) for each in large]) < SECOND
    assert all(len(shorten(each)) <= 60 for each in large)
