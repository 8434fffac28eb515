"""Logs of any size: memory that does not grow, one rule of thinning, every checksum checked."""

from __future__ import annotations

import itertools
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ratewise as rw
from ratewise.cli.reading import EVERY, LARGE, lines_of
from ratewise.logs import crc32c, events, lines, records, series
from ratewise.logs.reading import read_logs
from ratewise.logs.series import Series

few = settings(max_examples=40, derandomize=True)


# Thinning -------------------------------------------------------------------------------------


def added(steps: np.ndarray, values: np.ndarray, cuts: list[int], most: int) -> Series:
    made = Series()
    edges = [0, *sorted(cut % (len(steps) + 1) for cut in cuts), len(steps)]
    for begin, end in itertools.pairwise(edges):
        made.add(steps[begin:end], values[begin:end], most)
    return made


@few
@given(
    values=st.lists(st.sampled_from([1.0, 2.0, 0.5, np.nan, np.inf]), min_size=1, max_size=300),
    cuts=st.lists(st.integers(0, 300), max_size=8),
    most=st.sampled_from([4, 17, 64, 1000]),
    back=st.none() | st.integers(1, 299),
)
def test_thinning_follows_its_rule(
    values: list[float], cuts: list[int], most: int, back: int | None
) -> None:
    """Every 2^k-th point and those beside, however the points came; all of them if they are few."""
    steps, numbers = np.arange(len(values)) + 1.0, np.array(values)
    if back is not None:
        steps[back:] -= 20
    made = added(steps, numbers, cuts, most)
    found, told = made.points()
    n, stride = len(values), made.stride
    assert -(-n // stride) <= most
    assert stride == 1 or -(-n // (stride // 2)) > most
    places = set(range(0, n, stride)) | {n - 1}
    places |= set(np.flatnonzero(np.isinf(numbers))[:1].tolist())
    real = np.flatnonzero(~np.isnan(numbers))
    tail = int(real[-1]) + 1 if len(real) else 0
    places |= {tail} if tail < n else set()
    places |= set(np.flatnonzero(np.diff(steps, prepend=steps[0]) < 0).tolist())
    kept = sorted(places)
    assert found.tolist() == steps[kept].tolist()
    expected = np.where(np.array(kept) >= tail, np.inf, numbers[kept])
    assert np.array_equal(told, expected, equal_nan=True)


def test_a_thinned_log_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first and the last point are there, losses and rates are right, and a note tells."""
    monkeypatch.setattr(series, "MOST_POINTS", 500)
    path = tmp_path / "a.csv"
    path.write_text("step,lr,loss\n" + "".join(f"{t},1e-3,{2 + 1 / t}\n" for t in range(1, 3001)))
    reading = read_logs(path)
    (curve,) = reading.curves
    assert curve.steps.tolist() == [*range(1, 3001, 8), 3000]
    assert np.allclose(curve.losses, 2 + 1 / np.asarray(curve.steps))
    told = "a: of the 3,000 points of loss every 8th is kept, with the first and the last"
    assert told in reading.notes


# Memory and blocks ----------------------------------------------------------------------------


def csv_of(path: Path, rows: int) -> Path:
    part = "".join(f"{t},1e-3,{t},abc\n" for t in range(1, 1001))
    path.write_text("step,lr,loss,what\n" + part * (rows // 1000))
    return path


def events_of(path: Path, rows: int) -> Path:
    """Event files with a record for each row, whose checksums are TensorBoardX's own."""
    masked = pytest.importorskip("tensorboardX.record_writer").masked_crc32c
    made: list[bytes] = []
    for t in range(rows):
        tag, number = (b"loss", 2.0 + 1 / (t + 1)) if t % 2 else (b"lr", 1e-3)
        value = b"\x0a" + bytes([len(tag)]) + tag + b"\x15" + struct.pack("<f", number)
        summary = b"\x0a" + bytes([len(value)]) + value
        step = bytes([0x80 | t // 2 & 0x7F, 0x80 | t >> 8 & 0x7F, t >> 15])
        event = b"\x09" + struct.pack("<d", t) + b"\x10" + step
        event += b"\x2a" + bytes([len(summary)]) + summary
        head = struct.pack("<Q", len(event))
        made += [head, struct.pack("<I", masked(head)), event, struct.pack("<I", masked(event))]
    path.write_bytes(b"".join(made))
    return path


def cost(path: Path) -> tuple[float, int]:
    """Megabytes that the reading of a log takes at most, and how often it says how far it is."""
    told: list[tuple[int, int]] = []
    tracemalloc.start()
    read_logs(path, progress=lambda done, total: told.append((done, total)))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert told == sorted(told)
    assert told[-1] == (path.stat().st_size,) * 2
    return most / 1e6, len(told)


@pytest.mark.parametrize("make", [csv_of, events_of])
def test_memory_does_not_grow_with_a_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Any
) -> None:
    """Of a log four times as long the reading takes no more, and says four times how far it is."""
    monkeypatch.setattr(series, "MOST_POINTS", 1000)
    monkeypatch.setattr(lines, "BLOCK", 1 << 14)
    monkeypatch.setattr(records, "BLOCK", 1 << 14)
    name = "events.out.tfevents.{}" if make is events_of else "{}.csv"
    make(tmp_path / name.format(0), 8000)
    cost(tmp_path / name.format(0))  # what is imported late
    short, few_times = cost(make(tmp_path / name.format(1), 8000))
    long, many_times = cost(make(tmp_path / name.format(4), 32_000))
    assert long < 1.3 * short < 30
    assert 3 * few_times <= many_times


CSV = (
    "\ufeff# a comment\r\n\r\nstep,lr,loss,what\r\n"
    + "".join(f'{t},1e-3,{2 + 1 / t},"é, ""{t}"""\r\n' for t in range(1, 20))
    + "# in the middle\r\nstep,lr,loss,what\r\n20,1e-3\r\n21,x,2.1,\n\n"
    + "".join(f"{t},1e-3,{2 + 1 / t},né\n" for t in range(22, 60))
).encode()


@pytest.mark.parametrize("block", [1, 2, 3, 7, 64, 1000])
def test_where_blocks_end_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    """In blocks of a few bytes a log is what it is at once, notes and line numbers too."""
    (tmp_path / "a.csv").write_bytes(CSV)
    events_of(tmp_path / "events.out.tfevents.1.a", 100)
    whole = [read_logs(path) for path in sorted(tmp_path.iterdir())]
    monkeypatch.setattr(lines, "BLOCK", block)
    monkeypatch.setattr(records, "BLOCK", block)
    for path, one in zip(sorted(tmp_path.iterdir()), whole, strict=True):
        other = read_logs(path)
        assert other.notes == one.notes
        assert np.array_equal(other.curves[0].losses, one.curves[0].losses)
        assert np.array_equal(other.curves[0].every_rate, one.curves[0].every_rate)
    (notes,) = [one.notes for one in whole if len(one.notes) > 1]
    assert any("# left out, line 23 the first" in note for note in notes)
    assert any("fewer cells than the header, left out; the first such line is 25" in note
               for note in notes)  # fmt: skip
    assert "a: in lr 1 cell is no number, line 26 the first: 'x'" in notes


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("quoted", [False, True])
def test_ends_of_lines(tmp_path: Path, end: str, quoted: bool) -> None:
    """Any of the three; a quoted cell may hold one."""
    text = f'"a{end}b"' if quoted else "a"
    rows = [f"{t},1e-3,{2 + 1 / t},{text}" for t in range(1, 30)]
    (tmp_path / "a.csv").write_bytes(end.join(["step,lr,loss,what", *rows]).encode())
    reading = read_logs(tmp_path / "a.csv")
    assert reading.notes == ()
    assert np.allclose(reading.curves[0].losses, 2 + 1 / np.arange(1, 30))


def test_short_rows_by_habit_and_by_accident(tmp_path: Path) -> None:
    """One short row is damage; where every second is short, what is missing is empty."""
    rows = [f"{t},1e-3,{2 + 1 / t},{t}" for t in range(1, 30)]
    few_ = [row.rpartition(",")[0] if i == 7 else row for i, row in enumerate(rows)]
    many = [row.rpartition(",")[0] if i % 2 else row for i, row in enumerate(rows)]
    for name, content, points in (("few", few_, 28), ("many", many, 29)):
        path = tmp_path / f"{name}.csv"
        path.write_text("\n".join(["step,lr,loss,x", *content]))
        reading = read_logs(path)
        assert len(reading.curves[0].steps) == points
        assert any("fewer cells than the header" in note for note in reading.notes)


def test_progress_is_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    """Of a large file, once in some seconds; of a small one nothing."""
    clock = [0.0]
    told = lines_of(lambda: clock[0])
    for second in range(11):
        clock[0] = float(second)
        told(LARGE // 2, LARGE)
        told(5, 10)
    assert EVERY == 5
    assert capsys.readouterr().err == "reading: 10 of 20 MB\n" * 2


# Checksums ------------------------------------------------------------------------------------


@few
@given(st.lists(st.binary(max_size=40) | st.binary(min_size=1000, max_size=2100), max_size=9))
def test_checksums_at_once_are_those_byte_by_byte(parts: list[bytes]) -> None:
    """Of any lengths; TensorBoardX's is the same."""
    masked = pytest.importorskip("tensorboardX.record_writer").masked_crc32c
    content = np.frombuffer(bytes(crc32c.WIDEST) + b"".join(parts), np.uint8)
    lengths = np.array([len(one) for one in parts], dtype=np.int64)
    starts = crc32c.WIDEST + np.cumsum(lengths) - lengths
    found = crc32c.of_many(content, starts, lengths)
    assert found.tolist() == [crc32c.plain(one) for one in parts]
    assert crc32c.masked(found).tolist() == [masked(one) for one in parts]


@pytest.mark.parametrize("many", [1, 10**9])
def test_long_checksums_go_on(monkeypatch: pytest.MonkeyPatch, many: int) -> None:
    """In pieces, row by row or column by column, a sum is the same."""
    monkeypatch.setattr(crc32c, "MANY", many)
    content = np.random.default_rng(0).integers(0, 256, 9000, dtype=np.uint8)
    found = crc32c.ONES
    for begin, end in ((0, 1), (1, 5000), (5000, 5000), (5000, 9000)):
        found = crc32c.of_long(content[begin:end], found)
    assert found == crc32c.plain(content.tobytes())
    assert crc32c.plain(b"123456789") ^ crc32c.ONES == 0xE3069283  # as RFC 3720 has it


def test_every_flipped_bit_is_told(tmp_path: Path) -> None:
    """Wherever it is, the record it is in is named, and where that begins; none is passed over."""
    path = events_of(tmp_path / "events.out.tfevents.1.a", 40)
    content = path.read_bytes()
    edges = [0]
    while edges[-1] < len(content):
        edges.append(edges[-1] + 16 + content[edges[-1]])
    for at in range(0, len(content), 11):
        bad = bytearray(content)
        bad[at] ^= 1 << at % 8
        path.write_bytes(bad)
        with pytest.raises(rw.ScheduleError) as caught:
            read_logs(path)
        record = sum(edge <= at for edge in edges)
        where = f"is damaged: record {record}, from byte {edges[record - 1]:,} on"
        first = "is no event file of TensorBoard, or its first record is damaged"
        assert (first if record == 1 else where) in str(caught.value)


@pytest.mark.parametrize("tail", ["cut", "zeros", "head", "garbage", "zeros, then more"])
def test_what_is_behind_the_last_whole_record(tmp_path: Path, tail: str) -> None:
    """A file that is being written is read up to there, and it is said; anything else is damage."""
    path = events_of(tmp_path / "events.out.tfevents.1.a", 60)
    content = path.read_bytes()
    more = {"cut": content[:30], "zeros": bytes(5000), "head": content[:7],
            "garbage": b"x" * 50, "zeros, then more": bytes(5000) + b"x"}[tail]  # fmt: skip
    path.write_bytes(content + more)
    if tail in ("garbage", "zeros, then more"):
        with pytest.raises(rw.ScheduleError, match="is damaged: record 61, from byte"):
            read_logs(path)
        return
    reading = read_logs(path)
    assert len(reading.curves[0].steps) == 29  # that at update 0 is none
    wanted = "5,000 zeros behind record 60" if tail == "zeros" else "record 61 is not whole"
    assert any(wanted in note for note in reading.notes)


def test_lengths_are_believed_only_as_far_as_the_file_goes(tmp_path: Path) -> None:
    """A record of an exabyte is no reason to ask for as much memory, though its sum is right."""
    path = events_of(tmp_path / "events.out.tfevents.1.a", 60)
    for length in (2**63, 2**40, records.LARGEST + 1, 10_000):
        head = struct.pack("<Q", length)
        head += struct.pack("<I", int(crc32c.masked(crc32c.plain(head))))
        path.write_bytes(events_of(path, 60).read_bytes() + head + b"x" * 100)
        tracemalloc.start()
        reading = read_logs(path)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert most < 50e6
        assert any("record 61 is not whole" in note for note in reading.notes)


def test_a_record_too_large_to_be_looked_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its checksum is checked all the same, and what is behind it is read."""
    path = events_of(tmp_path / "events.out.tfevents.1.a", 60)
    content = path.read_bytes()
    monkeypatch.setattr(records, "LARGEST", 1000)
    monkeypatch.setattr(records, "BLOCK", 512)
    big = bytes(range(256)) * 20
    head = struct.pack("<Q", len(big))
    head += struct.pack("<I", int(crc32c.masked(crc32c.plain(head))))
    whole = head + big + struct.pack("<I", int(crc32c.masked(crc32c.plain(big))))
    half = len(content) // 60 * 30
    path.write_bytes(content[:half] + whole + content[half:])
    reading = read_logs(path)
    assert any("of 5,120 bytes, is not looked into" in note for note in reading.notes)
    for at in (20, 3000, len(whole) - 1):
        bad = bytearray(whole)
        bad[at] ^= 4
        path.write_bytes(content[:half] + bad + content[half:])
        with pytest.raises(rw.ScheduleError, match="is damaged: record "):
            read_logs(path)


# Events ---------------------------------------------------------------------------------------

NAMES = ["loss", "lr", "train/loss", "a b", "名"]


@few
@given(
    st.lists(
        st.tuples(
            st.sampled_from([0, 1, 127, 128, 2**31, -5]),
            st.lists(
                st.tuples(
                    st.sampled_from(NAMES),
                    st.sampled_from(["simple", "float", "double", "list", "text", "picture"]),
                    st.floats(-10, 10, width=32),
                ),
                max_size=3,
            ),
        ),
        min_size=1,
        max_size=60,
    )
)
def test_events_at_once_are_those_one_by_one(drawn: Any) -> None:
    """Whatever mixture of scalars and others, as the protocol buffers' own library writes them."""
    proto = pytest.importorskip("tensorboardX.proto.event_pb2")
    written: list[bytes] = []
    wanted: list[tuple[str, float, float]] = []
    for step, values in drawn:
        event = proto.Event(wall_time=1.5, step=step)
        for name, kind, number in values:
            made = event.summary.value.add(tag=name)
            if kind == "simple":
                made.simple_value = number
            elif kind in ("float", "double", "list"):
                made.tensor.dtype = 2 if kind == "double" else 1
                code = "<d" if kind == "double" else "<f"
                if kind == "list":
                    made.tensor.float_val.append(number)
                else:
                    made.tensor.tensor_content = struct.pack(code, number)
            elif kind == "text":
                made.tensor.dtype = 7
                made.tensor.string_val.append(b"said")
            else:
                made.image.height = 3
            if kind not in ("text", "picture"):
                wanted.append((name, float(step), number))
        written.append(event.SerializeToString())
    for few_ in (1, 10**9):
        old, events.FEW = events.FEW, few_
        try:
            found = events.scalars_of(block_of(written))
        finally:
            events.FEW = old
        told = zip(found.which.tolist(), found.steps.tolist(), found.values.tolist(), strict=True)
        assert [(found.tags[i].decode(), t, x) for i, t, x in told] == wanted


def block_of(messages: list[bytes]) -> records.Block:
    content = np.frombuffer(bytes(crc32c.WIDEST) + b"".join(messages), np.uint8)
    lengths = np.array([len(one) for one in messages], dtype=np.int64)
    return records.Block(content, crc32c.WIDEST + np.cumsum(lengths) - lengths, lengths, 1)


@few
@given(st.binary(min_size=1, max_size=60))
def test_any_bytes_are_an_event_or_are_not(content: bytes) -> None:
    """A message that no library would write is refused, not guessed at."""
    block = block_of([content])
    try:
        found = events.scalars_of(block)
    except events.Malformed:
        with pytest.raises(events.Malformed, match=r"^0$"):
            events.scalars_of(block)
    else:
        assert len(found.steps) == len(found.values) == len(found.which)
