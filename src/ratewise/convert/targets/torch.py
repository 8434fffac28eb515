"""PyTorch: a function of the update and a scheduler around it.

PyTorch's own shapes are not used: they multiply the rate of the update before, so that rounding
adds up, where a function of the update starts afresh each time.
"""

from __future__ import annotations

from ratewise.convert.targets._functions import Functions
from ratewise.convert.targets._levels import formulas
from ratewise.convert.targets._print import PYTHON
from ratewise.convert.targets._quote import identifier, literal
from ratewise.convert.targets._text import Target, WritingJob, file, header, levels_of
from ratewise.schedule import Schedule
from ratewise.schedule.meant import is_pattern

DOC = "Return the level of update `t`: what the peak rate is multiplied by."

SIMPLE = '''\
def make_scheduler(optimizer: Optimizer) -> LambdaLR:
    """Return the scheduler; call its `step()` after each `optimizer.step()`."""
{peak}    return LambdaLR(optimizer, level)
'''

PEAK = """\
    for group in optimizer.param_groups:
        group["initial_lr"] = {peak}
"""

EXACT = '''\
def keys_of(group: dict, i: int) -> dict:
    """Return what is scheduled in group i, meant by name or place: (level, peak or None) by key."""
    return GROUPS.get(group.get("name"), GROUPS.get(str(i), EVERY))
'''

PATTERNS = r'''def keys_of(group: dict, i: int) -> dict:
    """Return what is scheduled in group i: (level, peak or None) by key.

    It is meant by its name, its place, or the pattern that says most of its name.
    """
    name = group.get("name")
    fitting = [key for key in GROUPS if name is not None and fnmatchcase(str(name), key)]
    fitting.sort(key=lambda key: len(re.sub(r"\[[^]]*\]|[*?]", "", key)), reverse=True)
    for key in (name, str(i), *fitting):
        if key in GROUPS:
            return GROUPS[key]
    return EVERY
'''

GENERAL = '''\
def place(group: dict, key: str) -> tuple:
    """Return where a key lives: "momentum" may be the first beta, "betas[1]" is the second."""
    if key in group:
        return key, None
    if key == "momentum":
        return "betas", 0
    name, _, index = key.rstrip("]").partition("[")
    return name, int(index)


def read(group: dict, key: str):
    """Return the value of a key of a group."""
    name, index = place(group, key)
    return group[name] if index is None else group[name][index]


def write(group: dict, key: str, value) -> None:
    """Set the value of a key of a group; a tensor is filled in place."""
    name, index = place(group, key)
    if hasattr(read(group, key), "fill_"):
        read(group, key).fill_(value)
    elif index is None:
        group[name] = value
    else:
        group[name] = (*group[name][:index], value, *group[name][index + 1 :])


class PlanScheduler(LRScheduler):
    """Gives every scheduled key of every group its value before each update."""

    def __init__(self, optimizer: Optimizer) -> None:
        for i, group in enumerate(optimizer.param_groups):
            for key, (_, peak) in keys_of(group, i).items():
                if peak is None:
                    group.setdefault("initial_" + key, float(read(group, key)))
                else:
                    group["initial_" + key] = peak
        super().__init__(optimizer)

    def value(self, group: dict, i: int, key: str):
        """Return the value of a key of group i for the update that comes next."""
        if key not in keys_of(group, i):
            return read(group, key)
        level, _ = keys_of(group, i)[key]
        return group["initial_" + key] * level(self.last_epoch)

    def get_lr(self) -> list:
        """Return the rates for the update that comes next."""
        groups = self.optimizer.param_groups
        return [self.value(group, i, "lr") for i, group in enumerate(groups)]

    def step(self, epoch: int | None = None) -> None:
        """Go on to the next update; call it after each `optimizer.step()`."""
        super().step(epoch)
        for i, group in enumerate(self.optimizer.param_groups):
            for key in keys_of(group, i):
                if key != "lr":
                    write(group, key, self.value(group, i, key))


def make_scheduler(optimizer: Optimizer) -> PlanScheduler:
    """Return the scheduler; call its `step()` after each `optimizer.step()`."""
    return PlanScheduler(optimizer)
'''


def write(job: WritingJob) -> str:
    """Return the file."""
    use = ["Use:", "    scheduler = make_scheduler(optimizer)"]
    use.append("    …; optimizer.step(); scheduler.step()")
    return file(header("Learning rates for PyTorch, one for each update.", job, use), *body(job))


def body(job: WritingJob, imports: str = "") -> list[str]:
    """Return the parts of the file behind its header; `imports` are further lines."""
    plan = job.plan
    simple = list(plan.schedules()) == ["lr"] and not plan.groups
    functions = Functions(PYTHON)
    kind = "LambdaLR" if simple else "LRScheduler"
    if simple and plan.lr is not None:
        functions.add("level", formulas(plan.lr), DOC)
        peak = PEAK.format(peak=repr(plan.peak["lr"])) if "lr" in plan.peak else ""
        rest = SIMPLE.format(peak=peak)
    else:
        meant = PATTERNS if any(map(is_pattern, plan.groups)) else EXACT
        rest = f"{_tables(job, functions)}\n\n\n{meant}\n\n{GENERAL}"
        if meant is PATTERNS:
            imports = "\n".join(
                [*([imports] if imports else []), "from fnmatch import fnmatchcase"]
            )
    lines = ["from torch.optim import Optimizer", f"from torch.optim.lr_scheduler import {kind}"]
    head = "\n".join([imports, *lines] if imports else lines)
    texts = functions.texts
    standard = [
        f"import {name}"
        for name in ("bisect", "math", "re")
        if f"{name}." in "".join([*texts, rest])
    ]
    return ["\n\n".join([*(["\n".join(standard)] if standard else []), head]), *texts, rest]


def _tables(job: WritingJob, functions: Functions) -> str:
    names: dict[Schedule, str] = {}
    every = _table(levels_of(job.plan), names, "", functions)
    groups = [
        f"    {literal(group)}: {_table(levels_of(job.plan, group), names, group, functions, 1)},"
        for group in job.plan.groups
    ]
    lines = ["# What is scheduled: {key: (level, peak, or None for the optimizer's own)}."]
    lines += [f"EVERY: dict = {every}", "# Groups by name or place, in place of the above."]
    lines += ["GROUPS: dict = {", *groups, "}"] if groups else ["GROUPS: dict = {}"]
    return "\n".join(lines)


def _table(
    levels: dict[str, tuple[Schedule, float | None]],
    names: dict[Schedule, str],
    group: str,
    functions: Functions,
    depth: int = 0,
) -> str:
    if not levels:
        return "{}"
    lines: list[str] = []
    for key, (schedule, peak) in levels.items():
        if schedule not in names:
            names[schedule] = identifier(f"{group}_{key}", names.values(), "_level")
            doc = f"Return the level of update `t` for {key}{' of ' + group if group else ''}."
            functions.add(names[schedule], formulas(schedule), doc)
        lines.append(f"    {literal(key)}: ({names[schedule]}, {peak!r}),")
    return ("\n" + "    " * depth).join(["{", *lines, "}"])


TARGET = Target("torch", "PyTorch code", write)
