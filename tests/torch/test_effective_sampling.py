"""Effective rates: which weights are looked at, and what is read from the device."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

# The documented way to see every operation; PyTorch has it under no public name (2.13).
from torch.utils._python_dispatch import TorchDispatchMode

from ratewise.adapters.torch.effective import shares_of, spread_indices
from ratewise.torch import EffectiveRateLogger, effective_rate

LR = 3e-4
optim = torch.optim
CPU = torch.device("cpu")


class NoReads(TorchDispatchMode):
    """Refuses every operator that brings a number to the host or moves a tensor there."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert func is not torch.ops.aten._local_scalar_dense.default, "a number was read"
        assert func is not torch.ops.aten.is_nonzero.default, "a number was read"
        assert func is not torch.ops.aten.nonzero.default, "a size depends on numbers"
        result = func(*args, **(kwargs or {}))
        source = next((x for x in args if isinstance(x, Tensor)), None)
        if func is torch.ops.aten._to_copy.default and source is not None:
            assert result.device == source.device, "a tensor was moved"
        return result


def stepped(kind: Any, sizes: Any = ((40, 30), (50,)), device: str = "cpu", **options: Any) -> Any:
    """An optimizer after one update."""
    generator = torch.Generator().manual_seed(0)
    weights = [nn.Parameter(torch.randn(size, generator=generator)) for size in sizes]
    for weight in weights:
        weight.grad = torch.randn(weight.shape, generator=generator)
    optimizer = kind(weights, lr=LR, **options)
    optimizer.step()
    return optimizer


def without_data(optimizer: Any) -> Any:
    """The same, with weights and state on the meta device, where there are no numbers to read."""
    for group in optimizer.param_groups:
        old, group["params"] = group["params"], []
        for weight in old:
            state = optimizer.state.pop(weight, {})
            new = nn.Parameter(weight.detach().to("meta"))
            new.grad = weight.grad.to("meta")
            optimizer.state[new] = {
                key: value.to("meta") if isinstance(value, Tensor) else value
                for key, value in state.items()
            }
            group["params"].append(new)
    return optimizer


KINDS = [optim.SGD, optim.Adam, optim.AdamW, optim.RMSprop, optim.Adagrad, optim.NAdam,
         optim.RAdam, optim.Adamax, optim.Adafactor]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_read_from_the_device(kind: Any) -> None:
    """No operator brings a number to the host, neither by itself nor because a value needs it."""
    optimizer = stepped(kind)
    with NoReads():
        effective_rate(optimizer, sample=100).groups[0].quantiles()
    distant = effective_rate(without_data(optimizer), sample=100)
    assert distant.groups[0].rates is not None
    assert distant.groups[0].rates.device.type == "meta"


def test_the_refusal_works() -> None:
    """Reading the result is refused by the same guard."""
    rate = effective_rate(stepped(optim.Adam))
    with NoReads(), pytest.raises(AssertionError, match="was read"):
        float(rate.groups[0].quantiles()[0])


@pytest.mark.parametrize("size", [1, 7, 100, 1249, 1250, 5000])
def test_the_sample_is_as_large_as_asked(size: int) -> None:
    """It has min(sample, elements) elements, and stands for all of them."""
    (group,) = effective_rate(stepped(optim.Adam), sample=size).groups
    assert group.rates is not None
    assert (len(group.rates), group.elements) == (min(size, 1250), 1250)


def test_the_sample_is_the_same_every_time() -> None:
    """Two calls, and two equal optimizers, give equal bits, whatever has been drawn between."""
    first = effective_rate(stepped(optim.Adam), sample=64).groups[0].rates
    torch.manual_seed(9)
    other = stepped(optim.Adam)
    torch.rand(5)
    again = effective_rate(other, sample=64).groups[0].rates
    assert first is not None
    assert again is not None
    assert torch.equal(first, again)


@pytest.mark.parametrize("count", [2, 10, 4096, 64 * 64, 1000 * 1000, 2**40 + 6])
def test_elements_are_taken_once_and_evenly(count: int) -> None:
    """Indices differ, lie below the count, and cover every tenth of it with its share."""
    take = min(count, 4096)
    at = spread_indices(count, take, CPU).numpy()
    assert len(set(at.tolist())) == take
    assert at.min() >= 0
    assert at.max() < count
    if count >= 4096:
        shares = np.histogram(at, bins=10, range=(0, count))[0] / take
        np.testing.assert_allclose(shares, 0.1, atol=0.005)


@pytest.mark.parametrize("side", [64, 512, 1000])
def test_no_row_or_column_is_preferred(side: int) -> None:
    """In a square matrix no column is met much more often than the others."""
    at = spread_indices(side * side, 2048, CPU).numpy()
    for lines in (at % side, at // side):
        assert np.bincount(lines, minlength=side).max() <= 3 * math.ceil(2048 / side)


def test_parameters_have_their_share_of_the_sample() -> None:
    """Elements are taken in proportion to size, and add up to the sample."""
    counts = [10, 1000, 1, 1, 500_000, 40]
    shares = shares_of(counts, 4096)
    assert sum(shares) == 4096
    for share, count in zip(shares, counts, strict=True):
        assert abs(share - 4096 * count / sum(counts)) < 1


def test_quantiles_are_those_of_numpy() -> None:
    """Between two elements it is interpolated, as numpy does by default."""
    rate = effective_rate(stepped(optim.Adam))
    assert rate.groups[0].rates is not None
    wanted = [0, 0.1, 1 / 3, 0.5, 1]
    expected = np.quantile(rate.groups[0].rates.numpy(), wanted)
    np.testing.assert_allclose(rate.groups[0].quantiles(wanted).numpy(), expected, rtol=1e-12)
    assert list(rate.read(wanted)["0"]) == ["lr", "0%", "10%", "33.3333%", "50%", "100%"]


def test_a_sample_says_nearly_what_all_elements_say() -> None:
    """Of 200,000 rates over four decades, 4,096 give the quantiles within a few percent."""
    weight = nn.Parameter(torch.zeros(400, 500))
    weight.grad = 10 ** (4 * torch.rand(400, 500, generator=torch.Generator().manual_seed(1)) - 4)
    optimizer = optim.Adam([weight], lr=LR)
    optimizer.step()
    some, all_of_them = (effective_rate(optimizer, sample=n).read()["0"] for n in (4096, 10**6))
    assert [some[q] for q in some] == pytest.approx([all_of_them[q] for q in some], rel=0.15)


def test_groups_keep_their_names_and_rates() -> None:
    """Groups are told apart by name, or by number where that would not tell them apart."""
    weights = [nn.Parameter(torch.ones(2)) for _ in range(5)]
    names = ["body", None, "twin", "twin", "0"]
    groups = [
        {"params": [weight], "lr": LR / (i + 1), **({"name": name} if name else {})}
        for i, (weight, name) in enumerate(zip(weights, names, strict=True))
    ]
    rows = effective_rate(optim.SGD(groups, lr=LR)).read([0.5])
    assert list(rows) == ["body", "1", "2", "3", "4"]
    assert [row["50%"] for row in rows.values()] == [LR / (i + 1) for i in range(5)]


def test_a_logger_is_cheap_on_the_device() -> None:
    """Recording reads nothing; looking at the rows does."""
    optimizer = optim.SGD([nn.Parameter(torch.ones(4))], lr=LR)
    log = EffectiveRateLogger(optimizer, every=1)
    with NoReads():
        for _ in range(40):
            optimizer.step()
    assert len(log.rows()) == 40


def test_the_value_is_frozen() -> None:
    """What was returned stays what it was while training goes on."""
    optimizer = stepped(optim.Adam)
    rate = effective_rate(optimizer)
    before = rate.read()
    optimizer.step()
    assert rate.read() == before
    with pytest.raises(AttributeError):
        rate.optimizer = "SGD"  # pyright: ignore
