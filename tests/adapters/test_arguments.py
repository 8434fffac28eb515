"""What every face says of what it was given, in the words of that face."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import pytest

import ratewise as rw
from ratewise.adapters.arguments import HorizonOf, given, only_rate, refuse_unknown
from ratewise.schedule.errors import speaking

SHARE = rw.Warmup("5%") >> rw.Hold()


def scheduler(*args: Any, **options: Any) -> Any:
    torch = pytest.importorskip("torch")
    from ratewise.torch import Scheduler

    return Scheduler(torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1), *args, **options)


def learning_rate(*args: Any, **options: Any) -> Any:
    pytest.importorskip("keras")
    from ratewise.keras import LearningRate

    return LearningRate(*args, **{"lr": 0.1, **options})


def callback(*args: Any, **options: Any) -> Any:
    pytest.importorskip("keras")
    from ratewise.keras import Callback

    return Callback(*args, **options)


def schedule(*args: Any, **options: Any) -> Any:
    pytest.importorskip("optax")
    from ratewise.optax import schedule

    return schedule(*args, **{"lr": 0.1, **options})


def inject(*args: Any, **options: Any) -> Any:
    optax = pytest.importorskip("optax")
    from ratewise.optax import inject

    return inject(*args, optax.sgd, learning_rate=0.1, **options)


def listen(*args: Any, **options: Any) -> Any:
    optax = pytest.importorskip("optax")
    from ratewise.optax import listen

    return listen(*args, optax.sgd, learning_rate=0.1, **options)


FACES = {
    "Scheduler": scheduler,
    "LearningRate": learning_rate,
    "schedule": schedule,
    "inject": inject,
    "listen": listen,
}


@pytest.mark.parametrize("name", FACES)
def test_a_length_that_needs_a_total_is_told_where_to_give_it(name: str) -> None:
    """The advice names what the user called, and not a method that the user never sees."""
    with pytest.raises(rw.ScheduleError) as caught:
        FACES[name](SHARE)
    assert f"{name}(total=…)" in caught.value.fix


@pytest.mark.parametrize("name", FACES)
def test_a_total_that_is_none_is_refused_in_the_name_of_the_face(name: str) -> None:
    """Who is at fault is what the user wrote."""
    with pytest.raises(rw.ScheduleError) as caught:
        FACES[name](SHARE, total=0)
    assert caught.value.who == f"{name}(total=0)"


@pytest.mark.parametrize(
    ("face", "unknown", "fix"),
    [
        (scheduler, "T_max", "write total=…"),
        (scheduler, "sample", "did you mean samples"),
        (learning_rate, "peak", "write lr=…"),
        (learning_rate, "decay_steps", "write total=…"),
        (callback, "log_batch", "did you mean log_batches"),
        (schedule, "peak", "write lr=…"),
        (schedule, "starts", "did you mean start"),
    ],
)
def test_an_unknown_keyword_is_answered_with_ours(
    face: Callable[..., Any], unknown: str, fix: str
) -> None:
    """One that a framework has is translated, a misspelt one gets the nearest."""
    with pytest.raises(rw.ScheduleError) as caught:
        face(rw.Hold(), **{unknown: 100})
    assert f"({unknown}=100)" in caught.value.who
    assert caught.value.fix == fix


def transformers_attach(*args: Any, **options: Any) -> Any:
    pytest.importorskip("transformers")
    from ratewise.transformers import attach

    return attach(*args, **options)


def lightning_attach(*args: Any, **options: Any) -> Any:
    pytest.importorskip("lightning")
    from ratewise.lightning import attach

    return attach(*args, **options)


def callback_of(extra: str, name: str) -> Callable[..., Any]:
    def made(*args: Any, **options: Any) -> Any:
        pytest.importorskip(extra)
        return getattr(importlib.import_module(f"ratewise.{extra}"), name)(*args, **options)

    return made


CALLED = {
    **FACES,
    "Callback": callback,
    "attach": lightning_attach,
    " attach": transformers_attach,
    "Attach": callback_of("lightning", "Attach"),
    "FastaiCallback": callback_of("fastai", "FastaiCallback"),
    "SkorchCallback": callback_of("skorch", "SkorchCallback"),
}


@pytest.mark.parametrize("name", CALLED)
def test_a_call_of_a_face_that_does_not_fit_is_an_error_of_ours(name: str) -> None:
    """Too many arguments, none at all, names of other libraries."""
    face, who = CALLED[name], name.strip()
    with pytest.raises(rw.ScheduleError, match=rf"^{who} takes \d+ arguments? without a name"):
        face(rw.Hold(), *range(12))
    with pytest.raises(rw.ScheduleError, match=f"^{who} has no "):
        face()
    if name not in ("inject", "listen"):  # what they do not know is the optimizer's
        for key, part in (("num_warmup_steps", "write Warmup(7) >> in front"), ("gamma", "rate=7")):
            with pytest.raises(rw.ScheduleError) as caught:
                face(rw.Hold(), **{key: 7})
            assert part in str(caught.value)


@pytest.mark.parametrize("name", FACES)
@pytest.mark.parametrize("odd", [None, True, "", [1], {}, float("nan"), 1j, object(), rw.Hold])
def test_odd_schedules_and_lengths_are_refused(name: str, odd: Any) -> None:
    """In place of the schedule, and of each length that a run is told of."""
    with pytest.raises(rw.ScheduleError):
        FACES[name](odd)
    for key in ("total", "epoch", "samples", "tokens"):
        if odd is not None:
            with pytest.raises(rw.ScheduleError):
                FACES[name](rw.Hold(), **{key: odd})


def test_odd_optimizers_and_updates_are_refused() -> None:
    """What is not an optimizer; what is not a number of updates or a state."""
    pytest.importorskip("torch")
    from ratewise.torch import Scheduler, effective_rate, follow_modes

    made = scheduler(rw.Hold())
    for odd in (None, True, "x", [], {}, 0.5, float("nan"), object()):
        for call in (Scheduler.of, effective_rate, made.seek, made.load_state_dict):
            with pytest.raises(rw.ScheduleError):
                call(odd)
        with pytest.raises(rw.ScheduleError):
            Scheduler(odd, rw.Hold())  # pyright: ignore[reportArgumentType]
        with pytest.raises(rw.ScheduleError):
            follow_modes(made.optimizer, odd)  # pyright: ignore[reportArgumentType]


def test_advice_of_a_face_comes_before_the_nearest_name() -> None:
    """What has no counterpart says why."""
    with pytest.raises(rw.ScheduleError) as caught:
        refuse_unknown("attach", {"interval": "step"}, ["name"], {"interval": "leave it out"})
    assert caught.value.fix == "leave it out"
    refuse_unknown("attach", {})


def test_who_speaks_last_is_heard() -> None:
    """A face that stands on another gives the advice in its own words."""
    with pytest.raises(rw.ScheduleError) as caught, speaking(HorizonOf(adapter="attach")):
        scheduler(SHARE)
    assert "attach(total=…)" in caught.value.fix
    assert "Scheduler(" not in caught.value.fix


def test_the_rate_alone_is_one_schedule() -> None:
    """Other keys and groups are named."""
    assert only_rate("f", rw.Plan(lr=rw.Hold()), "…") == rw.Hold()
    for plan, what in (
        (rw.Plan(lr=rw.Hold(), momentum=rw.Hold()), "momentum"),
        (rw.Plan(lr=rw.Hold(), groups={"head": rw.Hold()}), "groups"),
    ):
        with pytest.raises(rw.ScheduleError, match=what):
            only_rate("f", plan, "…")


def test_a_horizon_holds_what_was_given() -> None:
    """None is not given; 0 is, and is refused later."""
    assert given(total=None, epoch=0) == {"epoch": 0}
