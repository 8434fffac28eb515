"""Real runs with real mistakes: is the cause named first, and is a right run ever accused?

    python benchmarks/audit.py --cases 300 --seed 0

Half of the table is of runs with a mistake made in the training script, by plain PyTorch loops and,
where they are installed, by the Trainer, Lightning, Keras and Accelerate, with two processes too;
their numbers are drawn from the seed. The other half is of right runs: every family, rounded and
sparse logs, either convention, resumed and skipped updates. Printed are who was taken for what, and
the two shares. `--wrong-only` and `--right-only` do one half.
"""

from __future__ import annotations

import argparse
import importlib.util
import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import torch

from tests.audit.cases import held, is_right, named, right_cases, wrong_cases
from tests.audit.mistakes import Case

torch.set_num_threads(1)


def judged(cases: Iterable[Case], verbose: bool) -> tuple[dict[str, Counter[str]], int, int, float]:
    """Return who was taken for what, how many rightly, of how many, and the seconds of audits."""
    table: dict[str, Counter[str]] = defaultdict(Counter)
    good = count = 0
    spent = 0.0
    for case in cases:
        begin = time.process_time()
        found = held(case)
        spent += time.process_time() - begin
        right = is_right(case, found)
        good, count = good + right, count + 1
        table[case.kinds[0] if case.kinds else "right"][named(found)] += 1
        if verbose and not right:
            about = f"{case.framework} {case.name} ({case.about})"
            print(f"  {about}: {named(found)}, {case.plan}, {case.given}", flush=True)
    return table, good, count, spent


def printed(table: dict[str, Counter[str]]) -> None:
    for meant in sorted(table):
        row = ", ".join(f"{name} {n}" for name, n in table[meant].most_common())
        print(f"{meant:34s} {row}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=300)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--wrong-only", action="store_true")
    parser.add_argument("--right-only", action="store_true")
    parser.add_argument("--plain", action="store_true", help="no frameworks")
    parser.add_argument("--verbose", action="store_true")
    told = parser.parse_args()
    wanted = ("transformers", "lightning", "keras", "accelerate")
    there = () if told.plain else tuple(n for n in wanted if importlib.util.find_spec(n))
    print(f"seed {told.seed}, frameworks: {', '.join(there) or 'none'}")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        if not told.right_only:
            wrong = wrong_cases(told.cases, told.seed, place, there)
            table, good, count, spent = judged(wrong, told.verbose)
            printed(table)
            share = f"{good} of {count} ({good / count:.1%})"
            print(f"cause named first: {share}, {spent / count:.2f} s each", flush=True)
        if not told.wrong_only:
            right = right_cases(told.cases, told.seed, place, there)
            table, good, count, spent = judged(right, told.verbose)
            printed(table)
            print(f"right runs accused: {count - good} of {count}, {spent / count:.2f} s each")


if __name__ == "__main__":
    main()
