"""What a framework is needed for is left out where it is missing."""

import importlib.util

NEEDS = {
    "test_keras.py": "keras",
    "test_lightning.py": "lightning",
    "test_plain_loop.py": "torch",
    "test_trainer.py": "transformers",
}
collect_ignore = [file for file, name in NEEDS.items() if importlib.util.find_spec(name) is None]
