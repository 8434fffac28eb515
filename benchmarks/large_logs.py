"""Reading logs of any size: how fast, and in how much memory, against one a quarter as large.

python benchmarks/large_logs.py            60 MB of each kind; what `make bench` runs
python benchmarks/large_logs.py --mb 1000  the figures in docs/security.md

Each log is read in a process of its own, whose highest memory is told; `import` is that of one
which has read nothing. The ratio is memory above that, for a whole log against a quarter of it.
"""

from __future__ import annotations

import argparse
import json
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from ratewise.logs import crc32c

READ = """
import json, resource, sys, time
from ratewise.logs.reading import read_logs
unit = 1e6 if sys.platform == "darwin" else 1e3
told, begun, notes = [], time.process_time(), ()
if len(sys.argv) > 1:
    notes = read_logs(sys.argv[1], progress=lambda done, total: told.append(done)).notes
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
print(json.dumps([time.process_time() - begun, peak, len(told), notes[:1]]))
"""
TAGS = [b"train/loss", b"train/lr", *(f"train/stat_{i:02d}".encode() for i in range(18))]
PART = 5000
"""Updates that are written at a time."""


def write_csv(path: Path, size: int, columns: int) -> None:
    """Write step, rate, loss and as many other columns, until the file is so large."""
    more = ",".join(f"{i / 7:.7f}" for i in range(columns))
    with path.open("w", encoding="utf-8") as file:
        file.write(",".join(["step", "lr", "loss", *(f"m{i}" for i in range(columns))]) + "\n")
        t, end = 1, f",{more}\n" if columns else "\n"
        while file.tell() < size:
            losses = (2 + 1 / np.sqrt(np.arange(t, t + PART))).tolist()
            file.write("".join(f"{t + i},0.001,{x:.6f}{end}" for i, x in enumerate(losses)))
            t += PART


def write_events(path: Path, size: int) -> None:
    """Write twenty scalars of every update, with their checksums, until the file is so large."""
    t = 1 << 14  # from here on the step takes three bytes, and records of a tag are alike
    with path.open("wb") as file:
        while file.tell() < size:
            steps = np.arange(t, t + PART)
            file.write(np.concatenate([_records(tag, steps) for tag in TAGS], axis=1).tobytes())
            t += PART


def _records(tag: bytes, steps: np.ndarray) -> np.ndarray:
    numbers = 2 + 1 / np.sqrt(steps) if tag.endswith(b"loss") else np.full(len(steps), 1e-3)
    value = b"\x0a" + bytes([len(tag)]) + tag + b"\x15" + bytes(4)
    summary = b"\x2a" + bytes([len(value) + 2]) + b"\x0a" + bytes([len(value)]) + value
    event = b"\x09" + bytes(8) + b"\x10" + bytes(3) + summary
    head = struct.pack("<Q", len(event))
    head += struct.pack("<I", int(crc32c.masked(crc32c.plain(head))))
    made = np.tile(np.frombuffer(head + event + bytes(4), np.uint8), (len(steps), 1))
    made[:, 13:21] = (1e9 + steps).astype("<f8").view(np.uint8).reshape(-1, 8)
    for i in range(3):
        made[:, 22 + i] = steps >> 7 * i & 127 | (128 if i < 2 else 0)
    made[:, -8:-4] = numbers.astype("<f4").view(np.uint8).reshape(-1, 4)
    content = np.concatenate([np.zeros(crc32c.WIDEST, np.uint8), made.reshape(-1)])
    starts = crc32c.WIDEST + np.arange(len(steps)) * made.shape[1] + 12
    sums = crc32c.of_many(content, starts, np.full(len(steps), len(event)))
    made[:, -4:] = crc32c.masked(sums).astype("<u4").view(np.uint8).reshape(-1, 4)
    return made


def read(*paths: Path) -> tuple[float, float, int, list[str]]:
    """Return the seconds of CPU that a reading takes, its memory in MB, and what was said."""
    command = [sys.executable, "-c", READ, *map(str, paths)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return tuple(json.loads(said))


def main() -> None:
    """Write logs, read them, print a line for each kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mb", type=int, default=60)
    size = parser.parse_args().mb * 1_000_000
    base = read()[1]
    print(f"import alone: {base:.0f} MB")
    kinds = {
        "CSV, 3 columns": ("a.csv", lambda path, size: write_csv(path, size, 0)),
        "CSV, 103 columns": ("b.csv", lambda path, size: write_csv(path, size, 100)),
        "event file, 20 tags": ("events.out.tfevents.1.c", write_events),
    }
    with tempfile.TemporaryDirectory() as folder:
        for kind, (name, write) in kinds.items():
            path = Path(folder) / name
            write(path, size // 4)
            quarter = read(path)[1] - base
            write(path, size)
            seconds, peak, told, notes = read(path)
            mb = path.stat().st_size / 1e6
            ratio = (peak - base) / quarter
            print(
                f"{kind}: {mb:,.0f} MB at {mb / seconds:.0f} MB/s of CPU in {peak:.0f} MB of "
                f"memory, {ratio:.2f}× that of a quarter; told how far {told} times"
            )
            print("    " + (notes[0] if notes else "nothing left out"))
            path.unlink()


if __name__ == "__main__":
    main()
