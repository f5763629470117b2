"""The input of the last layer, projected and stored beside the scores of an example."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from torch import Tensor, nn

import vog
import world
from command_line import Cli, score
from vog.errors import ResultError, VogError
from vog.observation import Observation, Outcome, Signal
from vog.scores import SCORES
from vog.sweep.projection import COLUMNS, Projection

Data = tuple[np.ndarray, np.ndarray]


def plain_features(checkpoint: Path, inputs: np.ndarray) -> np.ndarray:
    """The input of the last layer in the plain way."""
    module = world.build()
    module.load_state_dict(torch.load(checkpoint)["state_dict"])
    with torch.no_grad():
        return nn.Sequential(*list(module.eval())[:-1])(torch.from_numpy(inputs)).numpy()


def features_of(checkpoint: Path, inputs: np.ndarray) -> np.ndarray:
    """The input of the last layer in the plain way, projected."""
    features = plain_features(checkpoint, inputs)
    normal = np.random.RandomState(0).standard_normal((features.shape[1], COLUMNS))
    return features @ (normal / np.sqrt(COLUMNS))


def test_they_are_those_of_the_last_checkpoint(
    checkpoints: Path, digits: Data, tmp_path: Path
) -> None:
    run = vog.score(world.build, checkpoints, digits, tmp_path / "run", batch_size=7, quiet=True)
    stored, (*_, last) = run.features(), sorted(checkpoints.iterdir())
    assert stored is not None
    assert stored.dtype == np.float16
    expected = features_of(last, digits[0])
    np.testing.assert_allclose(stored.astype(float), expected, rtol=2e-3, atol=2e-3)
    assert run.question["features"] == {"seed": 0, "columns": COLUMNS}


def test_a_projection_keeps_distances_on_average() -> None:
    """Columns of normal entries with variance 1/32: squared distances are kept on average."""
    points = torch.randn(60, 500, generator=torch.Generator().manual_seed(0))
    projected = Projection().apply(points).astype(np.float64)
    ratios = ((projected[:30] - projected[30:]) ** 2).sum(axis=1) / (
        (points[:30] - points[30:]).double().square().sum(dim=1).numpy()
    )
    assert abs(ratios.mean() - 1) < 4 * np.sqrt(2 / COLUMNS / 30)
    assert not np.array_equal(Projection(1).matrix(5), Projection(0).matrix(5))


def test_what_is_not_finite_in_float16_is_null() -> None:
    features = torch.tensor([[1.0, 2.0], [1e6, 1e6], [torch.nan, 0.0]])
    projected = Projection().apply(features)
    assert np.isfinite(projected[0]).all()
    assert np.isnan(projected[1:]).all()


def test_they_are_named_or_not_there(checkpoints: Path, digits: Data, tmp_path: Path) -> None:
    run = vog.score(world.build, checkpoints, digits, tmp_path / "run", quiet=True)
    assert "features" not in run.columns
    assert "features" not in run.table().column_names
    run.export(tmp_path / "all.parquet")
    assert "features" not in pq.read_schema(tmp_path / "all.parquet").names
    run.export(tmp_path / "named.parquet", columns=["id", "features"])
    assert pq.read_table(tmp_path / "named.parquet")["features"].type.list_size == COLUMNS
    with pytest.raises(ResultError, match="features holds a list for each row, which csv cannot"):
        run.export(tmp_path / "named.csv", columns=["id", "features"])


def test_the_flag_leaves_them_out(
    cli: Cli, checkpoints: Path, digits: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez(tmp_path / "data.npz", inputs=digits[0], labels=digits[1])
    monkeypatch.chdir(tmp_path)
    words = {"checkpoints": str(checkpoints), "data": str(tmp_path / "data.npz")}
    assert cli(*_words(words | {"out": "without"}), "--no-features")[0] == 0
    assert "features" not in json.loads(Path("without/question.json").read_text())
    assert vog.open("without").features() is None
    assert score(cli, **words, out="with")[0] == 0
    assert vog.open("with").features() is not None


def _words(options: dict[str, str]) -> list[str]:
    flags = {"model": f"{Path(world.__file__)}:build"} | options
    return ["score", *(word for name, value in flags.items() for word in (f"--{name}", value))]


def test_a_run_goes_on_as_it_began(checkpoints: Path, digits: Data, tmp_path: Path) -> None:
    """One that was begun without features, such as by version 0.1, has none later."""
    begun = {"batch_size": 5, "rows_per_part": 5, "quiet": True}
    run = vog.score(world.build, checkpoints, digits, tmp_path / "a", features=False, **begun)
    (tmp_path / "a" / "part-000000000005-5.parquet").unlink()
    again = vog.score(world.build, checkpoints, digits, tmp_path / "a", **begun)
    assert again.features() is None
    assert again.table().equals(run.table())
    vog.score(world.build, checkpoints, digits, tmp_path / "b", **begun)
    with pytest.raises(VogError, match=r"features.seed: was 0"):
        vog.score(world.build, checkpoints, digits, tmp_path / "b", features=False, **begun)


def test_without_a_last_layer_there_are_none(
    checkpoints: Path, digits: Data, tmp_path: Path
) -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = world.build()

        def forward(self, x: Tensor) -> Tensor:
            return self.net(x) * 2

    run = vog.score(Scaled(), checkpoints, digits, tmp_path / "run", quiet=True)
    assert run.features() is None
    assert "features" not in run.question


@dataclass(frozen=True)
class MeanFeature:
    """A score of a user's own, of the features of every checkpoint."""

    name: str = "mean_feature"
    needs: frozenset[Signal | Outcome] = frozenset({Signal.FEATURES})
    higher_means: Any = "harder"
    range: tuple[float, float] = (-np.inf, np.inf)
    unit: str = ""
    source: str = "here"
    min_checkpoints: int = 1

    def init(self, observation: Observation) -> Tensor:
        return observation.signal(Signal.FEATURES).mean(dim=2).sum(dim=0)

    def merge(self, earlier: Tensor, later: Tensor) -> Tensor:
        return earlier + later

    def compute(self, state: Tensor) -> Tensor:
        return state


@pytest.mark.parametrize("features", [True, False])
def test_scores_may_read_them_too(
    features: bool, checkpoints: Path, digits: Data, tmp_path: Path
) -> None:
    run = vog.score(
        *(world.build, checkpoints, digits, tmp_path / "run"),
        scores=[MeanFeature(), SCORES["vog"]],
        features=features,
        quiet=True,
    )
    total = np.zeros(len(digits[0]))
    for path in checkpoints.iterdir():
        total += plain_features(path, digits[0]).mean(axis=1)
    np.testing.assert_allclose(run.table()["mean_feature@all"], total, rtol=1e-4, atol=1e-5)
    assert (run.features() is not None) == features


def test_rows_that_cannot_be_read_have_none(checkpoints: Path, tmp_path: Path) -> None:
    class Some(torch.utils.data.Dataset[Any]):
        inputs, labels = world.inputs_and_labels(9)

        def __len__(self) -> int:
            return 9

        def __getitem__(self, row: int) -> tuple[np.ndarray, int]:
            if row in (4, 6, 7, 8):
                raise OSError("gone")
            return self.inputs[row], int(self.labels[row])

    run = vog.score(world.build, checkpoints, Some(), tmp_path / "run", batch_size=3, quiet=True)
    stored = run.features()
    assert stored is not None
    assert np.isnan(stored).any(axis=1).tolist() == [row in (4, 6, 7, 8) for row in range(9)]
