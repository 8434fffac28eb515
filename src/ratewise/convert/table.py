"""Which shape is called what where: the table that the docs are written from and the tests run.

`there` is code of the framework (a call of its class or function, or a config), over a run of 1,000
updates at a rate of 3e-4; what it is called here is what `read` makes of it.
"""

# ruff: noqa: E501  (a table is read in rows)
from __future__ import annotations

from dataclasses import dataclass

TOTAL, RATE = 1000, 3e-4


@dataclass(frozen=True)
class Row:
    """One shape in one framework.

    Attributes:
        shape: What the field calls it.
        framework: "torch", "transformers", "keras", "optax", "timm", "fvcore", "ignite", or the
            name of a format of configs.
        there: Code or config.
        know: What a user of that framework has to know, or "".
    """

    shape: str
    framework: str
    there: str
    know: str = ""


ROWS: tuple[Row, ...] = (
    Row("constant", "torch", "ConstantLR(o, factor=0.5, total_iters=100)", "released to 1 at update 100"),
    Row("constant", "transformers", "lr_scheduler_type='constant'"),
    Row("constant", "optax", "constant_schedule(value=3e-4)"),
    Row("linear", "torch", "LinearLR(o, start_factor=1.0, end_factor=0.1, total_iters=1000)",
        "cannot start at 0 nor end above 1"),
    Row("linear", "optax", "linear_schedule(init_value=3e-4, end_value=0.0, transition_steps=1000)",
        "with transition_steps of 0 or less it stays at init_value"),
    Row("warm-up and linear", "transformers", "lr_scheduler_type='linear', warmup_steps=50",
        "update 0 runs at rate 0; our own Warmup(50) wastes none"),
    Row("step", "torch", "StepLR(o, step_size=300, gamma=0.1)"),
    Row("step", "timm", "StepLRScheduler(o, decay_t=300, decay_rate=0.1, t_in_epochs=False)"),
    Row("steps at milestones", "torch", "MultiStepLR(o, milestones=[500, 750], gamma=0.1)",
        "a milestone twice multiplies twice"),
    Row("steps at milestones", "timm",
        "MultiStepLRScheduler(o, decay_t=[500, 750], decay_rate=0.1, t_in_epochs=False)",
        "steps one update before the milestone"),
    Row("steps at milestones", "optax",
        "piecewise_constant_schedule(init_value=3e-4, boundaries_and_scales={500: 0.1, 750: 0.1})"),
    Row("piecewise constant", "keras",
        "PiecewiseConstantDecay(boundaries=[500, 750], values=[3e-4, 3e-5, 3e-6])",
        "the old value still holds at the boundary itself"),
    Row("piecewise linear", "ignite",
        "PiecewiseLinear(o, 'lr', milestones_values=[(0, 0.0), (100, 3e-4), (1000, 0.0)])"),
    Row("exponential", "torch", "ExponentialLR(o, gamma=0.99)"),
    Row("exponential", "keras",
        "ExponentialDecay(initial_learning_rate=3e-4, decay_steps=100, decay_rate=0.9, staircase=True)",
        "a whole-number initial rate makes everything whole"),
    Row("exponential", "optax",
        "exponential_decay(init_value=3e-4, transition_steps=100, decay_rate=0.9)",
        "a decay_rate of 0 stays at init_value, in Keras it drops to 0"),
    Row("exponential", "fvcore", "ExponentialParamScheduler(3e-4, 0.1)", "decay is over the whole run"),
    Row("inverse time", "keras",
        "InverseTimeDecay(initial_learning_rate=3e-4, decay_steps=100, decay_rate=0.5)"),
    Row("polynomial", "torch", "PolynomialLR(o, total_iters=1000, power=2.0)", "always ends at 0"),
    Row("polynomial", "keras",
        "PolynomialDecay(initial_learning_rate=3e-4, decay_steps=1000, end_learning_rate=3e-6, power=2.0)"),
    Row("polynomial", "transformers",
        "lr_scheduler_type='polynomial', warmup_steps=50, lr_scheduler_kwargs={'power': 2.0}",
        "ends at 1e-7, an absolute rate"),
    Row("polynomial", "timm", "PolyLRScheduler(o, t_initial=1000, power=2.0, t_in_epochs=False)",
        "the power is 0.5 by default"),
    Row("cosine", "torch", "CosineAnnealingLR(o, T_max=1000, eta_min=3e-5)",
        "rises again past T_max"),
    Row("cosine", "keras", "CosineDecay(initial_learning_rate=3e-4, decay_steps=1000, alpha=0.1)",
        "decay_steps leaves the warm-up out; warmup_steps without warmup_target is ignored"),
    Row("cosine", "optax", "cosine_decay_schedule(init_value=3e-4, decay_steps=1000, alpha=0.1)"),
    Row("cosine", "fvcore", "CosineParamScheduler(3e-4, 3e-5)"),
    Row("cosine", "ignite", "CosineAnnealingScheduler(o, 'lr', 3e-4, 3e-5, 2000)",
        "a cycle is there and back"),
    Row("warm-up and cosine", "transformers", "lr_scheduler_type='cosine', warmup_steps=50",
        "not held past the end: it rises again"),
    Row("warm-up and cosine", "optax",
        "warmup_cosine_decay_schedule(init_value=0.0, peak_value=3e-4, warmup_steps=50, decay_steps=1000)",
        "decay_steps includes the warm-up"),
    Row("warm-up and cosine", "timm",
        "CosineLRScheduler(o, t_initial=1000, warmup_t=50, warmup_lr_init=1e-6, t_in_epochs=False)",
        "without warmup_prefix the cosine runs under the warm-up: a jump at its end"),
    Row("warm-up and cosine with a floor", "transformers",
        "lr_scheduler_type='cosine_with_min_lr', warmup_steps=50, lr_scheduler_kwargs={'min_lr_rate': 0.1}",
        "min_lr is divided by the optimizer's own rate, not the group's"),
    Row("cosine restarts", "torch", "CosineAnnealingWarmRestarts(o, T_0=100, T_mult=2)",
        "the floor is never reached at a whole update"),
    Row("cosine restarts", "keras",
        "CosineDecayRestarts(initial_learning_rate=3e-4, first_decay_steps=100, t_mul=2.0, m_mul=0.5)"),
    Row("cosine restarts", "transformers",
        "lr_scheduler_type='cosine_with_restarts', warmup_steps=50, lr_scheduler_kwargs={'num_cycles': 3}"),
    Row("cosine restarts", "timm",
        "CosineLRScheduler(o, t_initial=100, cycle_mul=2.0, cycle_limit=3, t_in_epochs=False)"),
    Row("cyclic", "torch",
        "CyclicLR(o, base_lr=3e-5, max_lr=3e-4, step_size_up=100, mode='triangular2', cycle_momentum=False)",
        "touches the momentum unless told not to"),
    Row("one-cycle", "torch", "OneCycleLR(o, max_lr=3e-4, total_steps=1000, cycle_momentum=False)",
        "raises an error one update past its end"),
    Row("one-cycle", "optax", "cosine_onecycle_schedule(transition_steps=1000, peak_value=3e-4)",
        "the peak comes one update later than in PyTorch"),
    Row("inverse square root", "transformers", "lr_scheduler_type='inverse_sqrt', warmup_steps=50",
        "without a warm-up the time scale is 10,000"),
    Row("warmup-stable-decay", "transformers",
        "lr_scheduler_type='warmup_stable_decay', warmup_steps=50, "
        "lr_scheduler_kwargs={'num_decay_steps': 200, 'decay_type': '1-sqrt'}",
        "lengths that do not fit are not refused: it decays from the middle"),
    Row("tanh", "timm", "TanhLRScheduler(o, t_initial=1000, t_in_epochs=False)"),
    Row("two in a row", "torch",
        "SequentialLR(o, [LinearLR(o, 0.1, 1.0, 100), CosineAnnealingLR(o, 900)], milestones=[100])",
        "children reset the rate only where they have a closed form"),
    Row("product", "torch", "ChainedScheduler([ExponentialLR(o, 0.999), StepLR(o, 300, 0.5)])",
        "of those that overwrite the rate the last one wins"),
    Row("averaging rate", "torch", "SWALR(o, swa_lr=3e-5, anneal_epochs=10)"),
)  # fmt: skip
"""What frameworks that can be run here call their shapes."""

CONFIGS: tuple[Row, ...] = (
    Row("warm-up and cosine", "deepspeed",
        "{'scheduler': {'type': 'WarmupCosineLR', 'params': {'total_num_steps': 1000, "
        "'warmup_num_steps': 50, 'warmup_type': 'linear'}}}",
        "the first two updates run at the least rate"),
    Row("warm-up and cosine with a floor", "kohya",
        "{'network_module': 'networks.lora', 'learning_rate': 3e-4, 'lr_scheduler': 'cosine_with_min_lr', "
        "'lr_warmup_steps': 0.05, 'lr_scheduler_min_lr_ratio': 0.1, 'max_train_steps': 1000}",
        "a whole number is steps of every process, a float a share of them all"),
    Row("warm-up and steps", "detectron2",
        "{'SOLVER': {'LR_SCHEDULER_NAME': 'WarmupMultiStepLR', 'BASE_LR': 3e-4, 'STEPS': (600, 800), "
        "'MAX_ITER': 1000, 'WARMUP_ITERS': 50}}",
        "the warm-up starts at WARMUP_FACTOR, 0.001, of the rate"),
    Row("warm-up and cosine", "lerobot",
        "{'policy': {'type': 'pi0'}, 'optimizer': {'lr': 3e-4}, 'steps': 1000, 'scheduler': {'type': "
        "'cosine_decay_with_warmup', 'num_warmup_steps': 50, 'num_decay_steps': 1000, 'peak_lr': 3e-4, "
        "'decay_lr': 3e-5}}",
        "the cosine begins under the warm-up, and a run that is shorter shrinks both"),
    Row("warm-up and cosine", "mlx_lm",
        "{'iters': 1000, 'lr_schedule': {'name': 'cosine_decay', 'warmup': 50, 'arguments': [3e-4, 950, 3e-5]}}",
        "two updates run at the peak: the last of the warm-up and the first behind it"),
    Row("warmup-stable-decay", "megatron",
        "'--lr 3e-4 --min-lr 3e-5 --lr-decay-style WSD --lr-wsd-decay-style linear --lr-decay-iters 1000 "
        "--lr-wsd-decay-iters 200 --lr-warmup-iters 50'"),
    Row("warmup-stable-decay", "torchtitan",
        "{'lr_scheduler': {'warmup_steps': 50, 'decay_ratio': 0.2, 'decay_type': 'linear'}}",
        "negative past the end"),
    Row("warm-up and cosine", "axolotl",
        "{'learning_rate': 3e-4, 'lr_scheduler': 'cosine', 'warmup_steps': 50, 'cosine_min_lr_ratio': 0.1}"),
    Row("warm-up and cosine", "composer",
        "{'scheduler': {'name': 'cosine_with_warmup', 't_warmup': '50ba', 'alpha_f': 0.1}}"),
    Row("warm-up and steps", "mmengine",
        "{'param_scheduler': [{'type': 'LinearLR', 'start_factor': 0.001, 'by_epoch': False, 'begin': 0, "
        "'end': 50}, {'type': 'MultiStepLR', 'by_epoch': False, 'milestones': [500, 750], 'gamma': 0.1}]}",
        "a warm-up of n updates reaches its end at update n - 1"),
    Row("inverse square root", "fairseq",
        "'--lr-scheduler inverse_sqrt --lr 3e-4 --warmup-updates 50 --warmup-init-lr 0'"),
    Row("product of factors", "factors", "'constant * linear_warmup * rsqrt_decay'"),
    Row("steps at milestones", "mmcv",
        "{'optimizer': {'type': 'SGD', 'lr': 3e-4}, 'lr_config': {'policy': 'step', 'by_epoch': False, 'step': "
        "[500, 750], 'warmup': 'linear', 'warmup_iters': 50}, 'runner': {'max_iters': 1000}}",
        "the warm-up multiplies what the policy gives, from a tenth unless told otherwise"),
    Row("warm-up and cosine", "kohya_gui",
        "{'LoRA_type': 'Standard', 'learning_rate': 3e-4, 'unet_lr': 3e-4, 'text_encoder_lr': 0, 'lr_scheduler': "
        "'cosine', 'lr_warmup': 5, 'max_train_steps': 1000, 'epoch': 1}",
        "lr_warmup is a percentage of the run"),
    Row("warm-up and cosine", "torchtune",
        "{'lr_scheduler': {'_component_': "
        "'torchtune.training.lr_schedulers.get_cosine_schedule_with_warmup', 'num_warmup_steps': 50}}"),
    Row("warm-up and cosine", "nemo",
        "{'optim': {'lr': 3e-4, 'sched': {'name': 'CosineAnnealing', 'warmup_steps': 50, 'min_lr': 3e-5}}}",
        "the warm-up is (t+1)/(W+1)"),
    Row("warm-up and cosine", "nanogpt",
        "{'learning_rate': 3e-4, 'min_lr': 3e-5, 'warmup_iters': 50, 'lr_decay_iters': 1000, 'max_iters': 1000}",
        "what is left out is as in its train.py"),
    Row("warm-up and cosine", "gpt_neox",
        "{'optimizer': {'params': {'lr': 3e-4}}, 'train_iters': 1000, 'lr_decay_style': 'cosine', 'warmup': 0.05}",
        "the first two updates run at the same rate"),
    Row("warm-up and linear", "trainer",
        "{'learning_rate': 3e-4, 'lr_scheduler_type': 'linear', 'lr_scheduler_warmup_steps': 50, 'training_steps': 1000}",
        "a model card, or flags of a script"),
    Row("warm-up and cosine", "diffusers",
        "'--learning_rate=3e-4 --lr_scheduler=cosine --lr_warmup_steps=50 --max_train_steps=1000'",
        "most of its scripts warm up over 500 updates unless they are told otherwise"),
    Row("warm-up and cosine", "llama_factory",
        "{'stage': 'sft', 'finetuning_type': 'lora', 'cutoff_len': 2048, 'learning_rate': 3e-4, "
        "'lr_scheduler_type': 'cosine', 'warmup_ratio': 0.05, 'max_steps': 1000}",
        "a warm-up ratio is rounded up to whole updates"),
    Row("warm-up and cosine", "olmo",
        "{'optimizer': {'learning_rate': 3e-4}, 'scheduler': {'name': 'cosine_with_warmup', 'units': 'steps', "
        "'t_warmup': 50, 'alpha_f': 0.1}, 'max_duration': 1000}",
        "updates are counted from 1, and the warm-up begins at a tenth of the peak"),
    Row("warmup-stable-decay", "maxtext",
        "{'learning_rate': 3e-4, 'lr_schedule_type': 'wsd', 'warmup_steps_fraction': 0.05, "
        "'wsd_decay_steps_fraction': 0.2, 'learning_rate_final_fraction': 0.1, 'steps': 1000}",
        "the last update is at the final fraction; what is left out is as in its base.yml"),
    Row("warm-up and cosine", "verl",
        "{'actor_rollout_ref': {'actor': {'optim': {'lr': 3e-4, 'lr_warmup_steps_ratio': 0.05, "
        "'lr_scheduler_type': 'cosine', 'min_lr_ratio': 0.1, 'total_training_steps': 1000}}}}",
        "lr_warmup_steps counts before the ratio where it is above 0"),
    Row("warm-up and cosine", "litgpt",
        "{'checkpoint_dir': 'm', 'train': {'lr_warmup_steps': 50, 'epochs': 3, 'max_steps': 1000}, 'optimizer': "
        "{'class_path': 'torch.optim.AdamW', 'init_args': {'lr': 3e-4}}}",
        "finetuning ends at 0 whatever min_lr says; pretraining counts batches and ends at min_lr"),
    Row("warm-up and cosine", "nanotron",
        "{'optimizer': {'learning_rate_scheduler': {'learning_rate': 3e-4, 'lr_warmup_steps': 50, "
        "'lr_warmup_style': 'linear', 'lr_decay_style': 'cosine', 'min_decay_lr': 3e-5}}, "
        "'tokens': {'train_steps': 1000}}",
        "without lr_decay_steps it falls over what the warm-up and lr_decay_starting_step leave"),
    Row("warm-up and cosine", "open_clip",
        "'--train-num-samples 1000000 --accum-freq 1 --lr 3e-4 --warmup 50 --lr-scheduler cosine'",
        "the warm-up is (t+1)/W; what is left out is as in its params.py"),
    Row("warm-up and cosine with a floor", "openrlhf",
        "'openrlhf.cli.train_sft --adam.lr 3e-4 --lr_warmup_ratio 0.05 --train.max_epochs 1'",
        "cosine_with_min_lr, a warm-up of 3 % and a floor of 10 % unless told otherwise"),
    Row("warm-up and cosine", "levanter",
        "{'trainer': {'num_train_steps': 1000}, 'optimizer': {'learning_rate': 3e-4, 'warmup': 0.05, "
        "'min_lr_ratio': 0.1}}",
        "lengths of 1 or less are shares of the run"),
    Row("inverse square root", "espnet",
        "{'optim': 'adam', 'optim_conf': {'lr': 3e-4}, 'scheduler': 'warmuplr', 'scheduler_conf': "
        "{'warmup_steps': 50}}", "the peak is at update W - 1"),
    Row("inverse square root", "opennmt",
        "{'decay_method': 'noam', 'learning_rate': 2.0, 'warmup_steps': 50, 'hidden_size': 512, "
        "'train_steps': 1000}", "learning_rate is a factor of its formula; updates are counted from 1"),
    Row("one-cycle", "mistral_finetune",
        "{'model_id_or_path': 'm', 'max_steps': 1000, 'optim': {'lr': 3e-4, 'pct_start': 0.05}}",
        "it cycles the momentum too"),
    Row("warmup-stable-decay", "lingua",
        "{'steps': 1000, 'optim': {'lr': 3e-4, 'scheduler': 'wsd', 'warmup': 50, 'lr_min_ratio': 0.1, "
        "'decay_fraction': 0.2}}", "1 over the rate rises in a line"),
    Row("cosine", "hydra",
        "{'optimizer': {'_target_': 'torch.optim.AdamW', 'lr': 3e-4}, 'scheduler': {'_target_': "
        "'torch.optim.lr_scheduler.CosineAnnealingLR', 'T_max': 1000}, 'interval': 'step'}",
        "where the interval is not said, it has to be told"),
    Row("step", "lightning_cli",
        "{'model': {'class_path': 'Net', 'init_args': {'optimizer': {'class_path': 'torch.optim.AdamW', 'init_args': "
        "{'lr': 3e-4}}, 'lr_scheduler': {'class_path': 'torch.optim.lr_scheduler.StepLR', 'init_args': "
        "{'step_size': 300}}, 'interval': 'step'}}}",
        "an lr_scheduler of its own is stepped once per epoch"),
)  # fmt: skip
"""Configs of frameworks that are not run here; their traces are tested against the formulas."""
