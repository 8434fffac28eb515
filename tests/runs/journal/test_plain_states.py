"""States as plain bytes: to the bit, and nothing is run; all else only from its own writer."""

from __future__ import annotations

import atexit
import pickle
import random
import shutil
import struct
import tempfile
from collections import OrderedDict, deque
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratewise.choose import compare
from ratewise.compare.comparison import Interrupted
from ratewise.runs.journal.owner import Owner
from ratewise.runs.journal.states import CODE, MAGIC, PLAIN, StrangersState, pack, unpack
from ratewise.schedule import ScheduleError
from tests.runs.journal.tasks import ASKED, SCHEDULES, Bowl, Run, records, stop_after

FOLDER = Path(tempfile.mkdtemp(prefix="ratewise-"))
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
ME = Owner(FOLDER / "mine")  # a key of this process
NAME = "a" * 64


def again(state: Any) -> Any:
    """The state as it is read back; it is plain."""
    data = pack(NAME, state, ME)
    assert data.startswith(MAGIC + PLAIN)
    return unpack(NAME, data, ME)


def exactly(value: Any) -> Any:
    """A value as something that is equal only where all of it is."""
    kind = type(value).__name__
    if isinstance(value, float) and not isinstance(value, np.generic):
        return kind, struct.pack(">d", value)
    if isinstance(value, dict):
        return kind, [(exactly(k), exactly(v)) for k, v in value.items()]
    if isinstance(value, list | tuple | deque):
        return kind, [exactly(one) for one in value]
    if isinstance(value, np.ndarray | np.generic):
        return kind, str(value.dtype), value.shape, value.tobytes("A"), value.flags.f_contiguous
    return kind, value


numbers = st.integers() | st.floats(allow_nan=True) | st.booleans() | st.none()
leaves = numbers | st.text() | st.binary() | st.integers(2**63, 2**200) | st.text("\ud83d\0\x1b")
keys = st.text(max_size=3) | st.integers() | st.tuples(st.integers(), st.text(max_size=2))
trees = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(keys, inner, max_size=3)
        | st.tuples(inner, inner)
    ),
    max_leaves=8,
)


@settings(max_examples=150, derandomize=True)
@given(trees)
def test_what_is_read_is_what_was_written(state: Any) -> None:
    """Kinds, bits, orders of keys; numbers of any size, and floats that are none."""
    assert exactly(again(state)) == exactly(state)


ARRAYS = [
    np.arange(6.0).reshape(2, 3),
    np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    np.zeros((0, 3), "f4"),
    np.array(1.5),
    np.array([np.nan, -0.0, np.inf]),
    np.arange(5, dtype=">i2"),
    np.array([True, False]),
    np.array([1 + 2j]),
    np.array(["a", "bc"]),
    np.array([b"a", b"bc"]),
    np.array(["2026-01-01"], "M8[D]"),
    np.array([], "U0"),
    np.float32(0.1),
    np.int64(3),
    np.bool_(True),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda one: f"{one.dtype} {one.shape}")
def test_arrays_keep_kind_shape_and_order(array: Any) -> None:
    back = again({"x": array})["x"]
    assert exactly(back) == exactly(array)
    assert not isinstance(back, np.ndarray) or back.flags.writeable


def test_short_floats_keep_their_kind() -> None:
    """Those of Keras on TensorFlow and JAX, which numpy itself does not have."""
    ml_dtypes = pytest.importorskip("ml_dtypes")
    for kind in (ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn):
        array = np.arange(4).astype(kind)
        assert exactly(again(array)) == exactly(array)
        assert exactly(again(array[1])) == exactly(array[1])


def test_one_thing_stays_one_thing() -> None:
    """What a state holds twice is there once afterwards; what is equal and apart stays apart."""
    array, inner = np.zeros(3), [1]
    state = [array, {"a": array}, inner, (inner, [1]), OrderedDict(b=1), deque([1], 2)]
    back = again(state)
    assert back[0] is back[1]["a"]
    assert back[2] is back[3][0]
    assert back[3][1] is not back[2]
    assert isinstance(back[4], OrderedDict)
    assert back[5].maxlen == 2


def test_generators_go_on_where_they_stood() -> None:
    kinds = [np.random.MT19937, np.random.PCG64, np.random.PCG64DXSM, np.random.Philox]
    made = [np.random.Generator(kind(3)) for kind in [*kinds, np.random.SFC64]]
    made += [np.random.RandomState(3), random.Random(3)]
    for one in made:
        one.random()
        _ = one.normal() if hasattr(one, "normal") else one.gauss(0, 1)
    for one, back in zip(made, again(made), strict=True):
        assert type(one) is type(back)
        assert [one.random() for _ in range(700)] == [back.random() for _ in range(700)]


def test_what_is_of_torch_comes_back_to_the_bit() -> None:
    """Kinds that numpy does not have, strides, parameters, snapshots of the ready tasks."""
    torch = pytest.importorskip("torch")
    from ratewise.tasks.torch.snapshot import set_aside

    x = torch.arange(24.0).reshape(2, 3, 2, 2)
    tensors = [
        x,
        x.to(memory_format=torch.channels_last),
        x.bfloat16(),
        x.half(),
        x.to(torch.int8),
        x > 3,
        x.to(torch.complex64),
        torch.tensor(1.5),
        torch.empty(0, 3),
        torch.nn.Parameter(x.clone()),
        x.clone().requires_grad_(),
        x[0].t() if x[0].dim() == 2 else x[:, 0].permute(2, 1, 0).contiguous(),
        torch.tensor([float("nan"), -0.0]),
    ]
    for tensor in tensors:
        back = again(tensor)
        assert (type(back), back.dtype, back.shape, back.stride(), back.requires_grad) == (
            (type(tensor), tensor.dtype, tensor.shape, tensor.stride(), tensor.requires_grad)
        )
        assert pickle.dumps(back.detach().contiguous().view(-1).view(torch.uint8).tolist()) == (
            pickle.dumps(tensor.detach().contiguous().view(-1).view(torch.uint8).tolist())
        )
    generator = torch.Generator().manual_seed(3)
    state = [torch.float32, torch.Size([2, 3]), torch.device("cpu"), set_aside(generator)]
    back = again([*state, generator, set_aside({"a": [x, (1, x)]})])
    assert back[:3] == state[:3]
    assert torch.equal(back[3].state, generator.get_state())
    assert torch.equal(back[4].get_state(), generator.get_state())
    assert torch.equal(back[5]["a"][1][1].value, x)


class Mine:
    """A class that only code can make."""

    made = 0

    def __init__(self) -> None:
        self.x = 3

    def __setstate__(self, state: Any) -> None:
        Mine.made += 1
        self.__dict__.update(state)


def test_what_takes_code_is_read_only_where_its_writer_is_known() -> None:
    """By its writer, under its own name, or by whoever trusts it; else nothing of it is run."""
    data = pack(NAME, [Mine()], ME)
    assert data.startswith(MAGIC + CODE)
    assert unpack(NAME, data, ME)[0].x == 3
    assert unpack(NAME, data, Owner(FOLDER / "theirs"), trust=True)[0].x == 3
    Mine.made = 0
    stranger = Owner(FOLDER / "theirs")
    for name, owner in ((NAME, stranger), ("b" * 64, ME)):
        with pytest.raises(StrangersState):
            unpack(name, data, owner)
    for place in (len(MAGIC) + 1, len(MAGIC) + 40, len(data) - 1):
        changed = bytearray(data)
        changed[place] ^= 1
        with pytest.raises(StrangersState):
            unpack(NAME, bytes(changed), ME)
    assert Mine.made == 0


VIEWS = [np.array([Mine()]), np.zeros(2, "f4,i4"), {"f": len}, (3).__add__]


@pytest.mark.parametrize("value", VIEWS, ids=lambda one: type(one).__name__)
def test_what_cannot_be_told_in_full_is_not_told_in_part(value: Any) -> None:
    try:
        data = pack(NAME, value, ME)
    except (TypeError, AttributeError):
        return
    assert data.startswith(MAGIC + CODE)


def test_a_state_around_itself_takes_code() -> None:
    state: list[Any] = [1]
    state.append(state)
    assert pack(NAME, state, ME).startswith(MAGIC + CODE)


@settings(max_examples=300, derandomize=True)
@given(st.data())
def test_no_bytes_do_harm(data: Any) -> None:
    """Any change of a plain state gives another plain state, or is refused as none."""
    state = {"w": np.arange(4.0), "r": np.random.default_rng(0), "n": [1, (2.5, None, "x", b"y")]}
    content = bytearray(pack(NAME, state, ME))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(len(MAGIC) + 1, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    try:
        unpack(NAME, bytes(content), ME)
    except (ValueError, StrangersState):
        return


NODES = [
    b"[" * 100_000 + b"]" * 100_000,
    b'["array","|O",[1],"C",0,8]',
    b'["array","<f8",[1073741824,1073741824],"C",0,8]',
    b'["array","<f8",[-1],"C",0,8]',
    b'["array","<f8",[1],"C",-8,8]',
    b'["array","ml dtype",[1],"C",0,8]',
    b'["torch","tensor","tensor","float32",[4611686018427387904],[1],false,"cpu",0,8]',
    b'["torch","tensor","tensor","float32",[2],[9223372036854775808],false,"cpu",0,8]',
    b'["torch","tensor","tensor","load",[2],[1],false,"cpu",0,8]',
    b'["torch","tensor","tensor","float32",[2],[1],false,"meta",0,8]',
    b'["drawn","MT19937",["dict",["bit_generator","MT19937"],["state",["dict",["key",1],'
    b'["pos",999999]]]]]',
    b'["drawn","__class__",1]',
    b'["int","0x' + b"f" * 10 + b'"',
    b'["same",7]',
    b'["dict",[["list"],1]]',
    b'[["list"]]',
    b'{"a":1}',
    b'["os.system","x"]',
]


@pytest.mark.parametrize("node", NODES, ids=range(len(NODES)))
def test_what_no_writer_writes_is_refused(node: bytes) -> None:
    """Depth, kinds with objects, sizes that lie, places outside, names that are none."""
    pytest.importorskip("torch")
    head = len(node).to_bytes(8, "little") + node
    content = MAGIC + PLAIN + head + bytes(-len(head) % 64) + bytes(64)
    with pytest.raises(ValueError):  # noqa: PT011 - whatever it says
        unpack(NAME, content, ME)


class Held(Run):
    """A run whose state only code can make again."""

    def save(self) -> Any:
        mine = Mine()
        mine.x = super().save()
        return mine

    def restore(self, state: Any) -> None:
        super().restore(state.x)


class Holder(Bowl):
    """A task of one's own, whose state is an object."""

    fingerprint = "holder"

    def open(self, seed: int) -> Run:
        run = super().open(seed)
        run.__class__ = Held
        return run


def test_a_checkpoint_of_another_user_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its code is not run; with trust it goes on from there, and so does its own writer."""
    path = tmp_path / "runs.db"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "me"))
    truth = records(compare(Holder(), SCHEDULES, **ASKED))
    with pytest.raises(Interrupted):
        compare(Holder(), SCHEDULES, **ASKED, journal=path, progress=stop_after(130))
    with monkeypatch.context() as other:
        other.setenv("XDG_CONFIG_HOME", str(tmp_path / "other"))
        Mine.made = 0
        with pytest.raises(ScheduleError, match=r"not written by you.*give.* trust=True"):
            compare(Holder(), SCHEDULES, **ASKED, journal=path)
        assert Mine.made == 0
        with pytest.raises(Interrupted):
            compare(
                Holder(), SCHEDULES, **ASKED, journal=path, trust=True, progress=stop_after(100)
            )
        assert Mine.made > 0
    with pytest.raises(ScheduleError, match="not written by you"):
        compare(Holder(), SCHEDULES, **ASKED, journal=path)
    result = compare(Holder(), SCHEDULES, **ASKED, journal=path, trust=True)
    assert records(result) == truth
