"""Checkpoints of the small network as users of Keras save them."""

from collections.abc import Callable, Mapping
from pathlib import Path

import keras
import numpy as np

import resnets
from small_resnet import Arrays


def _save_each(
    weights: Mapping[int, Arrays],
    folder: Path,
    build: Callable[[], keras.Model],
    write: Callable[[keras.Model, int], object],
) -> None:
    folder.mkdir(parents=True)
    model = build()
    for step, arrays in weights.items():
        resnets.carry(arrays, model)
        write(model, step)


def save_weights(build: Callable[[], keras.Model]) -> Callable[..., None]:
    """`STEP.weights.h5`, as `ModelCheckpoint(save_weights_only=True)` writes them."""

    def save(weights: Mapping[int, Arrays], folder: Path) -> None:
        _save_each(
            weights, folder, build, lambda m, step: m.save_weights(folder / f"{step}.weights.h5")
        )

    return save


def save_models(weights: Mapping[int, Arrays], folder: Path) -> None:
    """`model-STEP.keras` with the state of the optimizer, as `ModelCheckpoint` writes them."""

    def write(model: keras.Model, step: int) -> None:
        if not model.compiled:
            model.compile("adam", "sparse_categorical_crossentropy")
            model.optimizer.build(model.trainable_variables)
        model.save(folder / f"model-{step}.keras")

    _save_each(weights, folder, resnets.probabilities, write)


def save_archives(weights: Mapping[int, Arrays], folder: Path) -> None:
    """Archives of NumPy by the paths of variables."""

    def write(model: keras.Model, step: int) -> None:
        values = {v.path: keras.ops.convert_to_numpy(v.value) for v in model.variables}
        np.savez(folder / f"{step}.npz", **values)

    _save_each(weights, folder, resnets.functional, write)
