"""Every task with a dense layer of Keras; a sigmoid at its end is left out."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import vog
from task_contract import CASES, INPUTS, STEPS, WIDTH, Dense, TaskCase, TaskContract
from vog.errors import ModelError


def dense_of_keras(case: TaskCase, folder: Path) -> dict[str, Any]:
    """Return the layer as a model."""
    inputs = keras.Input((WIDTH,))
    dense = layers.Dense(case.outputs, activation=case.activation)
    outputs = dense(inputs)
    if len(case.shape) > 1:
        outputs = layers.Reshape(case.shape)(outputs)
    model = keras.Model(inputs, outputs)
    for step in range(STEPS):
        dense.set_weights(list(case.weights(step)))
        model.save_weights(folder / f"{step}.weights.h5")
    return {"model": model, "checkpoints": str(folder / "*.h5")}


class TestModel(TaskContract):
    @pytest.fixture
    def dense(self) -> Dense:
        return dense_of_keras


def test_a_regression_of_shares_is_refused(tmp_path: Path) -> None:
    """Its outputs are the values of the sigmoid, which would be left out."""
    case = TaskCase((1,), np.linspace(0.1, 0.9, len(INPUTS)), "sigmoid")
    options = dense_of_keras(case, tmp_path)
    with pytest.raises(ModelError, match="the model ends in a sigmoid, of which the inputs are"):
        vog.score(**options, data=(INPUTS, case.labels), out=tmp_path / "run")
    assert CASES["binary"].activation == "sigmoid"
