"""The YAML config of LLaMA-Factory, whose schedules are those of the Trainer of Transformers."""

from __future__ import annotations

from ratewise.convert.configs.trainer import READS, read_arguments
from ratewise.convert.formats import TRAINER_FACTS, Format, FormatMark, Marks, marks, program

_MARKS = Marks(
    *marks("finetuning_type cutoff_len", 4),
    FormatMark("stage", 2, lambda name: isinstance(name, str)),
    FormatMark("template", 2),
    program("llamafactory-cli"),
)
FORMATS = (
    Format(
        "llama_factory",
        "LLaMA-Factory YAML",
        _MARKS,
        lambda source, ctx: read_arguments("LLaMA-Factory", source, ctx, also=("loraplus_lr",)),
        TRAINER_FACTS,
        READS,
    ),
)
