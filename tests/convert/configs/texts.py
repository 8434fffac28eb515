"""A small config of each format, as a text, and what has to be told to read it."""

from __future__ import annotations

from typing import Any

SOURCES: dict[str, tuple[str, dict[str, Any]]] = {
    "axolotl": (
        """
        base_model: some/model
        learning_rate: 2e-4
        lr_scheduler: cosine
        cosine_min_lr_ratio: 0.1
        warmup_steps: 10
        datasets: [{path: some/data, type: alpaca}]
        """,
        {"total": 200},
    ),
    "composer": (
        """
        max_duration: 3ep
        global_train_batch_size: 64
        optimizer: {name: decoupled_adamw, lr: 6.0e-4}
        scheduler: {name: cosine_with_warmup, t_warmup: 10ba, alpha_f: 0.1}
        """,
        {"epoch": 50},
    ),
    "deepspeed": (
        """
        {"train_batch_size": 8, "optimizer": {"type": "AdamW", "params": {"lr": 1e-3}},
         "scheduler": {"type": "WarmupDecayLR", "params": {"total_num_steps": 200,
         "warmup_num_steps": 20}}}
        """,
        {},
    ),
    "detectron2": (
        """
        MODEL: {META_ARCHITECTURE: GeneralizedRCNN}
        SOLVER: {BASE_LR: 0.02, STEPS: "(120, 160)", MAX_ITER: 200, WARMUP_ITERS: 20}
        VERSION: 2
        """,
        {},
    ),
    "diffusers": (
        "accelerate launch train.py --learning_rate=1e-4 --lr_scheduler=cosine \\\n"
        "  --lr_warmup_steps=20 --max_train_steps=200",
        {},
    ),
    "factors": ("constant * linear_warmup * rsqrt_decay", {"warmup_steps": 20}),
    "fairseq": (
        "--lr 5e-4 --lr-scheduler inverse_sqrt --warmup-updates 20 --warmup-init-lr 1e-07",
        {},
    ),
    "gpt_neox": (
        """
        {
          # JSON with comments
          "optimizer": {"type": "Adam", "params": {"lr": 6e-4}},
          "min_lr": 6e-5, "train_iters": 200, "lr_decay_style": "cosine", "warmup": 0.05,
        }
        """,
        {},
    ),
    "hydra": (
        """
        model:
          _target_: src.models.mnist_module.MNISTLitModule
          optimizer: {_target_: torch.optim.AdamW, _partial_: true, lr: 0.001}
          scheduler: {_target_: transformers.get_cosine_schedule_with_warmup, _partial_: true,
                      num_warmup_steps: 20, num_training_steps: 200}
          interval: step
        trainer: {_target_: lightning.pytorch.trainer.Trainer, max_steps: 200}
        """,
        {},
    ),
    "lightning_cli": (
        """
        trainer: {max_epochs: 10}
        optimizer: {class_path: torch.optim.AdamW, init_args: {lr: 0.001}}
        lr_scheduler:
          class_path: torch.optim.lr_scheduler.CosineAnnealingLR
          init_args: {T_max: 10, eta_min: 0.00001}
        """,
        {"epoch": 20},
    ),
    "llama_factory": (
        """
        stage: sft
        finetuning_type: lora
        template: llama3
        cutoff_len: 2048
        learning_rate: 5.0e-6
        lr_scheduler_type: cosine
        warmup_steps: 10
        max_steps: 200
        """,
        {},
    ),
    "kohya": (
        """
        [additional_network_arguments]
        network_module = "networks.lora"
        unet_lr = 1e-4
        text_encoder_lr = 5e-5

        [optimizer_arguments]
        learning_rate = 1e-4
        lr_scheduler = "cosine"
        lr_warmup_steps = 20

        [training_arguments]
        max_train_steps = 200
        """,
        {},
    ),
    "lerobot": (
        """
        {"policy": {"type": "pi0"}, "steps": 200, "optimizer": {"type": "adamw", "lr": 2.5e-05},
         "scheduler": {"type": "cosine_decay_with_warmup", "num_warmup_steps": 20,
         "num_decay_steps": 200, "peak_lr": 2.5e-05, "decay_lr": 2.5e-06}}
        """,
        {},
    ),
    "maxtext": (
        """
        steps: 200
        learning_rate: 2.0e-4
        learning_rate_schedule_steps: 150
        warmup_steps_fraction: 0.1
        learning_rate_final_fraction: 0.1
        """,
        {},
    ),
    "megatron": (
        "--lr 6e-4 --min-lr 6e-5 --lr-decay-style WSD --lr-wsd-decay-style minus_sqrt \\\n"
        "  --train-iters 200 --lr-wsd-decay-iters 40 --lr-warmup-fraction 0.05",
        {},
    ),
    "mlx_lm": (
        """
        model: some/model
        iters: 200
        lora_parameters: {rank: 8, scale: 20.0}
        lr_schedule: {name: cosine_decay, warmup: 20, arguments: [1e-5, 200, 1e-7]}
        """,
        {},
    ),
    "mmengine": (
        """
        param_scheduler:
          - {type: LinearLR, start_factor: 0.001, by_epoch: false, begin: 0, end: 20}
          - {type: MultiStepLR, by_epoch: true, milestones: [8, 11], gamma: 0.1, end: 12}
        optim_wrapper: {optimizer: {type: SGD, lr: 0.02}}
        """,
        {"epoch": 15},
    ),
    "nanogpt": (
        """
        block_size: 1024
        learning_rate: 6e-4
        max_iters: 200
        lr_decay_iters: 200
        warmup_iters: 20
        """,
        {},
    ),
    "nemo": (
        """
        trainer: {max_steps: 200}
        model:
          optim: {name: adamw, lr: 1e-3, sched: {name: CosineAnnealing, max_steps: 200,
                  warmup_steps: 20, min_lr: 1e-5}}
        """,
        {},
    ),
    "olmo": (
        """
        optimizer: {name: adamw, learning_rate: 0.0004}
        scheduler: {name: cosine_with_warmup, t_warmup: 20, alpha_f: 0.1}
        max_duration: 12800T
        global_train_batch_size: 4
        model: {max_sequence_length: 16}
        """,
        {},
    ),
    "timm_args": (
        """
        sched: cosine
        lr: 0.5
        epochs: 18
        warmup_epochs: 2
        warmup_lr: 1e-5
        min_lr: 0.0
        cooldown_epochs: 2
        sched_on_updates: true
        """,
        {"epoch": 10},
    ),
    "torchtitan": (
        """
        [optimizer]
        lr = 3e-4
        [lr_scheduler]
        warmup_steps = 20
        decay_ratio = 0.2
        decay_type = "sqrt"
        [training]
        steps = 200
        """,
        {},
    ),
    "torchtune": (
        """
        optimizer: {_component_: torch.optim.AdamW, lr: 2e-5}
        lr_scheduler:
          _component_: torchtune.training.lr_schedulers.get_cosine_schedule_with_warmup
          num_warmup_steps: 20
        """,
        {},
    ),
    "trainer": (
        """
        learning_rate: 5e-05
        train_batch_size: 8
        lr_scheduler_type: cosine
        lr_scheduler_warmup_ratio: 0.1
        num_epochs: 2
        """,
        {"epoch": 100},
    ),
    "ultralytics": (
        """
        task: detect
        epochs: 5
        batch: 64
        optimizer: SGD
        cos_lr: true
        lr0: 0.01
        lrf: 0.1
        warmup_epochs: 3.0
        warmup_bias_lr: 0.0
        nbs: 64
        """,
        {"epoch": 40},
    ),
    "espnet": (
        """
        optim: adam
        optim_conf: {lr: 0.002}
        scheduler: warmuplr
        scheduler_conf: {warmup_steps: 40}
        accum_grad: 4
        max_epoch: 4
        """,
        {"epoch": 50},
    ),
    "kohya_gui": (
        """
        LoRA_type: Standard
        pretrained_model_name_or_path: m
        learning_rate: 0.0001
        unet_lr: 0.0001
        text_encoder_lr: 0.00005
        lr_scheduler: cosine
        lr_scheduler_num_cycles: ""
        lr_scheduler_power: ""
        lr_warmup: 10
        max_train_steps: 200
        optimizer: AdamW8bit
        block_lr_zero_threshold: ""
        """,
        {},
    ),
    "lingua": (
        """
        name: large_lm
        steps: 200
        optim: {lr: 3e-3, weight_decay: 0.033, warmup: 50, lr_min_ratio: 0.000001, clip: 1.0}
        distributed: {fsdp_type: full_shard}
        """,
        {},
    ),
    "mistral_finetune": (
        """
        data: {instruct_data: x}
        model_id_or_path: m
        lora: {rank: 64}
        seq_len: 32768
        max_steps: 200
        optim: {lr: 6.e-5, weight_decay: 0.1, pct_start: 0.05}
        save_adapters: true
        """,
        {},
    ),
    "mmcv": (
        """
        optimizer: {type: SGD, lr: 0.02, momentum: 0.9, weight_decay: 0.0001}
        optimizer_config: {grad_clip: null}
        lr_config: {policy: step, warmup: linear, warmup_iters: 50, warmup_ratio: 0.001,
                    step: [2, 3]}
        runner: {type: EpochBasedRunner, max_epochs: 4}
        """,
        {"epoch": 50},
    ),
    "opennmt": (
        """
        save_model: exp/model
        train_steps: 200
        valid_steps: 100
        warmup_steps: 40
        hidden_size: 512
        accum_count: 8
        optim: adam
        decay_method: noam
        learning_rate: 2.0
        batch_type: tokens
        """,
        {},
    ),
    "verl": (
        """
        actor_rollout_ref:
          actor:
            optim: {lr: 1.0e-6, lr_warmup_steps: 5, lr_warmup_steps_ratio: 0.0,
                    lr_scheduler_type: cosine, total_training_steps: -1}
        """,
        {"total": 200},
    ),
}


def text(name: str) -> str:
    """Return the text of a format."""
    lines = SOURCES[name][0].split("\n")
    margin = " " * 8
    return "\n".join(line.removeprefix(margin) for line in lines).strip("\n")
