"""The ImageNet path on real photographs with real weights: tune, store, import, score, look."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_images

import imagenet
import vog
from vog.data import open_source
from vog.figures.class_grid import class_grid
from vog.gradients.score_stored import import_stored
from vog.gradients.store import prepare_storing, store
from vog.result.class_names import read_class_names
from vog.sweep.request import Request

SCRIPT = Path(imagenet.__file__)
DAISY, PALACE = 985, 698


def tuned(listing: Path, root: Path, out: Path) -> None:
    """The checkpoints, by the command of the docstring."""
    command = [sys.executable, str(SCRIPT), "--data", str(listing), "--root", str(root)]
    command += ["--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=False)
    assert done.returncode == 0, done.stderr
    assert len(list(out.glob("step-*.pt"))) == 9


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three cuttings each of the two photographs of scikit-learn, and a list of them."""
    folder = tmp_path_factory.mktemp("photographs")
    lines = []
    for image, label in zip(load_sample_images().images, (PALACE, DAISY), strict=True):
        for left in (0, 100, 200):
            name = f"{label}/{left}.JPEG"
            (folder / str(label)).mkdir(exist_ok=True)
            Image.fromarray(image[:, left : left + 430]).save(folder / name, quality=95)
            lines.append(f"{name} {label}")
    (folder / "list.txt").write_text("\n".join(lines))
    return folder


def test_store_and_import_equals_score(photographs: Path, tmp_path: Path) -> None:
    listing = photographs / "list.txt"
    tuned(listing, photographs, tmp_path / "checkpoints")
    spec, found = f"{SCRIPT}:build", str(tmp_path / "checkpoints")
    out = tmp_path / "train_results"
    store(prepare_storing(Request(spec, found, str(listing), out, workers=0, quiet=True)))
    stored = import_stored(out, tmp_path / "stored", quiet=True)
    direct = vog.score(
        spec, found, str(listing), tmp_path / "direct", root=photographs, workers=0, quiet=True
    )
    names = [name for name in stored.columns if not name.startswith("prediction_probability")]
    one, other = stored.table(names), direct.table(names)
    for name in names:
        if name in stored.score_columns:
            np.testing.assert_allclose(one[name], other[name], rtol=1e-6)
        else:
            assert one[name].equals(other[name]), name
    predicted = direct.table(["prediction@early"])["prediction@early"].to_pylist()
    assert predicted[3:] == [DAISY] * 3
    copied = (out / "weight_00008" / "img_00000.jpg").read_bytes()
    assert copied == (photographs / f"{PALACE}/0.JPEG").read_bytes()
    assert class_grid(stored, label=PALACE).size == class_grid(direct, label=PALACE).size


def test_on_the_published_photographs(reference: Path, tmp_path: Path) -> None:
    """The network knows most of them, tuning helps, and all commands work on what comes of it."""
    root = reference / "train_results" / "weight_32000"
    listing = reference / "list.txt"
    tuned(listing, root, tmp_path / "checkpoints")
    model, found = f"{SCRIPT}:build", tmp_path / "checkpoints"
    run = vog.score(model, found, str(listing), tmp_path / "run", root=root, workers=0, quiet=True)
    overview = vog.analyze(
        run.with_label_names(read_class_names(reference / "imagenet_classes.txt")), "vog"
    )
    wrong = [overview.errors[stage].overall.error for stage in ("early", "middle", "late")]
    assert wrong[0] < 0.3
    assert wrong[0] >= wrong[1] >= wrong[2]
    assert {one.label_name for one in overview.classes} >= {"mailbag, postbag", "mushroom"}
    named = run.with_label_names(read_class_names(reference / "imagenet_classes.txt"))
    assert class_grid(named, "vog@late").width > 1500
    examples = open_source(listing, root)
    inputs = torch.stack([torch.from_numpy(examples.read(row)[0]) for row in range(50)])
    labels = torch.tensor([examples.read(row)[1] for row in range(50)])
    with torch.no_grad():
        right = (imagenet.build().eval()(inputs).argmax(1) == labels).float().mean()
    assert right > 0.65, "the published weights, before any tuning"
