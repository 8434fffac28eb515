"""fairseq flags and Hydra configs give the rates of its schedulers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratewise.convert.configs.fairseq import FORMATS
from ratewise.schedule import Plan, ScheduleError
from tests.convert.configs import formulas_fairseq as formulas
from tests.convert.configs.checks import agree, many, powers, rates, read, shares, warmups

runs = st.integers(1, 200)
starts = st.sampled_from([-1.0, 0.0, 1e-7])


def scheduler(
    name: str, total: int | None = None, *, epoch: int | None = None, **keys: Any
) -> Plan:
    """Read flags, and make sure that a Hydra config of the same keys is read alike."""
    known = {key: value for key, value in keys.items() if value is not None}
    words = [f"--{key.replace('_', '-')} {_spelt(value)}" for key, value in known.items()]
    text = f"fairseq-train data --lr-scheduler {name} {' '.join(words)} --fp16"
    outer = {key: known.pop(key) for key in ("lr", "max_update") if key in known}
    hydra = {"lr_scheduler": {"_name": name, **known}, "optimization": outer}
    plan = read(FORMATS, text, total, epoch=epoch)
    assert plan == read(FORMATS, hydra, total, epoch=epoch)
    return plan


def _spelt(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(repr, value))
    return "" if value is True else f"'{value}'" if isinstance(value, str) else repr(value)


@many
@given(runs, rates, st.integers(1, 80), starts)
def test_inverse_sqrt(n: int, lr: float, warmup: int, init: float) -> None:
    """The rate climbs to the peak at update W and falls as √(W/t)."""
    plan = scheduler("inverse_sqrt", n, lr=lr, warmup_updates=warmup, warmup_init_lr=init)
    agree(plan, [formulas.inverse_sqrt(t, lr, warmup, init) for t in range(n)])


@many
@given(runs, rates, warmups, shares, powers, st.integers(1, 180))
def test_polynomial(n: int, lr: float, warmup: int, low: float, power: float, end: int) -> None:
    """The warm-up goes before the end, and behind the end the last rate stays."""
    keys = {"warmup_updates": warmup, "end_learning_rate": low * lr, "power": power}
    plan = scheduler("polynomial_decay", n, lr=lr, total_num_update=end, **keys)
    expected = [formulas.polynomial(t, lr, warmup, low * lr, power, end) for t in range(n)]
    agree(plan, expected)


@many
@given(
    st.integers(1, 1200),
    warmups,
    starts,
    st.sampled_from([0.0, 1e-5]),
    st.sampled_from([1, 2, 7, 12.5]) | st.integers(1, 60),
    st.sampled_from([1, 2, 3, 10, 1.5]),
    st.sampled_from([0.1, 1.0, 0.5]),
)
def test_cosine(
    n: int, warmup: int, init: float, low: float, period: float, grow: float, shrink: float
) -> None:
    """Cycles grow and shrink, and begin where the rounded logarithm says: one late at times."""
    plan = scheduler(
        "cosine",
        n,
        lr=1e-3,
        warmup_updates=warmup,
        warmup_init_lr=init,
        min_lr=low,
        lr_period_updates=period,
        t_mult=grow,
        lr_shrink=shrink,
    )
    shape = (low, period, grow, shrink)
    agree(plan, [formulas.cosine(t, 1e-3, warmup, init, *shape) for t in range(n)], slack=1e-13)


def test_the_logarithm_of_a_cycle_can_be_one_short() -> None:
    """With t_mult=3 and a period of 1, update 121 still belongs to the cycle before: rate 0."""
    keys = {"lr_period_updates": 1, "t_mult": 3, "lr_shrink": 1.0}
    values = scheduler("cosine", 130, lr=1.0, **keys).rates(130)
    assert values[40] == 1.0
    assert values[121] == 0.0


@many
@given(runs, rates, st.tuples(warmups, warmups, st.integers(1, 80)), shares, st.floats(1e-4, 1))
def test_tri_stage(
    n: int, lr: float, lengths: tuple[int, int, int], init: float, final: float
) -> None:
    """Warm-up, hold and an exponential decay to the last rate."""
    names = ("warmup_steps", "hold_steps", "decay_steps")
    keys = dict(zip(names, lengths, strict=True))
    plan = scheduler("tri_stage", n, lr=lr, init_lr_scale=init, final_lr_scale=final, **keys)
    agree(plan, [formulas.tri_stage(t, lr, lengths, init, final) for t in range(n)])


@many
@given(
    runs,
    rates,
    st.floats(1.01, 50),
    st.integers(2, 60),
    st.sampled_from([0.1, 1.0, 0.5]),
    st.booleans(),
)
def test_triangular(
    n: int, lr: float, ratio: float, period: int, shrink: float, both: bool
) -> None:
    """Triangles shrink at the top, and at the foot too if told to."""
    keys = {"lr_period_updates": period, "lr_shrink": shrink, "shrink_min": both or None}
    plan = scheduler("triangular", n, lr=lr, max_lr=lr * ratio, **keys)
    expected = [formulas.triangular(t, lr, lr * ratio, period, shrink, both) for t in range(n)]
    agree(plan, expected)


@many
@given(runs, warmups, starts, st.sampled_from([0.0, 1e-5]), st.integers(1, 60), shares)
def test_step(n: int, warmup: int, init: float, low: float, period: int, factor: float) -> None:
    """Steps are counted from the end of the warm-up, and min_lr is the lowest rate."""
    keys = {"warmup_updates": warmup, "warmup_init_lr": init, "min_lr": low}
    plan = scheduler("step", n, lr=1e-3, lr_deacy_period=period, lr_decay=factor, **keys)
    expected = [formulas.step(t, 1e-3, warmup, init, low, period, factor) for t in range(n)]
    agree(plan, expected)


@many
@given(
    runs,
    st.lists(st.sampled_from([1.0, 0.5, 0.1]), min_size=1, max_size=4),
    warmups,
    st.integers(1, 30),
    st.none() | st.integers(1, 6),
)
def test_fixed(n: int, lrs: list[float], warmup: int, epoch: int, anneal: int | None) -> None:
    """A rate for each epoch, annealed from an epoch on, under a warm-up counted from 1."""
    keys = {"warmup_updates": warmup, "force_anneal": anneal, "lr_shrink": 0.3}
    plan = scheduler("fixed", n, epoch=epoch, lr=lrs, **keys)
    agree(plan, [formulas.fixed(t, lrs, warmup, epoch, anneal, 0.3) for t in range(n)])


tables = st.dictionaries(st.integers(0, 40), st.sampled_from([0.5, 0.2, 0.1]), max_size=4)


@many
@given(runs, tables, tables, st.integers(1, 30))
def test_manual(
    n: int, by_epoch: dict[int, float], by_update: dict[int, float], epoch: int
) -> None:
    """Tables of epochs and updates are followed, updates first."""
    spelt = [
        repr({str(key): value for key, value in each.items()}) for each in (by_epoch, by_update)
    ]
    text = f'--lr-scheduler manual --lr 1.0 --epoch2lr "{spelt[0]}" --update2lr "{spelt[1]}"'
    plan = read(FORMATS, text, n, epoch=epoch)
    agree(plan, formulas.manual(n, 1.0, by_epoch, by_update, epoch))


def test_ranges_in_a_table() -> None:
    """A key may name several positions: "2-3" or "5,6"."""
    table = {"0-1": 1.0, "2-3": 0.5, "5,6": 0.1}
    plan = read(FORMATS, {"lr_scheduler": "manual", "lr": [1.0], "update2lr": str(table)})
    assert list(plan.rates(8)) == [1, 1, 0.5, 0.5, 0.5, 0.1, 0.1, 0.1]


def test_shares_of_the_run() -> None:
    """`phase_ratio` is cut to whole updates of max_update."""
    keys = {"lr": 1.0, "max_update": 55, "phase_ratio": "(0.1, 0.4, 0.5)"}
    plan = scheduler("tri_stage", 60, **keys)
    agree(plan, [formulas.tri_stage(t, 1.0, (5, 22, 27), 0.01, 0.01) for t in range(60)])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("--lr-scheduler inverse_sqrtt --lr 1", "did you mean inverse_sqrt"),
        ("--lr-scheduler reduce_lr_on_plateau --lr 1", "depends on a metric"),
        ("--lr-scheduler inverse_sqrt --lr 1 --warmup-update 3", "did you mean --warmup-updates"),
        ("--lr-scheduler inverse_sqrt --lr 1 --warmup-updates 0", "divides by warmup_updates"),
        ("--lr-scheduler inverse_sqrt", "has no lr"),
        ("--lr-scheduler cosine --lr 1,2 --max-update 9", "has 2 rates"),
        ("--lr-scheduler cosine --lr 1", "depends on the length of the run"),
        ("--lr-scheduler cosine --lr 1 --min-lr 2 --max-update 9", "give a lower min_lr"),
        ("--lr-scheduler tri_stage --lr 1 --warmup-steps 5", "divides by decay_steps"),
        ("--lr-scheduler tri_stage --lr 1 --phase-ratio (1,1,1) --max-update 9", "add up to 1"),
        ("--lr-scheduler triangular --lr 1 --max-lr 1", "needs max_lr above lr"),
        ("--lr-scheduler fixed --lr 1,2", r"call read\(…, epoch=…\)"),
        ("--lr-scheduler manual --lr 1 --update2lr {1:x}", "write update2lr"),
    ],
)
def test_what_is_wrong_is_named(text: str, message: str) -> None:
    """Flags and values that cannot be are refused by name."""
    from ratewise.convert.formats import RunFacts

    with pytest.raises(ScheduleError, match=message):
        FORMATS[0].read(text, RunFacts())
