"""Checkpoints of the small network as users of TensorFlow save them."""

import os
from collections.abc import Mapping
from pathlib import Path

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import numpy as np
import tensorflow as tf

import resnets
from small_resnet import Arrays

v1 = tf.compat.v1


def save_with_saver(weights: Mapping[int, Arrays], folder: Path) -> None:
    """`model.ckpt-STEP` of `tf.train.Saver`, with a step and momentum beside the weights."""
    folder.mkdir(parents=True)
    with tf.Graph().as_default(), v1.Session() as session:
        resnets.logits(v1.placeholder(tf.float32, (None, 16, 16, 3)))
        step = v1.train.get_or_create_global_step()
        others = [
            v1.get_variable(f"{v.name[:-2]}/Momentum", v.shape) for v in v1.trainable_variables()
        ]
        session.run([step.initializer, *(v.initializer for v in others)])
        saver = v1.train.Saver(max_to_keep=None)
        for number, arrays in weights.items():
            values = resnets.variables(arrays)
            for variable in v1.global_variables():
                if (name := variable.name[:-2]) in values:
                    variable.load(values[name], session)
            step.load(number, session)
            saver.save(session, str(folder / "model.ckpt"), number, write_meta_graph=number < 200)


def save_archives(weights: Mapping[int, Arrays], folder: Path) -> None:
    folder.mkdir(parents=True)
    for number, arrays in weights.items():
        np.savez(folder / f"step-{number}.npz", **resnets.variables(arrays))


def save_saved_models(weights: Mapping[int, Arrays], folder: Path) -> None:
    """A SavedModel of each step, in a folder `export-STEP`."""
    for number, arrays in weights.items():
        tf.saved_model.save(resnets.Network(arrays), str(folder / f"export-{number}"))


def save_objects(weights: Mapping[int, Arrays], folder: Path) -> None:
    """`ckpt-STEP` of `tf.train.Checkpoint`, as a training loop of TensorFlow 2 writes them."""
    for number, arrays in weights.items():
        tf.train.Checkpoint(resnets.Network(arrays)).write(str(folder / f"ckpt-{number}"))


def save_variables(arrays: Arrays, prefix: Path) -> None:
    """A checkpoint of `tf.train.Saver` with variables of these names."""
    with tf.Graph().as_default(), v1.Session() as session:
        for name, array in arrays.items():
            v1.get_variable(name, initializer=array)
        session.run(v1.global_variables_initializer())
        v1.train.Saver().save(session, str(prefix))
