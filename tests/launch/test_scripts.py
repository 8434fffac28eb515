"""Scripts of others, not changed by a letter, follow the schedule that `ratewise run` was given.

The rates are noted by a hook that a `sitecustomize` of the test puts into every process.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import ratewise as rw

pytest.importorskip("torch")
pytest.importorskip("accelerate")

HERE = Path(__file__).parent
LR = 0.1
EXAMPLES = "TRANSFORMERS_EXAMPLES"
"""Where the folder `examples/pytorch` of Transformers is, if it is there: no package has it."""

Launched = tuple[subprocess.CompletedProcess[str], list[list[float]]]


def launch(folder: Path, *words: str) -> Launched:
    """Run a command under the launcher; return how it ended, and each process's rates in order."""
    rates = folder / "rates.txt"
    rates.unlink(missing_ok=True)
    paths = [str(HERE / "watching"), os.environ.get("PYTHONPATH", "")]
    own = {"RATES": str(rates), "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    quiet = {"PYTHONWARNINGS": "ignore", "CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1"}
    quiet |= {"HF_DATASETS_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    quiet |= {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
    done = subprocess.run(
        [sys.executable, "-m", "ratewise", "run", *words],
        cwd=folder, env=os.environ | quiet | own, capture_output=True, text=True, check=False,
    )  # fmt: skip
    found: dict[str, list[float]] = {}
    for line in rates.read_text(encoding="utf-8").splitlines() if rates.exists() else ():
        process, rate = line.split()
        found.setdefault(process, []).append(float(rate))
    return done, list(found.values())


def wanted(text: str, total: int) -> list[float]:
    return (LR * rw.parse(text).resolve(total).values()).tolist()


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, a tokenizer, and data for each kind of script."""
    pytest.importorskip("trl")
    pytest.importorskip("datasets")
    from tests.trainers.tiny_lm import save_model, save_rows, texts

    folder = tmp_path_factory.mktemp("ground")
    save_model(folder)
    rows = {"sft": [{"text": f"{row['prompt']} {row['chosen']}"} for row in texts(12)]}
    rows |= {"pairs": texts(12)}
    for name, several in rows.items():
        (folder / name).mkdir()
        save_rows(folder / name / "train.jsonl", [dict(row) for row in several])
    (folder / "lines.txt").write_text("the cat sat on a mat and then it was sad\n" * 40)
    return folder


ARGUMENTS = (
    "--learning_rate 0.1 --num_train_epochs 1 --per_device_train_batch_size 2 --report_to none "
    "--use_cpu --save_strategy no --disable_tqdm true"
)


def asked(data: str, out: str) -> list[str]:
    """The arguments of a script of TRL."""
    return (
        f"--model_name_or_path model --dataset_name {data} --output_dir {out} {ARGUMENTS}".split()
    )


def test_trl_sft_as_it_is_typed(ground: Path) -> None:
    """The console command, which starts `accelerate launch`, which starts the script."""
    words = [*asked("sft", "sft-out"), "--max_length", "16"]
    done, rates = launch(
        ground, "--schedule", "cosine", "--warmup", "20%", "--", "trl", "sft", *words
    )
    assert done.returncode == 0, done.stderr
    assert rates == [wanted("Warmup('20%') >> Cosine(to=0)", 6)]
    assert 'ratewise run: attached Warmup("20%") >> Cosine(to=0) to SFTTrainer' in done.stderr


def test_other_scripts_of_trl(ground: Path) -> None:
    """DPO and a reward model, in one process: each trainer gets the schedule, over its own run."""
    words = [*["dpo", *asked("pairs", "dpo-out")], "--", *["reward", *asked("pairs", "rm-out")]]
    script = str(HERE / "in_turn.py")
    done, rates = launch(ground, "--schedule", "Warmup(2) >> Linear(to=0)", "--", script, *words)
    assert done.returncode == 0, done.stderr
    assert rates == [wanted("Warmup(2) >> Linear(to=0)", 6) * 2]
    for trainer in ("DPOTrainer", "RewardTrainer"):
        assert f"to {trainer}" in done.stderr


def test_torchrun_starts_two_that_follow(tmp_path: Path) -> None:
    """Each process of a plain loop of Accelerate has the rates; the first one says so."""
    script, total = str(HERE / "loops.py"), 6
    command = ["torchrun", "--standalone", "--nproc-per-node", "2", script, "own.json"]
    told = ["--schedule", "linear", "--warmup", "2", "--total", str(total)]
    done, rates = launch(tmp_path, *told, "--", *command, "accelerate")
    assert done.returncode == 0, done.stderr
    assert rates == [wanted("Warmup(2) >> Linear(to=0)", total)] * 2
    assert done.stderr.count("ratewise run: attached") == 1


ACCURACY = """
import datasets
import evaluate

class Accuracy(evaluate.Metric):
    def _info(self):
        kinds = {name: datasets.Value("int32") for name in ("predictions", "references")}
        told = {"description": "", "citation": "", "inputs_description": ""}
        return evaluate.MetricInfo(features=datasets.Features(kinds), **told)

    def _compute(self, predictions, references):
        same = sum(int(a == b) for a, b in zip(predictions, references))
        return {"accuracy": same / len(predictions)}
"""
"""What a script asks the hub for; `evaluate` looks for it in the folder first."""

LOADED = "--model_name_or_path model --train_file"
SCRIPTS = {
    "language-modeling/run_clm.py": (
        f"{LOADED} lines.txt --do_train --block_size 16 --max_train_samples 12 {ARGUMENTS}",
        "Trainer",
    ),
    "text-classification/run_glue.py": (
        f"{LOADED} pairs.json --validation_file pairs.json --do_train --do_eval "
        f"--max_seq_length 16 {ARGUMENTS}",
        "Trainer",
    ),
    "text-classification/run_glue_no_trainer.py": (
        f"{LOADED} pairs.json --validation_file pairs.json --max_length 16 --learning_rate 0.1 "
        "--num_train_epochs 1 --per_device_train_batch_size 2",
        "AdamW",
    ),
}
"""Scripts of Transformers, the arguments of each, and what they are attached to."""


@pytest.mark.skipif(EXAMPLES not in os.environ, reason=f"{EXAMPLES} names no folder")
@pytest.mark.parametrize("name", SCRIPTS)
def test_an_example_of_transformers(name: str, ground: Path) -> None:
    """As it is, from a checkout that whoever runs this has: no package holds them."""
    words, found = SCRIPTS[name]
    if "glue" in name:
        pytest.importorskip("evaluate")
    from tests.trainers.tiny_lm import save_rows

    (ground / "accuracy").mkdir(exist_ok=True)
    (ground / "accuracy" / "accuracy.py").write_text(ACCURACY)
    pairs = [{"sentence1": "the cat", "sentence2": "sat", "label": i % 2} for i in range(12)]
    save_rows(ground / "pairs.json", pairs)
    script = str(Path(os.environ[EXAMPLES]) / name)
    told = ["--schedule", "cosine", "--warmup", "2"]
    told += ["--total", "6"] if "no_trainer" in name else []
    done, rates = launch(ground, *told, "--", script, *words.split(), "--output_dir", "example-out")
    assert done.returncode == 0, done.stderr
    assert rates == [wanted("Warmup(2) >> Cosine(to=0)", 6)]
    assert f"to {found}\n" in done.stderr
