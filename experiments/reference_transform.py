"""How far `--transform tf1` is from what TensorFlow itself makes of JPEG files; needs TensorFlow.

python experiments/reference_transform.py pixels --data list.txt --root photographs --out runs/transforms
for way in fast accurate; do
    vog score --model experiments/imagenet.py:build --checkpoints runs/imagenet \
        --data runs/transforms/$way.npz --out runs/transforms/$way
done
for way in tf1 imagenet; do
    vog score --model experiments/imagenet.py:build --checkpoints runs/imagenet \
        --data list.txt --root photographs --transform $way --out runs/transforms/$way
done
python experiments/reference_transform.py scores runs/transforms/fast runs/transforms/tf1
python experiments/reference_transform.py scores runs/transforms/fast runs/transforms/imagenet

The first line decodes and resizes every file by TensorFlow: by the fast cosine transform of
`tf.image.decode_jpeg`, which is its default, and by the accurate one. `runs/imagenet` is of
`experiments/imagenet.py`.

Expected, written before the first run: with the accurate one, `tf1` gives the same pixels to the
last digits; with the fast one it differs by less than one step of 8 bits in the mean, and VoG by
some tenths of a percent; VoG of `imagenet` differs by some percent.
"""  # noqa: E501

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from scipy.stats import spearmanr

from vog.cli import run_command
from vog.data import open_source
from vog.data.pixel_values import STD, normalised
from vog.data.tf1_transform import CROP, SHORTER
from vog.files.writing import make_folder
from vog.result import open_run

METHODS = {"fast": "INTEGER_FAST", "accurate": "INTEGER_ACCURATE"}
app = typer.Typer(add_completion=False)


@app.command()
def pixels(
    data: Annotated[Path, typer.Option(help="A list file of `path label` lines.")],
    out: Annotated[Path, typer.Option(help="A folder for what TensorFlow makes of the files.")],
    root: Annotated[Path | None, typer.Option(help="What the paths are relative to.")] = None,
) -> None:
    """Write the inputs that TensorFlow makes, and print how far ours are from them."""
    sources = {name: open_source(data, root, name) for name in ("tf1", "imagenet")}
    examples = sources["tf1"]
    assert examples.files is not None
    rows = range(len(examples))
    labels = [examples.read(row)[1] for row in rows]
    make_folder(out)
    for way, method in METHODS.items():
        inputs = np.stack([by_tensorflow(examples.files.path(row), method) for row in rows])
        np.savez(out / f"{way}.npz", inputs=inputs, labels=labels)
        for name, source in sources.items():
            ours = np.stack([source.read(row)[0] for row in rows])
            differences = np.abs(ours - inputs) * STD * 255
            typer.echo(
                f"{name} against TensorFlow, {way}: mean {differences.mean():.2g}, largest "
                f"{differences.max():.2g} of 255"
            )


def by_tensorflow(path: Path, method: str) -> np.ndarray:
    """Return the centre of a file at a shorter side of 256, all by TensorFlow, normalised."""
    import tensorflow as tf

    image = tf.io.decode_jpeg(path.read_bytes(), 3, dct_method=method)
    height, width = image.shape[:2]
    shorter = min(height, width)
    size = SHORTER * height // shorter, SHORTER * width // shorter
    resized = tf.compat.v1.image.resize_bilinear(image[None], size)[0].numpy()
    top, left = ((length - CROP) // 2 for length in size)
    return normalised(resized[top : top + CROP, left : left + CROP])


@app.command()
def scores(
    reference: Annotated[Path, typer.Argument(help="A run.")],
    run: Annotated[Path, typer.Argument(help="A run of the same rows in the same order.")],
) -> None:
    """Print how far the VoG of a run is from that of another one."""
    runs = [open_run(folder) for folder in (reference, run)]
    for column in runs[0].score_columns:
        if not column.startswith("vog@"):
            continue
        expected, values = (each.table()[column].to_numpy() for each in runs)
        differences = np.abs(values - expected) / expected
        ranks = float(spearmanr(expected, values)[0])  # type: ignore[arg-type]
        typer.echo(
            f"{column}: median {np.median(differences):.2%}, largest {differences.max():.2%}, "
            f"Spearman {ranks:.4f}"
        )


if __name__ == "__main__":
    run_command(app)
