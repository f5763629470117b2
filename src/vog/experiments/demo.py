"""The demo: a small network on real digits, 5 % of its training labels flipped, scored.

vog demo --out demo

trains on the UCI digits that scikit-learn ships, with a plain PyTorch loop that saves a
checkpoint every epoch, and scores the training set under all of them. Because the
flipped labels are known, it can measure how well each score finds them *here*, and how good the
verdict of `vog suspects` is, which does not know them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Float, Int
from PIL import Image
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F

import vog
from vog.experiments import flipped_labels
from vog.experiments.flipped_labels import BY, Demo
from vog.figures import image_grid
from vog.files.writing import make_folder, refuse_foreign_files, write_whole
from vog.result import Run

EPOCHS = 15
_HELD_OUT, _SEED = 360, 0
_DATA = "digits.npz"


@dataclass(frozen=True)
class Digits:
    """Images in [0, 1], their true classes, and the labels that are trained on."""

    images: Float[np.ndarray, "n 1 8 8"]
    truth: Int[np.ndarray, "n"]
    labels: Int[np.ndarray, "n"]

    @property
    def flipped(self) -> Int[np.ndarray, "n"]:
        """1 where the label is not the true class, else 0."""
        return (self.labels != self.truth).astype(np.int64)


def build() -> nn.Module:
    """Return two convolutions with batch norms and a linear layer: 8 x 8 to ten logits."""
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU()),
        *(nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(512, 10)),
    )


def run_demo(out: Path, quiet: bool = False, tell: Callable[[str], None] = lambda _: None) -> Demo:
    """Train, score and draw; a second call with the same folder continues.

    Args:
        out: a folder for data, checkpoints, run and figures.
        quiet: no progress bar.
        tell: called with what is done next.

    Raises:
        ResultError: `out` holds files that are not of an earlier demo.
    """
    train, test = _load_data()
    refuse_foreign_files(out, _DATA)
    make_folder(out)
    data = out / _DATA
    write_whole(
        data,
        lambda path: np.savez(
            path,
            images=train.images,
            labels=train.labels,
            label_names=np.array([f"digit {d}" for d in range(10)]),
        ),
    )
    make_folder(out / "checkpoints")
    tell(f"training on {len(train.labels):,} digits, {train.flipped.sum()} of them mislabelled")
    accuracy = _train(train, test, out / "checkpoints")
    tell("scoring them under every checkpoint")
    run = vog.score(
        "vog.experiments.demo:build",
        str(out / "checkpoints"),
        str(data),
        out / "run",
        scores="all",
        overwrite=True,
        quiet=quiet,
    )
    tell("comparing the scores with what was planted, and writing the report")
    judged = flipped_labels.judge(run, train.labels, train.truth, out)
    title = "Digits: does the last checkpoint contradict the label?"
    return Demo(
        noun="digits",
        run=run,
        test_accuracy=accuracy,
        examples=len(train.labels),
        flipped=int(train.flipped.sum()),
        hardest=_hardest_digits(run, train),
        planted=judged.planted,
        verification=judged.verification,
        suspects=judged.suspects,
        flipped_suspects=judged.flipped_suspects,
        flipped_at_top=judged.flipped_at_top,
        figures={
            "grid": _save_grid(run, train, out / "grid.png"),
            "error by decile": flipped_labels.save_error_chart(
                run, title, out / "error_by_decile.png"
            ),
            "which score": judged.chart,
        },
        report=vog.report(run, out / "report.html"),
        command=f"vog score --model vog.experiments.demo:build --checkpoints {out}/checkpoints "
        f"--data {data} --scores all --out {out}/run",
    )


def _load_data() -> tuple[Digits, Digits]:
    """Return training digits, some with a wrong label, and test digits."""
    pixels, truth = (np.asarray(array) for array in load_digits(return_X_y=True))
    images = (pixels.reshape(-1, 1, 8, 8) / 16).astype(np.float32)  # 17 shades of grey
    truth = truth.astype(np.int64)
    rng = np.random.default_rng(_SEED)
    order = rng.permutation(len(truth))
    held_out, rest = order[:_HELD_OUT], np.sort(order[_HELD_OUT:])
    labels = flipped_labels.flip(truth[rest], 10, rng)
    test = Digits(images[held_out], truth[held_out], truth[held_out])
    return Digits(images[rest], truth[rest], labels), test


def _train(train: Digits, test: Digits, folder: Path, seed: int = _SEED) -> float:
    """Train, save a checkpoint every epoch, and return the accuracy on the test digits."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = build()
        images, labels = torch.from_numpy(train.images), torch.from_numpy(train.labels)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
        for epoch in range(1, EPOCHS + 1):
            model.train()
            for batch in torch.randperm(len(labels)).split(64):
                loss = F.cross_entropy(model(images[batch]), labels[batch])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            torch.save(model.state_dict(), folder / f"epoch-{epoch:02d}.pt")
    model.eval()
    with torch.no_grad():
        right: Tensor = model(torch.from_numpy(test.images)).argmax(1).numpy() == test.truth
    return float(right.mean())


def _hardest_digits(run: Run, digits: Digits) -> pa.Table:
    """Return the hardest rows of the run, with the true class of each image."""
    top = run.top(15, by=BY)
    truth = digits.truth[[int(row_id) for row_id in top["id"].to_pylist()]]
    return top.append_column("shows", pa.array(truth)).drop("problem")


def _save_grid(run: Run, digits: Digits, path: Path) -> Path:
    """Draw the easiest and hardest digits of the class that has the most flipped labels."""
    counts = np.bincount(digits.labels, weights=digits.flipped)
    label = int(counts.argmax())
    easiest, hardest = (
        [_tile(row, digits) for row in run.top(25, by=BY, label=label, easiest=end).to_pylist()]
        for end in (True, False)
    )
    title = f"Labelled {label}: by VoG within the class, and what the model predicts"
    return image_grid.save_grid(image_grid.easiest_and_hardest(easiest, hardest, title), path)


def _tile(row: dict[str, int | str], digits: Digits) -> image_grid.GridImage:
    pixels = digits.images[int(row["id"]), 0]
    image = Image.fromarray((255 - 255 * pixels).astype(np.uint8))
    return image_grid.GridImage(
        image, str(row["prediction@all"]), row["prediction@all"] != row["label"]
    )
