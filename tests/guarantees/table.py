"""What is guaranteed where, and by which test; `docs/guarantees.md` is made from it."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from pathlib import Path

from tests.guarantees.drivers import FRAMEWORKS

ROOT = Path(__file__).resolve().parents[2]


def at(file: str, test: str) -> str:
    """Return where a test is, as pytest writes it."""
    return f"tests/{file}.py::{test}"


RUNS = at("guarantees/test_runs", "")
LISTENS = at("feedback/test_everywhere", "")


@dataclass(frozen=True)
class Guarantee:
    """A promise, the tests that hold it, and where it cannot apply.

    Args:
        claim: What is promised.
        suite: Test that runs for every framework that is not named below.
        tests: Tests of single frameworks.
        without: Why it does not apply to a framework.
        notes: What to know of how a framework holds it.
    """

    claim: str
    suite: str | None = None
    tests: dict[str, str] = field(default_factory=dict)
    without: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    def cell(self, name: str) -> tuple[str, str]:
        """Return "held" with the test, or "not applicable" with the reason."""
        if name in self.without:
            return "not applicable", self.without[name]
        return "held", self.tests.get(name) or self.suite or ""


NO_FLUSH = "an unfinished window is carried into the next epoch, so none is short"
ORDER = "the framework restores everything at once; there is no order to get wrong"
SCALE_ON_GPU = "its loss scaling needs a GPU; the optimizer and its hooks are PyTorch's"
COUNT_ONLY = "the state is a count of updates, there is nothing to disagree with"
LAST = "as get_last_lr() gives it, wherever in the loop it is asked"
STEPS = "where the loop calls scheduler.step() behind the update; else that of the last update"
ONE_GROUP = "an optimizer of Keras has one group"

GUARANTEES = (
    Guarantee(
        "Accumulation over 1, 4 or 16 micro-batches changes nothing",
        RUNS + "test_accumulation_changes_nothing",
    ),
    Guarantee(
        "A partial last window is one update",
        RUNS + "test_a_partial_last_window_is_one_update",
        without={"keras": NO_FLUSH, "optax": NO_FLUSH},
    ),
    Guarantee(
        "Updates that are skipped, on overflow or where not finite, do not count",
        tests={
            "torch": at("torch/test_amp", "test_overflows_do_not_move_the_clock"),
            "keras": at("keras/test_saving", "test_updates_that_a_loss_scale_skips_do_not_count"),
            "optax": at("optax/test_training", "test_skipped_updates"),
        },
        without={
            "accelerate": SCALE_ON_GPU,
            "transformers": SCALE_ON_GPU,
            "lightning": SCALE_ON_GPU,
        },
    ),
    Guarantee(
        "The same trace with 1, 2 and 4 processes",
        tests={
            "torch": at("torch/test_distributed", "test_every_rank_uses_the_rates_of_one_process"),
            "accelerate": at("torch/test_distributed", "test_accelerate_on_several_processes"),
            "transformers": at(
                "transformers/test_trace", "test_two_processes_make_the_same_updates"
            ),
            "lightning": at("lightning/test_feedback", "test_several_processes_hear_the_first"),
            "keras": at("keras/test_loops", "test_two_mirrored_devices_make_one_update"),
        },
        without={"optax": "processes share one compiled step, and the count is in its state"},
    ),
    Guarantee(
        "Stopped and resumed, the trace is the whole run's",
        RUNS + "test_stopped_and_resumed_is_the_whole_run",
    ),
    Guarantee(
        "Killed with SIGKILL at a random update and resumed, too",
        RUNS + "test_killed_and_resumed_is_the_whole_run",
    ),
    Guarantee(
        "Any order of making and loading, once or twice, gives the same rates",
        tests={
            "torch": at("torch/test_state", "test_kill_and_resume_anywhere"),
            "accelerate": at("torch/test_accelerate", "test_save_state_and_load_state"),
            "keras": at("keras/test_saving", "test_a_backup_restores_before_or_behind_us"),
        },
        without={"transformers": ORDER, "lightning": ORDER, "optax": "the state is one value"},
    ),
    Guarantee(
        "A lost state is taken up at a count of updates, or refused by name",
        tests={
            "torch": at(
                "torch/test_clock", "test_seek_finds_the_place_of_a_run_whose_state_was_lost"
            ),
            "accelerate": at(
                "torch/test_clock", "test_seek_finds_the_place_of_a_run_whose_state_was_lost"
            ),
            "transformers": at(
                "transformers/test_resume",
                "test_a_checkpoint_without_a_scheduler_is_taken_up_at_its_update",
            ),
            "lightning": at("torch/test_state", "test_the_state_of_the_scheduler_is_enough"),
            "keras": at("keras/test_saving", "test_weights_alone_carry_the_clock"),
            "optax": at("optax/test_resume", "test_a_lost_state_goes_on_from_start"),
        },
    ),
    Guarantee(
        "The horizon is found, also for streams and max_steps, or asked for by name",
        RUNS + "test_a_horizon_is_found_or_asked_for",
        tests={
            "transformers": at("transformers/test_trace", "test_a_stream_runs_to_max_steps"),
            "lightning": at("lightning/test_trace", "test_a_stream_runs_to_max_steps"),
        },
    ),
    Guarantee(
        "Packed rows, and a batch that the trainer shrinks, get a horizon of their own",
        tests={
            "transformers": at(
                "transformers/test_trace", "test_a_batch_that_shrinks_gets_a_horizon_of_its_own"
            )
        },
        without=dict.fromkeys(
            ("torch", "accelerate", "lightning", "keras", "optax"),
            "the length of the run is the user's own, given as total",
        ),
    ),
    Guarantee(
        "A changed plan needs a policy, prints the rates, and is never a mixture",
        RUNS + "test_a_changed_plan_needs_a_policy_and_is_never_a_mixture",
        tests={
            "keras": RUNS + "test_a_changed_plan_follows_the_code_from_the_update_it_is_at",
            "optax": RUNS + "test_a_changed_plan_follows_the_code_from_the_update_it_is_at",
        },
    ),
    Guarantee(
        "Groups that are added, removed, emptied or reordered keep their own rates",
        tests={
            "torch": at("torch/test_groups", "test_removed_and_reordered_groups_keep_their_own"),
            "accelerate": at(
                "torch/test_groups", "test_an_added_group_is_scheduled_from_its_own_rate"
            ),
            "transformers": at(
                "transformers/test_trace", "test_lora_keeps_an_empty_group_and_one_of_its_own"
            ),
            "lightning": at(
                "lightning/test_trace", "test_several_optimizers_have_clocks_of_their_own"
            ),
            "optax": at("optax/test_inject", "test_groups_by_label"),
        },
        without={"keras": ONE_GROUP},
    ),
    Guarantee(
        "Any composition is followed: nested, of length zero, held past its end",
        RUNS + "test_any_composition_is_followed",
    ),
    Guarantee(
        "Text and JSON give the trace of the value", RUNS + "test_text_and_json_are_the_value"
    ),
    Guarantee(
        "What is misspelt is refused before the first update",
        RUNS + "test_what_is_misspelt_is_refused_before_the_first_update",
    ),
    Guarantee(
        "A plateau behind a warm-up is followed, and can be played again",
        LISTENS + "test_a_plateau_is_followed_and_replayed",
    ),
    Guarantee(
        "A plateau resumes in the middle of its patience",
        LISTENS + "test_a_plateau_resumes_in_the_middle_of_its_patience",
    ),
    Guarantee(
        "A metric that is missing is none, a misspelt one is refused",
        LISTENS + "test_a_misspelt_metric_is_refused",
    ),
    Guarantee(
        "The rate in the log of update k is the one it used, in every group",
        RUNS + "test_the_rate_in_the_log_is_the_rate_that_was_used",
        tests={
            "torch": at("torch/test_logs", "test_a_loop_that_writes_for_tensorboard"),
            "accelerate": at(
                "torch/test_logs", "test_trackers_of_accelerate_get_the_rate_of_the_update"
            ),
            "transformers": at("transformers/test_logs", "test_every_group_is_logged"),
            "lightning": RUNS + "test_the_log_is_that_of_the_native_scheduler",
            "keras": at("keras/test_logs", "test_tensorboard_has_the_rate_of_the_last_update"),
        },
        notes={
            "torch": LAST,
            "accelerate": LAST,
            "transformers": "groups with rates of their own are logged as learning_rate/NAME",
            "keras": "with Callback; a rate inside the optimizer, LearningRate, is logged by Keras "
            "as its own schedules are, with the rate of the update that comes next",
        },
    ),
    Guarantee(
        "At the start of a batch the groups hold its rate, as with a scheduler of PyTorch",
        tests={
            "torch": at("torch/test_logs", "test_a_loop_that_steps_finds_what_it_finds_with_torch"),
            "accelerate": at(
                "torch/test_logs", "test_trackers_of_accelerate_get_the_rate_of_the_update"
            ),
            "transformers": at(
                "transformers/test_logs", "test_the_log_is_that_of_the_native_scheduler"
            ),
            "lightning": at(
                "lightning/test_logs",
                "test_the_monitor_writes_what_it_writes_beside_the_native_scheduler",
            ),
        },
        without={
            "keras": "the rate is computed inside the update, and held from then on",
            "optax": "a rate is computed inside the update, and held by nobody before it",
        },
        notes={"torch": STEPS, "accelerate": STEPS},
    ),
    Guarantee(
        "A rate that somebody else sets meets a named policy, and is never lost in silence",
        tests={
            "torch": at("torch/test_by_hand", "test_it_is_kept_out_and_said_once"),
            "accelerate": at("torch/test_by_hand", "test_it_is_kept_out_and_said_once"),
            "transformers": at(
                "transformers/test_logs", "test_a_rate_set_by_a_callback_meets_the_policy"
            ),
            "lightning": at(
                "lightning/test_smoke", "test_a_rate_set_by_a_callback_meets_the_policy"
            ),
            "keras": at("keras/test_guards", "test_a_scheduler_of_keras_beside_is_found"),
        },
        without={"optax": "a rate is computed inside the update, and held by nobody before it"},
        notes={"keras": "it is refused, at the next epoch"},
    ),
    Guarantee(
        "A schedule is drawn without the framework",
        RUNS + "test_the_plan_is_seen_without_the_framework",
    ),
    Guarantee("Correct use warns of nothing", RUNS + "test_correct_use_warns_of_nothing"),
    Guarantee(
        "The saved state is plain: weights_only, JSON, arrays",
        tests={
            "torch": at("torch/test_state", "test_the_state_is_primitives_only"),
            "accelerate": at("torch/test_state", "test_the_state_is_primitives_only"),
            "transformers": at("transformers/test_resume", "test_the_state_is_primitives"),
            "lightning": at("torch/test_lightning", "test_a_checkpoint_resumes_the_trace"),
            "keras": at("keras/test_saving", "test_the_rate_survives_every_way_of_keeping_it"),
            "optax": at("optax/test_resume", "test_the_state_of_flax_serialisation"),
        },
    ),
    Guarantee(
        "Nothing keeps an optimizer or a trainer alive",
        tests={
            "torch": at("torch/test_clock", "test_nothing_keeps_the_optimizer_alive"),
            "accelerate": at("torch/test_clock", "test_nothing_keeps_the_optimizer_alive"),
            "transformers": at(
                "transformers/test_refusals", "test_a_trainer_that_is_let_go_is_freed"
            ),
            "lightning": at("torch/test_clock", "test_nothing_keeps_the_optimizer_alive"),
        },
        without={
            "keras": "a rate is part of its optimizer, a callback of its model",
            "optax": "a schedule is a value that holds no array",
        },
    ),
    Guarantee(
        "Compiled once: no recompiles, no leaked tracers",
        tests={
            "torch": at("torch/test_tensor_rates", "test_a_compiled_step_is_compiled_once"),
            "accelerate": at("torch/test_tensor_rates", "test_a_compiled_step_is_compiled_once"),
            "transformers": at("torch/test_tensor_rates", "test_a_compiled_step_is_compiled_once"),
            "lightning": at("torch/test_tensor_rates", "test_a_compiled_step_is_compiled_once"),
            "keras": at("keras/test_rates", "test_nothing_is_traced_again_from_step_to_step"),
            "optax": at("optax/test_rate", "test_nothing_leaks"),
        },
    ),
)


def functions(path: str) -> set[str]:
    """Return the names of the test functions in a file."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def markdown() -> str:
    """Return the table, the reasons below it, and the tests."""
    head = f"| guarantee | {' | '.join(FRAMEWORKS)} |\n|---|{'---|' * len(FRAMEWORKS)}\n"
    reasons: list[str] = []
    body = ""
    for number, one in enumerate(GUARANTEES, 1):
        cells: list[str] = []
        for name in FRAMEWORKS:
            kind, why = one.cell(name)
            why = one.notes.get(name, "") if kind == "held" else why
            if why and why not in reasons:
                reasons.append(why)
            number_of = f" [{reasons.index(why) + 1}]" if why else ""
            cells.append(("held" if kind == "held" else "n/a") + number_of)
        body += f"| {number}. {one.claim} | {' | '.join(cells)} |\n"
    notes = "".join(f"{i}. {why[0].upper()}{why[1:]}.\n" for i, why in enumerate(reasons, 1))
    return f"{head}{body}\nNotes, and why something is n/a, not applicable:\n\n{notes}\n{_tests()}"


def _tests() -> str:
    lines = ["## The tests behind it\n"]
    for number, one in enumerate(GUARANTEES, 1):
        by_test: dict[str, list[str]] = {}
        for name in FRAMEWORKS:
            kind, test = one.cell(name)
            if kind == "held":
                by_test.setdefault(test, []).append(name)
        held = "; ".join(f"`{test}` ({', '.join(names)})" for test, names in by_test.items())
        lines.append(f"{number}. {held}")
    return "\n".join(lines) + "\n"
