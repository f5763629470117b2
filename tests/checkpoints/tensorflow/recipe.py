"""Write the checkpoints in this folder, with TensorFlow; `expected` has what TensorFlow reads back.

    TF_ENABLE_ONEDNN_OPTS=0 python recipe.py FOLDER

Each checkpoint `NAME-STEP` has a file `NAME-STEP.npz` beside it, written by
`tf.train.load_checkpoint`, in which values of bfloat16 are float32. `network-*` are a small network
after training steps with Momentum and an average of its weights.
"""

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

v1 = tf.compat.v1


def keep_expected(folder: Path, name: str) -> None:
    """Write the values that TensorFlow reads from a checkpoint; texts are left out."""
    reader = tf.train.load_checkpoint(str(folder / name))
    arrays = {
        key: reader.get_tensor(key)
        for key in reader.get_variable_to_shape_map()
        if reader.get_variable_to_dtype_map()[key] != tf.string
    }
    arrays = {
        key: value.astype(np.float32) if value.dtype == tf.bfloat16.as_numpy_dtype else value
        for key, value in arrays.items()
    }
    np.savez_compressed(folder / f"{name}.npz", **arrays)


def small_values() -> list[tuple[str, np.ndarray]]:
    """Return one array of each type, with names."""
    rng = np.random.default_rng(0)
    kinds = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "c8", "c16", "?"]
    values = [(f"kinds/{kind.replace('?', 'b')}", rng.normal(size=(3, 2)) * 9) for kind in kinds]
    named = [
        (name, np.abs(value).astype(kind) if kind[0] == "u" else value.astype(kind))
        for (name, value), kind in zip(values, kinds, strict=True)
    ]
    bfloat16 = rng.normal(size=(4,)).astype(tf.bfloat16.as_numpy_dtype)
    extra = [
        ("kinds/bf2", bfloat16),
        ("single", np.float32(3.5)),
        ("empty", np.zeros((0, 3), "f4")),
    ]
    return [*named, *extra]


def save_bundle(folder: Path, name: str, named: list[tuple[str, np.ndarray]], shards: int) -> None:
    """Save arrays by several writers, merged as a training on many machines does."""
    parts = [named[start::shards] for start in range(shards)]
    written = []
    for number, part in enumerate(parts):
        prefix = str(folder / f"{name}.part{number}")
        tf.raw_ops.SaveV2(
            prefix=prefix,
            tensor_names=[key for key, _ in part],
            shape_and_slices=["" for _ in part],
            tensors=[tf.constant(value) for _, value in part],
        )
        written.append(prefix)
    tf.raw_ops.MergeV2Checkpoints(
        checkpoint_prefixes=written, destination_prefix=str(folder / name), delete_old_dirs=False
    )
    keep_expected(folder, name)


def save_partitioned(folder: Path) -> None:
    """Save variables in slices along the first, and along the second axis, as TF 1 does."""
    with tf.Graph().as_default(), v1.Session() as session:
        for name, shape, cuts in (
            ("rows", (7, 3), v1.fixed_size_partitioner(3, axis=0)),
            ("columns", (2, 5), v1.fixed_size_partitioner(2, axis=1)),
            ("many", (200, 2), v1.fixed_size_partitioner(2, axis=0)),
        ):
            v1.get_variable(
                name,
                shape,
                partitioner=cuts,
                initializer=v1.random_normal_initializer(seed=1),
                use_resource=False,
            )
        v1.get_variable("whole", (2, 2), initializer=v1.random_normal_initializer(seed=2))
        session.run(v1.global_variables_initializer())
        saver = v1.train.Saver(sharded=True)
        saver.save(session, str(folder / "partitioned"), global_step=1, write_meta_graph=False)
    keep_expected(folder, "partitioned-1")


def save_network(folder: Path) -> None:
    """Train a network of two convolutions and a dense layer by Momentum, with an average."""
    rng = np.random.default_rng(1)
    images = rng.normal(size=(16, 6, 6, 3)).astype(np.float32)
    labels = rng.integers(0, 4, 16)
    with tf.Graph().as_default(), v1.Session() as session:
        v1.set_random_seed(3)
        hidden = tf.constant(images)
        variables = {
            "conv/kernel": (3, 3, 3, 5),
            "conv/bias": (5,),
            "dense/kernel": (4 * 4 * 5, 4),
            "dense/bias": (4,),
        }
        w = {
            name: v1.get_variable(name, shape, initializer=v1.random_normal_initializer(stddev=0.3))
            for name, shape in variables.items()
        }
        hidden = tf.nn.relu(tf.nn.conv2d(hidden, w["conv/kernel"], 1, "VALID") + w["conv/bias"])
        logits = tf.reshape(hidden, (16, -1)) @ w["dense/kernel"] + w["dense/bias"]
        loss = tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
        )
        step = v1.train.get_or_create_global_step()
        train = v1.train.MomentumOptimizer(0.2, 0.9).minimize(loss, global_step=step)
        average = v1.train.ExponentialMovingAverage(0.9)
        with tf.control_dependencies([train]):
            train = average.apply(list(w.values()))
        session.run(v1.global_variables_initializer())
        saver = v1.train.Saver(max_to_keep=None)
        for number in (1, 2, 10):
            while session.run(step) < number:
                session.run(train)
            saver.save(session, str(folder / "network"), global_step=number, write_meta_graph=False)
            keep_expected(folder, f"network-{number}")


def save_objects(folder: Path) -> None:
    """Save a `tf.train.Checkpoint` with a model, an optimizer with slots and a counter."""
    model = tf.Module()
    model.layer = tf.Module()
    model.layer.kernel = tf.Variable(tf.random.stateless_normal((3, 2), (1, 2)))
    model.layer.bias = tf.Variable(tf.random.stateless_normal((2,), (3, 4)))
    model.blocks = [tf.Variable([1.0, 2.0]), tf.Variable([3.0])]
    optimizer = v1.train.MomentumOptimizer(0.1, 0.9)
    optimizer.apply_gradients([(v * 0.1, v) for v in (model.layer.kernel, model.layer.bias)])
    checkpoint = tf.train.Checkpoint(layer=model.layer, blocks=model.blocks, optimizer=optimizer)
    checkpoint.save(str(folder / "objects"))
    keep_expected(folder, "objects-1")


def main() -> None:
    """Write all checkpoints into the folder that is named."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    save_bundle(folder, "one-1", small_values(), 1)
    save_bundle(folder, "three-1", small_values(), 3)
    save_bundle(folder, "five-1", small_values(), 5)
    save_partitioned(folder)
    save_network(folder)
    save_objects(folder)
    (folder / "checkpoint").unlink(missing_ok=True)


if __name__ == "__main__":
    main()
