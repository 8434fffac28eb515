"""The public configs: where each is from, how it is read, and the rates of its own project."""

# ruff: noqa: E501  (a table is read in rows)
from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.convert.configs import formulas
from tests.convert.public import projects as p
from tests.convert.public.projects import Rate

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Case:
    """A public config.

    Attributes:
        format: The format that has to claim it.
        source: Repository and path that it was retyped from.
        total: Updates of the run.
        rate: What makes the project's own rate of an update.
        told: What the file does not say.
        groups: Groups that have rates of their own.
    """

    format: str
    source: str
    total: int
    rate: Callable[[], Rate]
    told: dict[str, Any] = field(default_factory=dict[str, Any])
    groups: tuple[str, ...] = ()


def path(name: str) -> Path:
    """Return the file of a case."""
    (found,) = HERE.glob(f"{name}.*")
    return found


_AUTO = {"warmup_min_lr": 0, "warmup_max_lr": 5e-5, "warmup_num_steps": 100}
_AXOLOTL = "axolotl-ai-cloud/axolotl: examples/"
_FAIRSEQ = "facebookresearch/fairseq: examples/"
_FOUNDRY = "mosaicml/llm-foundry: scripts/train/yamls/"
_HANDBOOK = "huggingface/alignment-handbook: recipes/"
_MEGATRON = "NVIDIA/Megatron-LM: examples/"
_NEMO = "NVIDIA/NeMo: examples/asr/conf/"
_OLMO = "allenai/OLMo: configs/"

CASES: dict[str, Case] = {
    # Transformers and what is built on it
    "transformers_smollm_sft": Case("transformers", f"{_HANDBOOK}smollm/sft/config.yaml", 100, lambda: p.trainer(1e-3, 100, p.warmup_steps(100, 0.1)), {"epoch": 100}),
    "transformers_smollm3_apo": Case("transformers", f"{_HANDBOOK}smollm3/dpo/apo.yaml", 250, lambda: p.trainer(1e-6, 250, 25, "cosine_with_min_lr", min_lr_rate=0.1), {"epoch": 250}),
    "transformers_smollm3_mid": Case("transformers", f"{_HANDBOOK}smollm3/sft/mid.yaml", 500, lambda: p.trainer(2e-5, 500, p.warmup_steps(500, 0.03), "cosine_with_min_lr", min_lr_rate=0.1), {"epoch": 100}),
    "transformers_zephyr_orpo": Case("transformers", f"{_HANDBOOK}zephyr-141b-A35b/orpo/config_full.yaml", 300, lambda: p.trainer(5e-6, 300, 100, "inverse_sqrt"), {"epoch": 100}),
    "transformers_constitutional_dpo": Case("transformers", f"{_HANDBOOK}constitutional-ai/dpo/config_anthropic.yaml", 300, lambda: p.trainer(5e-7, 300, 30, "linear"), {"epoch": 100}),
    "trainer_llava_pretrain": Case("trainer", "haotian-liu/LLaVA: scripts/v1_5/pretrain.sh", 1000, lambda: p.trainer(1e-3, 1000, p.warmup_steps(1000, 0.03)), {"epoch": 1000}),
    "trainer_llava_lora": Case("trainer", "haotian-liu/LLaVA: scripts/v1_5/finetune_lora.sh", 1000, lambda: p.trainer(2e-4, 1000, p.warmup_steps(1000, 0.03)), {"epoch": 1000}, ("mm_projector",)),
    "trainer_speech_ctc": Case("trainer", "huggingface/transformers: examples/pytorch/speech-recognition/README.md", 600, lambda: p.trainer(3e-4, 600, 500, "linear"), {"epoch": 40}),
    "trainer_speech_ctc_streaming": Case("trainer", "huggingface/transformers: examples/pytorch/speech-recognition/README.md", 5000, lambda: p.trainer(5e-4, 5000, 500, "linear")),
    "llama_factory_llama3_sft": Case("llama_factory", "hiyouga/LLaMA-Factory: examples/megatron_bridge/llama3_sft.yaml", 1000, lambda: p.trainer(5e-6, 1000, 10), {"epoch": 50}),
    "llama_factory_qwen2_full_sft": Case("llama_factory", "hiyouga/LLaMA-Factory: examples/extras/adam_mini/qwen2_full_sft.yaml", 375, lambda: p.trainer(1e-5, 375, 38), {"epoch": 125}),
    "llama_factory_qwen3_5_full_sft_fsdp2": Case("llama_factory", "hiyouga/LLaMA-Factory: examples/ascend/qwen3_5_full_sft_fsdp2.yaml", 500, lambda: p.trainer(1e-5, 500, 50)),
    "llama_factory_qwen3_moe_full": Case("llama_factory", "hiyouga/LLaMA-Factory: examples/megatron/qwen3_moe_full.yaml", 200, lambda: p.trainer(3e-6, 200, 0, "constant"), {"epoch": 100}),
    "axolotl_lfm2_350m": Case("axolotl", f"{_AXOLOTL}LiquidAI/lfm2-350m-fft.yaml", 200, lambda: p.trainer(5e-5, 200, 20), {"epoch": 200}),
    "axolotl_btlm": Case("axolotl", f"{_AXOLOTL}archived/cerebras/btlm-ft.yml", 300, lambda: p.axolotl_quadratic(8.5e-5, 300, 30), {"epoch": 300}),
    "axolotl_relora": Case("axolotl", f"{_AXOLOTL}llama-2/relora.yml", 1000, lambda: p.axolotl_jagged(2e-4, 1000, 100, 150, 10), {"epoch": 250}),
    "axolotl_3b_fp8_fsdp2": Case("axolotl", f"{_AXOLOTL}llama-3/3b-fp8-fsdp2.yaml", 100, lambda: p.trainer(2e-5, 100, 10, "constant_with_warmup"), {"epoch": 100}),
    "axolotl_llama3_8b_hsdp": Case("axolotl", f"{_AXOLOTL}distributed-parallel/llama-3_1-8b-hsdp-tp.yaml", 200, lambda: p.trainer(2e-6, 200, 20, "constant_with_warmup"), {"epoch": 100}),
    "axolotl_tinyllama_pretrain": Case("axolotl", f"{_AXOLOTL}archived/tiny-llama/pretrain.yml", 200, lambda: p.trainer(2e-4, 200, 20)),
    "axolotl_qwen3_30b": Case("axolotl", f"{_AXOLOTL}expert_parallel/qwen3_30ba3b_ep_fft_4gpu.yaml", 50, lambda: p.trainer(5e-6, 50, p.warmup_steps(50, 0.1))),
    "axolotl_qwen3_reward": Case("axolotl", f"{_AXOLOTL}qwen3/reward-model.yaml", 300, lambda: p.trainer(2e-5, 300, 30, "linear"), {"epoch": 100}),
    "diffusers_lora_naruto": Case("diffusers", "huggingface/diffusers: docs/source/en/training/lora.md", 15_000, lambda: p.trainer(1e-4, 15_000, 0)),
    "diffusers_cogvideox_lora": Case("diffusers", "huggingface/diffusers: examples/cogvideo/README.md", 1500, lambda: p.diffusers_restarts(1e-3, 1500, 200, 1), {"epoch": 50}),
    "diffusers_flux_control": Case("diffusers", "huggingface/diffusers: examples/flux-control/README.md", 10_000, lambda: p.trainer(5e-5, 10_000, 1000)),
    "diffusers_flux_controlnet": Case("diffusers", "huggingface/diffusers: examples/controlnet/README_flux.md", 15_000, lambda: p.trainer(1e-5, 15_000, 500)),
    "diffusers_textual_inversion": Case("diffusers", "huggingface/diffusers: examples/textual_inversion/README.md", 3000, lambda: p.always(5e-4 * 4 * 1 * 2), {"processes": 2}),
    # Large models from scratch
    "olmo_OLMo-1B": Case("olmo", f"{_OLMO}official-0724/OLMo-1B.yaml", 739_328, lambda: p.olmo(4e-4, 2000, 739_328, 4e-5)),
    "olmo_OLMo-7B": Case("olmo", f"{_OLMO}official-0724/OLMo-7B.yaml", 476_838, lambda: p.olmo(3e-4, 5000, 476_838, 3e-5, True)),
    "olmo_OLMo-7B-0424": Case("olmo", f"{_OLMO}official-0724/OLMo-7B-0424.yaml", 800_000, lambda: p.olmo(3e-4, 2500, 3e12 / (1024 * 4096), 3e-5), {"epoch": 400_000}),
    "olmo_OLMo2-1B-stage1": Case("olmo", f"{_OLMO}official-0425/OLMo2-1B-stage1.yaml", math.ceil(4e12 / (512 * 4096)), lambda: p.olmo(4e-4, 4000, 5e12 / (512 * 4096), 0.0)),
    "maxtext_base": Case("maxtext", "AI-Hypercomputer/maxtext: src/maxtext/configs/base.yml", 150_001, lambda: p.maxtext(3e-5, 150_001, 15_000, 0.1)),
    "maxtext_distillation": Case("maxtext", "AI-Hypercomputer/maxtext: src/maxtext/configs/post_train/distillation.yml", 200_000, lambda: p.maxtext(2e-4, 200_000, 20_000, 0.1)),
    "maxtext_distillation_gpt_oss_20b": Case("maxtext", "AI-Hypercomputer/maxtext: src/maxtext/configs/post_train/distillation_gpt_oss_20b.yml", 100_000, lambda: p.maxtext(5e-5, 100_000, 2000, 0.2)),
    "verl_fsdp": Case("verl", "volcengine/verl: verl/trainer/config/optim/fsdp.yaml", 40, lambda: p.always(1e-3), {"total": 40}),
    "verl_legacy_ppo_trainer": Case("verl", "volcengine/verl: tests/trainer/config/legacy_ppo_trainer.yaml", 40, lambda: p.always(1e-6), {"total": 40}),
    "megatron_bert_340m": Case("megatron", f"{_MEGATRON}bert/train_bert_340m_distributed.sh", 1_000_000, lambda: p.megatron(1e-4, 1e-5, 32, 0.01 * 990_000 * 32, 990_000 * 32, "linear")),
    "megatron_mixtral_8x7b": Case("megatron", f"{_MEGATRON}mixtral/train_mixtral_8x7b_distributed.sh", 500_000, lambda: p.megatron(1e-4, 1e-5, 256, 500 * 256, 320_000 * 256)),
    "megatron_mamba_800m": Case("megatron", f"{_MEGATRON}mamba/train.sh", 73_242_188 // 32, lambda: p.megatron(2.5e-4, 2.5e-5, 32, 50_000, 73_192_188)),
    "megatron_mistral_clip": Case("megatron", f"{_MEGATRON}multimodal/pretrain_mistral_clip.sh", 20_000, lambda: p.megatron(1.5e-4, 1e-5, 256, 0.01 * 20_000 * 256, 20_000 * 256)),
    "gpt_neox_19M": Case("gpt_neox", "EleutherAI/gpt-neox: configs/19M.yml", 143_000, lambda: p.gpt_neox(1e-3, 1e-4, 143_000, 0.01)),
    "gpt_neox_20B": Case("gpt_neox", "EleutherAI/gpt-neox: configs/20B.yml", 150_000, lambda: p.gpt_neox(9.7e-5, 9.7e-6, 150_000, 0.01)),
    "gpt_neox_125M_dmoe": Case("gpt_neox", "EleutherAI/gpt-neox: configs/125M-dmoe.yml", 320_000, lambda: p.gpt_neox(6e-4, 6e-5, 320_000, 0.1)),
    "gpt_neox_bf16_125M": Case("gpt_neox", "EleutherAI/gpt-neox: configs/bf16_125M.yml", 320_000, lambda: p.gpt_neox(6e-4, 0.0, 320_000, 0.01)),
    "nanogpt_train_gpt2": Case("nanogpt", "karpathy/nanoGPT: config/train_gpt2.py", 600_000, lambda: p.nanogpt(6e-4, 6e-5, 2000, 600_000)),
    "nanogpt_train_shakespeare_char": Case("nanogpt", "karpathy/nanoGPT: config/train_shakespeare_char.py", 5000, lambda: p.nanogpt(1e-3, 1e-4, 100, 5000)),
    "nanogpt_finetune_shakespeare": Case("nanogpt", "karpathy/nanoGPT: config/finetune_shakespeare.py", 20, lambda: p.always(3e-5)),
    "torchtitan_deepseek_v3_671b": Case("torchtitan", "pytorch/torchtitan: torchtitan/models/deepseek_v3/train_configs/deepseek_v3_671b.toml", 10_000, lambda: p.told([2.2e-4 * x for x in formulas.torchtitan(10_000, 10_000, 2000, 0.8, "cosine", 0.1)])),
    "torchtitan_deepseek_v3_debug": Case("torchtitan", "pytorch/torchtitan: torchtitan/models/deepseek_v3/train_configs/debug_model.toml", 6, lambda: p.told([8e-4 * x for x in formulas.torchtitan(6, 6, 0, 0.8, "linear", 0.0)])),
    "torchtitan_llama3_8b": Case("torchtitan", "pytorch/torchtitan: configs/llama3_8b-8xb200-8k.toml", 1000, lambda: p.told([3e-4 * x for x in formulas.torchtitan(1000, 1000, 200, None, "linear", 0.0)])),
    "torchtune_gemma_2b_lora": Case("torchtune", "pytorch/torchtune: recipes/configs/gemma/2B_lora.yaml", 400, lambda: p.trainer(2e-5, 400, 10), {"total": 400}),
    "torchtune_llama_3b_grpo": Case("torchtune", "pytorch/torchtune: recipes/configs/dev/3B_full_grpo.yaml", 200, lambda: p.trainer(1e-5, 200, 50), {"total": 200}),
    "torchtune_llama3_2_1b_lora": Case("torchtune", "pytorch/torchtune: recipes/configs/llama3_2/1B_lora.yaml", 800, lambda: p.trainer(3e-4, 800, 100), {"total": 800}),
    "composer_gpt2_small": Case("composer", f"{_FOUNDRY}pretrain/gpt2-small.yaml", 33_696, lambda: p.composer(6e-4, 100, 33_696, "cosine", 0.1)),
    "composer_mpt_125m": Case("composer", f"{_FOUNDRY}pretrain/mpt-125m.yaml", 4800, lambda: p.composer(6e-4, 100, 4800, "cosine", 0.1)),
    "composer_mpt_7b_dolly": Case("composer", f"{_FOUNDRY}finetune/mpt-7b_dolly_sft.yaml", 200, lambda: p.composer(5e-6, 50, 200, "linear", 0.0), {"epoch": 100}),
    "composer_dbrx_full_ft": Case("composer", f"{_FOUNDRY}finetune/dbrx-full-ft.yaml", 200, lambda: p.composer(1e-6, 4, 200, "cosine", 0.0), {"epoch": 100}),
    "deepspeed_transformers_zero3": Case("deepspeed", "huggingface/transformers: tests/deepspeed/ds_config_zero3.json", 2000, lambda: p.told(formulas.ds_warmup(2000, 0.0, 3e-5, 500, "log")), {"total": 2000}),
    "deepspeed_transformers_zero2": Case("deepspeed", "huggingface/transformers: tests/deepspeed/ds_config_zero2.json", 2000, lambda: p.told(formulas.ds_warmup(2000, 0.0, 5e-5, 100, "log")), {"total": 2000, **_AUTO}),
    "deepspeed_func_scheduler": Case("deepspeed", "microsoft/DeepSpeed: tests/model/Megatron_GPT2/ds_config_func_scheduler.json", 300, lambda: p.told(formulas.ds_warmup(300, 0.0, 1e-3, 10, "log")), {"total": 300}),
    "deepspeed_examples_cifar": Case("deepspeed", "deepspeedai/DeepSpeedExamples: training/cifar/cifar10_deepspeed.py", 3000, lambda: p.told(formulas.ds_warmup(3000, 0.0, 1e-3, 1000, "log")), {"total": 3000}),
    "deepspeed_examples_autotp": Case("deepspeed", "deepspeedai/DeepSpeedExamples: training/tensor_parallel/hf_integration/configs/ds_config.json", 1000, lambda: p.told(formulas.ds_warmup_decay(1000, 1000, 0.0, 5e-5, 100, "log")), {"total": 1000, **_AUTO}),
    "factors_t5x_pretrain": Case("factors", "google-research/t5x: t5x/configs/runs/pretrain.gin", 100_000, lambda: p.factors_root(10_000), {"total": 100_000}),
    "factors_bigscience_c4": Case("factors", "google-research/t5x: bigscience/gins/t5_c4_span_corruption.gin", 32_768, lambda: p.factors_root(10_000), {"total": 32_768}),
    "factors_t5x_finetune": Case("factors", "google-research/t5x: t5x/configs/runs/finetune.gin", 1000, lambda: p.always(0.001), {"total": 1000}),
    # Speech, translation, vision
    "nemo_speech_finetune": Case("nemo", f"{_NEMO}asr_finetune/speech_to_text_finetune.yaml", 100_000, lambda: p.nemo("CosineAnnealing", 1e-4, 5e-6, 100_000, warmup=5000), {"total": 100_000}),
    "nemo_hybrid_asr_tts": Case("nemo", f"{_NEMO}asr_tts/hybrid_asr_tts.yaml", 1000, lambda: p.nemo("CosineAnnealing", 1e-4, 1e-6, 1000, warmup=200), {"total": 1000}),
    "nemo_citrinet_1024": Case("nemo", f"{_NEMO}citrinet/citrinet_1024.yaml", 100_000, lambda: p.nemo("CosineAnnealing", 0.05, 1e-5, 100_000, warmup=5000), {"total": 100_000}),
    "nemo_conformer_ctc": Case("nemo", f"{_NEMO}conformer/conformer_ctc_bpe.yaml, with d_model filled in", 100_000, lambda: p.nemo("NoamAnnealing", 2.0, 1e-6, 100_000, warmup=10_000, d_model=512), {"total": 100_000}),
    "fairseq_nlu_finetuning": Case("fairseq", f"{_FAIRSEQ}audio_nlp/nlu/configs/nlu_finetuning.yaml", 320_000, lambda: p.fairseq("tri_stage", 1e-4, (32_000, 128_000, 160_000), 0.01, 0.05)),
    "fairseq_data2vec_audioset": Case("fairseq", f"{_FAIRSEQ}data2vec/config/audio/pretraining/audioset.yaml", 200_000, lambda: p.fairseq("cosine", 5e-4, 10_000, -1, 0.0, 190_000, 1, 0.1)),
    "fairseq_data2vec_librispeech": Case("fairseq", f"{_FAIRSEQ}data2vec/config/audio/pretraining/base_librispeech.yaml", 400_000, lambda: p.fairseq("tri_stage", 5e-4, (12_000, 360_000, 28_000), 0.01, 0.01)),
    "fairseq_hubert_base": Case("fairseq", f"{_FAIRSEQ}hubert/config/pretrain/hubert_base_librispeech.yaml", 400_000, lambda: p.fairseq("polynomial", 5e-4, 32_000, 0.0, 1.0, 400_000)),
    "fairseq_adaptive_inputs": Case("fairseq", f"{_FAIRSEQ}language_model/README.adaptive_inputs.md", 286_000, lambda: p.fairseq("cosine", 1.0, 16_000, 1e-7, 1e-4, 270_000, 2, 0.75)),
    "fairseq_lightconv": Case("fairseq", f"{_FAIRSEQ}pay_less_attention_paper/README.md", 30_000, lambda: p.fairseq("cosine", 1e-3, 10_000, 1e-7, 1e-7, 20_000, 1, 1)),
    "fairseq_transformer_xl": Case("fairseq", f"{_FAIRSEQ}adaptive_span/README.md", 400_000, lambda: p.fairseq("cosine", 2.5e-4, 0, -1, 0.0, 400_000, 1, 0.1)),
    "fairseq_adaptive_span": Case("fairseq", f"{_FAIRSEQ}adaptive_span/README.md", 600_000, lambda: p.fairseq("fixed", [0.07], 32_000, 1000, None, 0.1)),
    "fairseq_backtranslation": Case("fairseq", f"{_FAIRSEQ}backtranslation/README.md", 30_000, lambda: p.fairseq("inverse_sqrt", 1e-3, 4000, -1)),
    "fairseq_mbart": Case("fairseq", f"{_FAIRSEQ}mbart/README.md", 40_000, lambda: p.fairseq("polynomial", 3e-5, 2500, 0.0, 1.0, 40_000), {"total": 40_000}),
    "mmengine_mmdet_schedule_1x": Case("mmengine", "open-mmlab/mmdetection: configs/_base_/schedules/schedule_1x.py", 12_000, lambda: p.mmengine(12_000, 0.02, p.linear_window(0, 500, 1, {"start_factor": 0.001, "end_factor": 1.0}), p.multi_step(0, 12, 1000, {"milestones": [8, 11], "gamma": 0.1})), {"epoch": 1000}),
    "mmengine_mmseg_schedule_40k": Case("mmengine", "open-mmlab/mmsegmentation: configs/_base_/schedules/schedule_40k.py", 40_000, lambda: p.mmengine(40_000, 0.01, p.poly(0, 40_000, 1, {"eta_min": 1e-4, "power": 0.9}))),
    "mmengine_mmseg_schedule_160k": Case("mmengine", "open-mmlab/mmsegmentation: configs/_base_/schedules/schedule_160k.py", 160_000, lambda: p.mmengine(160_000, 0.01, p.poly(0, 160_000, 1, {"eta_min": 1e-4, "power": 0.9}))),
    "mmengine_mmpretrain_cifar10_bs128": Case("mmengine", "open-mmlab/mmpretrain: configs/_base_/schedules/cifar10_bs128.py", 2000, lambda: p.mmengine(2000, 0.1, p.multi_step(0, 200, 10, {"milestones": [100, 150], "gamma": 0.1})), {"epoch": 10}),
}  # fmt: skip

REFUSED = {
    "megatron_gpt3_175b": ("megatron", {}, "step.batch.size.schedule"),
    "megatron_llama3_8b": ("megatron", {}, "decoupled.lr"),
    "diffusers_textual_inversion": ("diffusers", {}, "processes"),
}
"""Configs whose project does more than can be read, or leaves out what its script decides."""
