"""Rows of the table of trainers that the suite of the guarantees holds; a test keeps them equal."""

from __future__ import annotations

from tests.trainers.ledger import elsewhere

# PyTorch loop
elsewhere(
    "PyTorch loop",
    "rates exact",
    "tests/guarantees/test_runs.py::test_accumulation_changes_nothing",
)
elsewhere(
    "PyTorch loop",
    "log right",
    "tests/torch/test_logs.py::test_a_loop_that_writes_for_tensorboard",
    "as get_last_lr() gives it, wherever in the loop it is asked",
)
elsewhere(
    "PyTorch loop",
    "resume by our state",
    "tests/guarantees/test_runs.py::test_stopped_and_resumed_is_the_whole_run",
)
elsewhere(
    "PyTorch loop",
    "killed and resumed",
    "tests/guarantees/test_runs.py::test_killed_and_resumed_is_the_whole_run",
)
elsewhere(
    "PyTorch loop",
    "metric heard",
    "tests/feedback/test_everywhere.py::test_a_plateau_is_followed_and_replayed",
)
elsewhere(
    "PyTorch loop",
    "YAML",
    "tests/trainers/test_main_cli.py::test_a_file_of_jsonargparse_alone_makes_the_scheduler",
    "`class_path: ratewise.torch.Scheduler`, or `_target_` of Hydra",
)

# Transformers Trainer
elsewhere(
    "Transformers Trainer",
    "rates exact",
    "tests/guarantees/test_runs.py::test_accumulation_changes_nothing",
)
elsewhere(
    "Transformers Trainer",
    "log right",
    "tests/transformers/test_logs.py::test_every_group_is_logged",
    "groups with rates of their own are logged as learning_rate/NAME",
)
elsewhere(
    "Transformers Trainer",
    "resume by our state",
    "tests/guarantees/test_runs.py::test_stopped_and_resumed_is_the_whole_run",
)
elsewhere(
    "Transformers Trainer",
    "killed and resumed",
    "tests/guarantees/test_runs.py::test_killed_and_resumed_is_the_whole_run",
)
elsewhere(
    "Transformers Trainer",
    "metric heard",
    "tests/feedback/test_everywhere.py::test_a_plateau_is_followed_and_replayed",
)
elsewhere(
    "Transformers Trainer",
    "YAML",
    "tests/launch/test_run.py::test_every_loop_that_is_known_is_found_and_follows",
    "by `ratewise run --schedule FILE -- python train.py`, nothing changed",
)

# Lightning
elsewhere(
    "Lightning", "rates exact", "tests/guarantees/test_runs.py::test_accumulation_changes_nothing"
)
elsewhere(
    "Lightning",
    "log right",
    "tests/guarantees/test_runs.py::test_the_log_is_that_of_the_native_scheduler",
)
elsewhere(
    "Lightning",
    "resume by our state",
    "tests/guarantees/test_runs.py::test_stopped_and_resumed_is_the_whole_run",
)
elsewhere(
    "Lightning",
    "killed and resumed",
    "tests/guarantees/test_runs.py::test_killed_and_resumed_is_the_whole_run",
)
elsewhere(
    "Lightning",
    "metric heard",
    "tests/feedback/test_everywhere.py::test_a_plateau_is_followed_and_replayed",
)
elsewhere(
    "Lightning",
    "YAML",
    "tests/lightning/test_cli.py::test_a_callback_in_the_file_attaches",
    "as of its command line",
)

# Accelerate
elsewhere(
    "Accelerate", "rates exact", "tests/guarantees/test_runs.py::test_accumulation_changes_nothing"
)
elsewhere(
    "Accelerate",
    "log right",
    "tests/torch/test_logs.py::test_trackers_of_accelerate_get_the_rate_of_the_update",
    "as get_last_lr() gives it, wherever in the loop it is asked",
)
elsewhere(
    "Accelerate",
    "resume by our state",
    "tests/guarantees/test_runs.py::test_stopped_and_resumed_is_the_whole_run",
)
elsewhere(
    "Accelerate",
    "killed and resumed",
    "tests/guarantees/test_runs.py::test_killed_and_resumed_is_the_whole_run",
)
elsewhere(
    "Accelerate",
    "metric heard",
    "tests/feedback/test_everywhere.py::test_a_plateau_is_followed_and_replayed",
)
elsewhere(
    "Accelerate",
    "YAML",
    "tests/launch/test_run.py::test_every_loop_that_is_known_is_found_and_follows",
    "by `ratewise run --schedule FILE -- python train.py`, nothing changed",
)

# Keras
elsewhere(
    "Keras", "rates exact", "tests/guarantees/test_runs.py::test_accumulation_changes_nothing"
)
elsewhere(
    "Keras",
    "log right",
    "tests/keras/test_logs.py::test_tensorboard_has_the_rate_of_the_last_update",
    "with Callback; a rate inside the optimizer, LearningRate, is logged by Keras as its own "
    "schedules are, with the rate of the update that comes next",
)
elsewhere(
    "Keras",
    "resume by our state",
    "tests/guarantees/test_runs.py::test_stopped_and_resumed_is_the_whole_run",
)
elsewhere(
    "Keras",
    "killed and resumed",
    "tests/guarantees/test_runs.py::test_killed_and_resumed_is_the_whole_run",
)
elsewhere(
    "Keras",
    "metric heard",
    "tests/feedback/test_everywhere.py::test_a_plateau_is_followed_and_replayed",
)
elsewhere(
    "Keras",
    "YAML",
    "tests/guarantees/test_runs.py::test_text_and_json_are_the_value",
    "the text of a schedule, or its dict form, from any file",
)

# Optax
elsewhere(
    "Optax", "rates exact", "tests/guarantees/test_runs.py::test_accumulation_changes_nothing"
)
elsewhere(
    "Optax",
    "log right",
    "tests/guarantees/test_runs.py::test_the_rate_in_the_log_is_the_rate_that_was_used",
)
elsewhere(
    "Optax",
    "resume by our state",
    "tests/guarantees/test_runs.py::test_stopped_and_resumed_is_the_whole_run",
)
elsewhere(
    "Optax",
    "killed and resumed",
    "tests/guarantees/test_runs.py::test_killed_and_resumed_is_the_whole_run",
)
elsewhere(
    "Optax",
    "metric heard",
    "tests/feedback/test_everywhere.py::test_a_plateau_is_followed_and_replayed",
)
elsewhere(
    "Optax",
    "YAML",
    "tests/guarantees/test_runs.py::test_text_and_json_are_the_value",
    "the text of a schedule, or its dict form, from any file",
)
