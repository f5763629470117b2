"""The relative change of VoG where norms are folded, compared with a plain computation.

`python experiments/folding.py cifar10n.npz` scores the first 256 images under three checkpoints of
a ResNet-18 with random weights, whose ReLUs meet zero as often as those of any network.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

import vog
from cifar import resnet18

IMAGES, CHECKPOINTS, BATCH = 256, 3, 64


def plain_way(files: list[Path], images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return VoG by `load_state_dict`, `eval` and `backward`, one checkpoint after the other."""
    targets, gradients = torch.from_numpy(labels)[:, None], []
    for file in files:
        model = resnet18()
        model.load_state_dict(torch.load(file, weights_only=True))
        model.eval()
        inputs = torch.from_numpy(images).requires_grad_()
        for batch, label in zip(inputs.split(BATCH), targets.split(BATCH), strict=True):
            model(batch).gather(1, label).sum().backward()
        assert inputs.grad is not None
        gradients.append(inputs.grad.double().mean(dim=1).numpy())
    return np.std(gradients, axis=0).mean(axis=(1, 2))


def main() -> None:
    """Print the relative change of VoG, with folding and without."""
    with np.load(sys.argv[1]) as data:
        pixels, labels = data["images"][:IMAGES], data["labels"][:IMAGES].astype(np.int64)
    images = ((pixels.astype(np.float32) / 255 - 0.5) / 0.25).transpose(0, 3, 1, 2).copy()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = [folder / f"step-{step}.pt" for step in range(CHECKPOINTS)]
        for step, file in enumerate(files):
            torch.manual_seed(step)
            torch.save(resnet18().state_dict(), file)
        expected = plain_way(files, images, labels)
        for fold in (True, False):
            run = vog.score(
                resnet18,
                files,
                (images, labels),
                folder / f"{fold}",
                scores="vog",
                fold=fold,
                batch_size=BATCH,
                quiet=True,
            )
            error = np.abs(run.values("vog@all") - expected) / expected
            sys.stdout.write(
                f"{'folded' if fold else 'as it is'}: median {np.median(error):.0e}, most "
                f"{error.max():.0e}; above 1e-5 in {(error > 1e-5).sum()} of {IMAGES}\n"
            )


if __name__ == "__main__":
    main()
