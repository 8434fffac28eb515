"""Write docs/advice.md from the rules, the recipes and the advice for ten situations.

python docs/make_advice.py          writes it
python docs/make_advice.py --check  says whether the page is what would be written
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from pages import write_or_check

from ratewise.advise import advise
from ratewise.advise.format import format_plan
from ratewise.advise.recipes import cookbook
from ratewise.advise.rules import rules

PAGE = Path(__file__).parent / "advice.md"

SITUATIONS: list[tuple[str, str, dict[str, Any]]] = [
    (
        "A language model from scratch, 20,000 updates",
        "A small language model is pretrained for 20,000 updates with AdamW, beta2 0.95. Eight "
        "short runs can be paid for first.",
        {
            "task": "pretraining",
            "kind": "language model",
            "total": 20_000,
            "trials": 8,
            "beta2": 0.95,
        },
    ),
    (
        "A language model, and nobody knows when it ends",
        "Training goes on as long as the machines are free, and checkpoints are wanted on the way.",
        {"task": "pretraining", "kind": "language model", "horizon": "open", "beta2": 0.95},
    ),
    (
        "An assistant from a base model",
        "All weights of a language model are tuned on instructions for 1,500 updates.",
        {"task": "fine-tuning", "kind": "language model", "total": 1500},
    ),
    (
        "LoRA on one card, in a hurry",
        "80 updates with LoRA, batches of 16, and three runs to compare.",
        {
            "task": "fine-tuning",
            "kind": "language model",
            "method": "lora",
            "batch": 16,
            "total": 80,
            "trials": 3,
        },
    ),
    (
        "A classifier from 2,000 labelled texts",
        "An encoder is tuned on few examples; some seeds fail to learn.",
        {"task": "fine-tuning", "kind": "encoder", "examples": 2000, "seen": ["divergence"]},
    ),
    (
        "Preferences after fine-tuning",
        "All weights are tuned on pairs of answers.",
        {"task": "preference tuning", "kind": "language model"},
    ),
    (
        "A four times larger batch",
        "A network for images, trained with SGD at a peak of 0.1 and batches of 256, moves to more "
        "cards: batches of 1,024.",
        {
            "task": "image classification",
            "kind": "vision",
            "optimizer": "sgd",
            "batch": 1024,
            "batch_before": 256,
            "peak": 0.1,
        },
    ),
    (
        "New data every month",
        "A language model is trained further as data comes in; its loss jumped after the last "
        "warm-up.",
        {
            "task": "continued pretraining",
            "kind": "language model",
            "horizon": "open",
            "seen": ["spikes"],
        },
    ),
    (
        "A search whose best peak was the last one",
        "Thirty runs with Adam: the best peak was next to those that diverged, the metric jitters "
        "at the end, and the best checkpoint is late.",
        {"trials": 30, "seen": ["edge peak", "jitter", "late best"]},
    ),
    (
        "No wish to choose a rate",
        "Prodigy is to choose the rate for a fine-tune of a vision network.",
        {"task": "vision transfer", "kind": "vision", "optimizer": "prodigy"},
    ),
]

HEAD = """# Advice, and where it comes from

`advise` takes what you know of a training and gives the rules that fit, each with its source,
where rules disagree, and schedules to try. It measures nothing: its schedules are where a
comparison begins. Take them to [the range test](find.md) for a peak, and to `compare`.

```python
from ratewise.choose import advise, recipe

advice = advise(task="fine-tuning", kind="language model", method="lora", total=2000)
plan = advice.plans[0]
print(plan.lr, plan.peak["lr"])  # Warmup("5%") >> Cosine(to=0) 0.0002
for rule_id in advice.origins[0]:
    print("from", rule_id)

assert recipe("lora") == plan
```

In a terminal the same facts are options. `--from MODULE:TASK` looks at a task's model, optimizer
and data. What a Trainer of Transformers left behind can be read too: `--from trainer_state.json`
finds the length of the run, and whether the loss had spikes, diverged or stood still. Where
standard input is a terminal, the facts that matter most are asked for.

```console
$ ratewise advise --task fine-tuning --kind "language model" --method lora --total 2000
$ ratewise recipes
$ ratewise recipes lora
```

Strength says what stands behind a rule: *measured* (somebody compared), *theory*, *convention*
(many do it) or *default* (a library does it). A more specific rule comes before a general one,
then the better evidence. No rule knows your task.

This page is written by `docs/make_advice.py` from the rules and by running them.
"""


def write() -> str:
    """Return the page."""
    return "\n".join([HEAD, _rules(), _recipes(), _situations()])


def _rules() -> str:
    lines = [
        f"## The {len(rules())} rules\n",
        "| rule | when | then | numbers | strength | source | disagrees with |",
        "|---|---|---|---|---|---|---|",
    ]
    for rule in rules().values():
        cells = [f"`{rule.id}`", rule.condition(), rule.then, rule.numbers, rule.strength]
        cells += [rule.source, ", ".join(f"`{name}`" for name in rule.conflicts)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _recipes() -> str:
    lines = ["## Recipes\n", "| recipe | for | schedule | peak | rules |", "|---|---|---|---|---|"]
    for known in cookbook().values():
        peak = known.plan.peak.get("lr")
        shown = "look for one" if peak is None else f"{peak:g}"
        origin = ", ".join(f"`{name}`" for name in known.origin)
        cells = [f"`{known.name}`", known.about, f"`{known.plan.lr!r}`", shown, origin]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _situations() -> str:
    parts = ["## Ten situations\n"]
    for title, told, facts in SITUATIONS:
        advice = advise(**facts)
        parts.append(f"### {title}\n\n{told}\n")
        first = advice.plans[0]
        parts.append(f"The first schedule to try: `{format_plan(first)}`.\n")
        parts.append(f"```console\n$ {command(facts)}\n{advice}\n```\n")
    return "\n".join(parts)


def command(facts: dict[str, Any]) -> str:
    """Return the command that gives these facts, over as many lines as it needs."""
    options: list[str] = []
    for name, value in facts.items():
        for one in value if isinstance(value, list) else [value]:
            options.append(f"--{name.replace('_', '-')} {shlex.quote(str(one))}")
    lines = ["ratewise advise"]
    for option in options:
        if len(lines[-1]) + len(option) > 86:
            lines[-1] += " \\"
            lines.append("   ")
        lines[-1] += f" {option}"
    return "\n".join(lines)


def main() -> int:
    """Write, or check."""
    return write_or_check(PAGE, write())


if __name__ == "__main__":
    raise SystemExit(main())
