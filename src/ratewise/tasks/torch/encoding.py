"""What is of PyTorch in a state, as plain values, for `ratewise.tasks.encoding`."""

from __future__ import annotations

import math
from typing import Any

from ratewise._extras import require
from ratewise.tasks.encoding import Decoder, Encoder, NotPlain
from ratewise.tasks.torch.snapshot import GeneratorSnapshot, TensorSnapshot

torch = require("torch", extra="torch")

_DEVICES = ("cpu", "cuda", "mps")


def encode(value: Any, encoder: Encoder) -> list[Any] | None:
    """Return a value of PyTorch's as JSON; None of what is none.

    Raises:
        NotPlain: it is one that bytes alone do not tell.
    """
    kind = type(value)
    if kind is TensorSnapshot:
        return ["aside", encoder.node(value.value), value.device]
    if kind is GeneratorSnapshot:
        return ["stands", encoder.node(value.state)]
    if isinstance(value, torch.Tensor):
        return ["tensor", *_tensor(value, encoder)]
    if kind is torch.Size:
        return ["size", *value]
    if kind is torch.dtype:
        return ["dtype", _name(value)]
    if kind is torch.device:
        return ["device", str(value)]
    if kind is torch.Generator:
        return ["generator", str(value.device), encoder.node(value.get_state())]
    return None


def _tensor(tensor: Any, encoder: Encoder) -> list[Any]:
    kind = {torch.Tensor: "tensor", torch.nn.Parameter: "parameter"}.get(type(tensor))
    plain = (
        kind is not None
        and tensor.layout is torch.strided
        and tensor.device.type in _DEVICES
        and not (tensor.is_quantized or tensor.is_conj() or tensor.is_neg() or tensor.is_nested)
        and tensor.grad_fn is None
        and not vars(tensor)
    )
    if not plain:
        raise NotPlain(type(tensor))
    shape, strides = list(tensor.shape), list(tensor.stride())
    flat = _flat(tensor.detach(), shape, strides)
    if flat is None:
        raise NotPlain("a view")
    content = flat.cpu().view(torch.uint8).numpy()
    return [
        kind,
        _name(tensor.dtype),
        shape,
        strides,
        tensor.requires_grad,
        str(tensor.device),
        *encoder.put(content.data),
    ]


def _flat(tensor: Any, shape: list[int], strides: list[int]) -> Any:
    """Return the numbers of a tensor as they are in memory; None if it does not fill its own."""
    if not _dense(shape, strides):
        return None
    if not tensor.numel():
        return tensor.new_empty(0)
    return torch.as_strided(tensor, (tensor.numel(),), (1,))


def _dense(shape: list[int], strides: list[int]) -> bool:
    """Tell whether a tensor of this shape fills its memory, each number in a place of its own."""
    if not math.prod(shape):
        return True
    expected = 1
    for stride, size in sorted(zip(strides, shape, strict=True)):
        if size != 1:
            if stride != expected:
                return False
            expected *= size
    return True


def decode(node: list[Any], decoder: Decoder) -> Any:
    """Return the value that JSON stands for.

    Raises:
        ValueError: it stands for none.
    """
    tag, *rest = node
    if tag == "aside":
        return TensorSnapshot(decoder.value(rest[0]), str(rest[1]))
    if tag == "stands":
        return GeneratorSnapshot(decoder.value(rest[0]))
    if tag == "size":
        return torch.Size(rest)
    if tag == "dtype":
        return _dtype(rest[0])
    if tag == "device":
        return torch.device(_device(rest[0]))
    try:
        if tag == "generator":
            generator = torch.Generator(_device(rest[0]))
            generator.set_state(decoder.value(rest[1]))
            return generator
        if tag == "tensor":
            return _made(decoder, *rest)
    except RuntimeError as error:
        raise ValueError(str(error)) from None
    raise ValueError("no value of PyTorch")


def _made(
    decoder: Decoder,
    kind: str,
    name: str,
    shape: list[int],
    strides: list[int],
    grad: bool,
    device: str,
    *place: int,
) -> Any:
    dtype, count = _dtype(name), math.prod(shape)
    content = decoder.get(*place)
    counts = [*shape, *strides]
    if not all(isinstance(one, int) and 0 <= one < 2**62 for one in counts):
        raise ValueError("no shape")
    if len(shape) != len(strides) or not _dense(shape, strides):
        raise ValueError("no strides")
    if count * dtype.itemsize != len(content):
        raise ValueError("another size")
    made = torch.empty_strided(shape, strides, dtype=dtype)
    if count:
        whole = torch.frombuffer(bytearray(content), dtype=dtype)
        torch.as_strided(made, (count,), (1,)).copy_(whole)
    made = made.to(_device(device))
    if kind == "parameter":
        return torch.nn.Parameter(made, requires_grad=bool(grad))
    return made.requires_grad_() if grad else made


def _name(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.")


def _dtype(name: str) -> Any:
    found = getattr(torch, name)
    if not isinstance(found, torch.dtype):
        raise ValueError("no dtype")
    return found


def _device(text: str) -> str:
    if not isinstance(text, str) or text.partition(":")[0] not in _DEVICES:
        raise ValueError("no device")
    return text
