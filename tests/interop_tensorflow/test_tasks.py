"""Every task with a dense layer of TensorFlow 1."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from task_contract import CASES, STEPS, Dense, TaskCase, TaskContract

_LAYERS = Path(__file__).parent / "dense_layers.py"


def dense_of_tensorflow(case: TaskCase, folder: Path) -> dict[str, Any]:
    """Return the layer as a function of a file."""
    name = next(name for name in CASES if CASES[name] is case).replace("-", "_")
    for step in range(STEPS):
        kernel, bias = case.weights(step)
        np.savez(folder / f"step-{step}.npz", **{"head/kernel": kernel, "head/bias": bias})
    return {"model": f"tf1:{_LAYERS}:{name}", "checkpoints": str(folder / "*.npz")}


class TestFunction(TaskContract):
    @pytest.fixture
    def dense(self) -> Dense:
        return dense_of_tensorflow
