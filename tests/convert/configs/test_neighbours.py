"""Configs that hold the keys of another project, and those of projects that are not read."""

from __future__ import annotations

from typing import Any

import pytest

import ratewise as rw
from ratewise.convert.reading import guess, read


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ({"epoch": 36, "LearningRate": {"base_lr": 0.01, "schedulers": [{"name": "CosineDecay"}]}},
         "PaddleDetection"),
        ({"trainer": {"optimizer": {"type": "adam", "lr": 1e-4}, "num_epochs": 5,
                      "learning_rate_scheduler": {"type": "slanted_triangular"}}}, "AllenNLP"),
        ("[training]\nmax_steps = 20000\n[training.optimizer]\n@optimizers = \"Adam.v1\"\n"
         "learn_rate = 0.001\n", "spaCy"),
        ({"TRAIN": {"EPOCHS": 30, "WARMUP_EPOCHS": 5, "BASE_LR": 2e-5, "MIN_LR": 2e-7}}, "yacs"),
        ("__set_seed: !apply:speechbrain.utils.seed_everything [1]\nlr: 0.001\nwarmup_steps: 100\n"
         "noam_annealing: !new:speechbrain.nnet.schedulers.NoamScheduler\n", "SpeechBrain"),
        ("base_lr: 0.01\nlr_policy: \"step\"\ngamma: 0.1\nstepsize: 100000\n", "Caffe"),
        ({"optimizer": {"config": {"lr": 1e-5}}, "lr_scheduler": {"name": "cosine_annealing"},
          "regime": {"num_steps": 1000}}, "fairseq2"),
    ],
)  # fmt: skip
def test_what_nobody_reads_is_claimed_by_nobody(source: Any, name: str) -> None:
    """A project that is not read is called by its name, and not taken for one that is."""
    with pytest.raises(rw.ScheduleError, match=f"is of .*{name}.*, which is not read"):
        guess(source)


@pytest.mark.parametrize(
    ("source", "format"),
    [
        (
            "pipe_parallel_size: 0\noptimizer: {type: Adam, params: {lr: 1e-3}}\nmin_lr: 1e-4\n"
            "lr_decay_style: cosine\nwarmup: 0.01\ntrain_iters: 1430\nlr_decay_iters: 1430\n"
            "zero_optimization: {stage: 1}\ntrain_micro_batch_size_per_gpu: 32\n",
            "gpt_neox",
        ),
        (
            "llamafactory-cli train --stage sft --finetuning_type lora --template llama3 "
            "--output_dir o --learning_rate 1e-4 --lr_scheduler_type cosine --warmup_ratio 0.1 "
            "--per_device_train_batch_size 1 --num_train_epochs 3.0",
            "llama_factory",
        ),
        (
            "model: {type: gpt2}\ntrainer: {tracker: {project: p}, mp: 'p=f32,c=bfloat16'}\n"
            "optimizer: {learning_rate: 2E-4, weight_decay: 0.1}\n",
            "levanter",
        ),
        (
            "base_model: {hidden_size: 64}\nmodel: {optim: {name: adamw, lr: 1e-3, sched: {name: "
            "CosineAnnealing, warmup_steps: 5, min_lr: 1e-5}}}\ntrainer: {max_steps: 100}\n",
            "nemo",
        ),
        (
            "accelerate launch train_dreambooth_lora_sdxl_advanced.py --text_encoder_lr=1.0 "
            "--learning_rate=1.0 --lr_scheduler=constant --lr_warmup_steps=0 "
            "--max_train_steps=1000 --optimizer=prodigy",
            "diffusers",
        ),
        ("accelerate launch train_controlnet.py --learning_rate=1e-5 --output_dir=o", "diffusers"),
    ],
)
def test_a_config_that_holds_the_keys_of_another_is_its_own_projects(
    source: str, format: str
) -> None:
    """GPT-NeoX holds those of DeepSpeed, LLaMA-Factory those of the Trainer, and so on."""
    assert guess(source).name == format
    assert read(source, epoch=50, total=300 if format == "diffusers" else None).lr is not None
