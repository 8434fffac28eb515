"""One driver for each framework, loaded when it is first asked for."""

from __future__ import annotations

import importlib
from typing import Any

FRAMEWORKS = {
    "torch": ("torch", "torch_driver", "Plain"),
    "accelerate": ("accelerate", "torch_driver", "Accelerated"),
    "transformers": ("transformers", "trainer_driver", "Trained"),
    "lightning": ("lightning", "lightning_driver", "Fitted"),
    "keras": ("keras", "keras_driver", "Fit"),
    "optax": ("optax", "optax_driver", "Jitted"),
}


def driver(name: str) -> Any:
    """Return the driver of a framework."""
    _, module, kind = FRAMEWORKS[name]
    return getattr(importlib.import_module(f"tests.guarantees.{module}"), kind)()
