"""Gradients stored in the authors' layout: golden values, and layouts that are refused."""

from pathlib import Path

import numpy as np
import pytest

from stored_gradients import store
from vog.errors import VogError
from vog.gradients.score_stored import import_stored
from vog.result.parts import list_parts


def test_the_published_scores_are_reproduced(reference: Path, tmp_path: Path) -> None:
    run = import_stored(reference / "train_results", tmp_path / "run")
    published = np.load(reference / "vog_late.npy")
    np.testing.assert_allclose(run.table()["vog@all"].to_numpy(), published, rtol=1e-6)
    folder = reference / "train_results" / "weight_32000"
    np.testing.assert_array_equal(run.table()["label"], np.load(folder / "ground_truth.npy"))
    np.testing.assert_array_equal(run.table()["prediction@all"], np.load(folder / "pred_label.npy"))
    assert [c["step"] for c in run.question["checkpoints"]] == [30024, 31275, 32000]


def test_against_numpy_with_stages(tmp_path: Path) -> None:
    gradients = store(tmp_path / "g", (1, 2, 10, 20, 30, 100))
    run = import_stored(tmp_path / "g", tmp_path / "run")
    table = run.table()
    for stage, at in (("early", slice(0, 2)), ("late", slice(4, 6)), ("all", slice(0, 6))):
        expected = gradients[at].astype(np.float64).std(axis=0).mean(axis=(1, 2))
        np.testing.assert_allclose(table[f"vog@{stage}"], expected, rtol=1e-5)
        expected = np.abs(gradients[at].astype(np.float64)).mean(axis=(0, 2, 3))
        np.testing.assert_allclose(table[f"grad_norm@{stage}"], expected, rtol=1e-5)
    assert set(table["prediction@early"].to_pylist()) == {2}
    assert set(table["prediction@all"].to_pylist()) == {100}


def test_a_second_import_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store(tmp_path / "g")
    monkeypatch.setattr("vog.gradients.score_stored._ROWS_PER_PART", 64)
    whole = import_stored(tmp_path / "g", tmp_path / "run").table()
    first, second = list_parts(tmp_path / "run")
    second.path.unlink()
    stamp = first.path.stat().st_mtime_ns
    assert import_stored(tmp_path / "g", tmp_path / "run").table().equals(whole)
    assert first.path.stat().st_mtime_ns == stamp


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_gradient_that_is_not_finite_marks_its_row(tmp_path: Path, value: float) -> None:
    store(tmp_path / "g")
    path = tmp_path / "g" / "weight_2" / "grad_00005.npy"
    spoiled = np.load(path)
    spoiled[0, 0] = value
    np.save(path, spoiled)
    run = import_stored(tmp_path / "g", tmp_path / "run")
    assert run.problems().to_pylist() == [{"id": "5", "problem": "not finite: stored gradient"}]
    assert run.table()["vog@all"].null_count == 1
    assert run.table()["grad_norm@all"].null_count == 1


def test_a_square_that_overflows_is_null_as_after_scoring(tmp_path: Path) -> None:
    """Infinity would be the hardest example of all; a finite mean is a number."""
    store(tmp_path / "g")
    for step, value in ((1, 1e25), (2, -1e25), (10, 1e25)):
        np.save(tmp_path / "g" / f"weight_{step}" / "grad_00005.npy", np.full((4, 5), value, "f4"))
    run = import_stored(tmp_path / "g", tmp_path / "run")
    assert run.problems().to_pylist() == [{"id": "5", "problem": "not finite: stored gradient"}]
    table = run.table()
    assert table["vog@all"].null_count == 1
    assert np.isfinite(table.column("vog@all").drop_null().to_numpy()).all()
    assert table["grad_norm@all"][5].as_py() == pytest.approx(1e25)


def remove(path: Path) -> None:
    path.unlink()


def replace(path: Path, content: object) -> None:
    np.save(path, np.array(content), allow_pickle=True)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda g: remove(g / "weight_2/grad_00003.npy"), "lacks grad_00003.npy"),
        (lambda g: remove(g / "weight_2/ground_truth.npy"), "ground_truth.npy is missing"),
        (
            lambda g: replace(g / "weight_2/ground_truth.npy", [1] * 70),
            "ground_truth.npy differs from",
        ),
        (
            lambda g: replace(g / "weight_2/pred_label.npy", [1]),
            r"labels of shape \(70,\), predictions of \(1,\)",
        ),
        (
            lambda g: replace(g / "weight_2/grad_00003.npy", [1.0]),
            r"gradient of shape \(1,\), the first has \(4, 5\)",
        ),
        (lambda g: replace(g / "weight_2/grad_00003.npy", {}), "damaged or no .npy file"),
    ],
)
def test_layouts_that_are_refused(tmp_path: Path, spoil: object, message: str) -> None:
    store(tmp_path / "g")
    spoil(tmp_path / "g")  # type: ignore[operator]
    with pytest.raises(VogError, match=message):
        import_stored(tmp_path / "g", tmp_path / "run")


def test_a_folder_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(VogError, match="holds no weight_STEP folders. Expected the layout"):
        import_stored(tmp_path, tmp_path / "run")
