"""Scores equal those of the packages whose methods they are: aum, captum, cleanlab."""

import csv
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from aum import AUMCalculator
from captum.attr import Saliency
from cleanlab.rank import get_label_quality_scores
from scipy.stats import rankdata
from torch import Tensor, nn

import vog
import world
from comparison import relative
from vog.result import Run

SAME = 1e-6


@dataclass(frozen=True)
class Scored:
    """A run, and the modules that it scored, each loaded from its checkpoint."""

    run: Run
    inputs: Tensor
    labels: Tensor
    modules: tuple[nn.Module, ...]

    def logits(self, module: nn.Module) -> Tensor:
        """What a module makes of the inputs."""
        with torch.no_grad():
            return module(self.inputs)

    @property
    def probabilities(self) -> list[np.ndarray]:
        """By checkpoint, the softmax in double precision."""
        return [self.logits(one).double().softmax(dim=1).numpy() for one in self.modules]


@pytest.fixture(scope="module", params=[1, 7])
def scored(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Scored:
    """A network with everything that makes gradients go wrong, under one and seven checkpoints."""
    folder = tmp_path_factory.mktemp("peers")
    world.save_checkpoints(folder / "checkpoints", request.param)
    inputs, labels = world.inputs_and_labels(60)
    run = vog.score(
        world.build,
        folder / "checkpoints",
        (inputs, labels),
        folder / "run",
        scores="all" if request.param > 1 else "grad_norm,aum,confidence,entropy",
        workers=0,
        quiet=True,
    )
    modules = []
    for state in world.weights(request.param):
        module = world.build().eval()
        module.load_state_dict(state)
        modules.append(module)
    return Scored(run, torch.from_numpy(inputs), torch.from_numpy(labels), tuple(modules))


def test_aum_is_that_of_aum(scored: Scored, tmp_path: Path) -> None:
    calculator = AUMCalculator(str(tmp_path), compressed=True)
    for module in scored.modules:
        rows = list(range(len(scored.labels)))
        calculator.update(scored.logits(module), scored.labels, rows)
    calculator.finalize()
    with (tmp_path / "aum_values.csv").open() as file:
        values = {int(row["sample_id"]): float(row["aum"]) for row in csv.DictReader(file)}
    theirs = np.array([values[row] for row in range(len(scored.labels))])
    assert relative(scored.run.values("aum@all"), theirs) < SAME


def saliency(scored: Scored) -> np.ndarray:
    """The gradients by checkpoint and example, averaged over colours as the VoG authors do."""
    found = [
        Saliency(module).attribute(scored.inputs.clone(), target=scored.labels, abs=False)
        for module in scored.modules
    ]
    return torch.stack(found).detach().double().mean(dim=2).numpy()


def test_vog_is_the_spread_of_the_saliency_of_captum(scored: Scored) -> None:
    gradients = saliency(scored)
    if len(gradients) > 1:
        theirs = gradients.std(axis=0).mean(axis=(1, 2))
        assert relative(scored.run.values("vog@all"), theirs) < SAME
    norms = np.abs(gradients).mean(axis=(0, 2, 3))
    assert relative(scored.run.values("grad_norm@all"), norms) < SAME


def test_stored_gradients_are_the_saliency_of_captum(scored: Scored, tmp_path: Path) -> None:
    data = tmp_path / "data.npz"
    np.savez(data, inputs=scored.inputs.numpy(), labels=scored.labels.numpy())
    checkpoints = scored.run.folder.parent / "checkpoints"
    words = ["--checkpoints", checkpoints, "--data", data, "--out", tmp_path / "stored"]
    network = tmp_path / f"network_{len(scored.modules)}.py"  # `world` is imported here already
    shutil.copy(world.__file__, network)
    model = ["--model", f"{network}:build", "--quiet", "--workers", "0"]
    from vog.cli import app

    with pytest.raises(SystemExit) as end:
        app(["gradients", *model, *map(str, words)])
    assert not end.value.code
    for step, theirs in enumerate(saliency(scored), start=1):
        folder = tmp_path / "stored" / f"weight_{100 * step:05d}"
        ours = np.stack([np.load(path) for path in sorted(folder.glob("grad_*.npy"))])
        assert ours.reshape(theirs.shape).shape == theirs.shape
        assert relative(ours.reshape(theirs.shape), theirs) < SAME


def test_confidence_ranks_as_the_self_confidence_of_cleanlab(scored: Scored) -> None:
    mean = np.mean(scored.probabilities, axis=0)
    theirs = get_label_quality_scores(scored.labels.numpy(), mean, method="self_confidence")
    ours = scored.run.values("confidence@all")
    assert relative(ours, theirs) < SAME
    assert np.array_equal(rankdata(ours), rankdata(theirs))


def test_entropy_by_confidence_ranks_as_that_of_cleanlab(scored: Scored) -> None:
    """It weighs the entropy by the confidence; both are ours, where there is one checkpoint."""
    if len(scored.modules) > 1:
        pytest.skip("the mean of entropies is not the entropy of the mean")
    labels, (probabilities,) = scored.labels.numpy(), scored.probabilities
    theirs = get_label_quality_scores(labels, probabilities, method="confidence_weighted_entropy")
    ours = scored.run.values("entropy@all") / scored.run.values("confidence@all")
    assert np.array_equal(rankdata(-ours), rankdata(theirs))


def test_the_margin_of_cleanlab_is_that_of_our_columns(scored: Scored) -> None:
    """Of two probabilities it is the difference: with AUM, their ratio, and ours it is known."""
    if len(scored.modules) > 1:
        pytest.skip("the margin of mean probabilities is of no mean of margins")
    labels, (probabilities,) = scored.labels.numpy(), scored.probabilities
    theirs = get_label_quality_scores(labels, probabilities, method="normalized_margin")
    own = scored.run.values("confidence@all")
    rival = own * np.exp(-scored.run.values("aum@all"))
    ours = (own - rival + 1) / 2
    assert relative(ours, theirs) < SAME
    assert np.array_equal(rankdata(ours), rankdata(theirs))
