"""Every task with a dense layer of JAX."""

from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from task_contract import STEPS, Dense, TaskCase, TaskContract


def dense_of_jax(case: TaskCase, folder: Path) -> dict[str, Any]:
    """Return the layer as a function and its weights."""

    def apply(weights: Any, x: Any) -> Any:
        outputs = x @ weights["kernel"] + weights["bias"]
        return outputs.reshape(-1, *case.shape)

    for step in range(STEPS):
        kernel, bias = case.weights(step)
        np.savez(folder / f"step-{step}.npz", kernel=kernel, bias=bias)
    kernel, bias = map(jnp.asarray, case.weights(0))
    model = apply, {"kernel": kernel, "bias": bias}
    return {"model": model, "checkpoints": str(folder / "*.npz")}


class TestFunction(TaskContract):
    @pytest.fixture
    def dense(self) -> Dense:
        return dense_of_jax
