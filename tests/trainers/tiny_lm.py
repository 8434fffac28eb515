"""A language model, a tokenizer and data of a few lines, as scripts find them on disk."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

_WORDS = "the a cat dog sat ran on under mat tree and then it was happy sad big small red"
WORDS = _WORDS.split(" ")


def without_broken(*names: str) -> None:
    """Let packages that are there and cannot be imported be as if they were not there.

    TRL imports what it finds to report to, and fails where that is only half installed.
    """
    for name in names:
        if importlib.util.find_spec(name) is not None:
            try:
                __import__(name)
            except ImportError:
                sys.modules[name] = None  # pyright: ignore[reportArgumentType]


def save_model(folder: Path) -> str:
    """Write a model of two heads and its tokenizer; return where, as scripts are told."""
    import torch
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    special = ["<pad>", "<eos>", "<unk>"]
    words = {word: i for i, word in enumerate([*special, *WORDS])}
    made = Tokenizer(WordLevel(words, unk_token="<unk>"))
    made.pre_tokenizer = Whitespace()
    tokenizer: Any = PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>"
    )
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(words), hidden_size=16, intermediate_size=16, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=64,
        pad_token_id=0, eos_token_id=1, bos_token_id=1,
    )  # fmt: skip
    place = folder / "model"
    LlamaForCausalLM(config).save_pretrained(place)
    tokenizer.save_pretrained(place)
    return str(place)


def texts(n: int) -> list[dict[str, str]]:
    """Lines to continue: prompt, and completions of which the first is the better one."""
    rows: list[dict[str, str]] = []
    for i in range(n):
        one, two = WORDS[2 + i % 2], WORDS[4 + i % 2]
        rows.append({"prompt": f"the {one}", "chosen": f"{two} on a mat", "rejected": "red red"})
    return rows


def save_rows(path: Path, rows: list[dict[str, Any]]) -> str:
    """Write rows as lines of JSON; return where."""
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return str(path)
