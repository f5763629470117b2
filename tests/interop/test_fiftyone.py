"""FiftyOne reads a run as a dataset: images, labels, predictions, scores and tags."""

from pathlib import Path

import database
import pytest

DATABASE = database.use()
import fiftyone as fo  # noqa: E402 (after its database is chosen)

from vog.exports import export  # noqa: E402
from vog.exports.judged_labels import JudgedLabels  # noqa: E402
from vog.exports.labelled_rows import label_quality  # noqa: E402
from vog.result import Run  # noqa: E402


@pytest.fixture(scope="module")
def dataset(pictures: Run, tmp_path_factory: pytest.TempPathFactory) -> fo.Dataset:
    path = tmp_path_factory.mktemp("export") / "samples.json"
    export(pictures, path, "fiftyone", ["vog@late", "aum@all", "forgetting@all:rank"])
    return fo.Dataset.from_json(str(path), progress=False)


def test_every_image_is_a_sample(dataset: fo.Dataset, pictures: Run) -> None:
    assert dataset.media_type == "image"
    assert len(dataset) == pictures.rows == 200
    assert dataset.values("vog_id") == pictures.table(["id"])["id"].to_pylist()
    assert dataset.values("vog_index") == list(range(200))
    paths = [Path(one) for one in dataset.values("filepath")]
    assert all(path.is_absolute() and path.is_file() for path in paths)
    dataset.compute_metadata(num_workers=1, progress=False)
    assert set(dataset.values("metadata.width")) == {8}


def test_labels_and_predictions(dataset: fo.Dataset, pictures: Run) -> None:
    names = pictures.table(["label_name"])["label_name"].to_pylist()
    assert dataset.values("ground_truth.label") == names
    assert dataset.default_classes == [f"digit {number}" for number in range(10)]
    wrong = [
        sample.vog_index
        for sample in dataset
        if sample.prediction.label != sample.ground_truth.label
    ]
    table = pictures.table(["label", "prediction@all"]).to_pylist()
    assert wrong == [row for row, one in enumerate(table) if one["label"] != one["prediction@all"]]
    given = pictures.values("prediction_probability@all").tolist()
    assert dataset.values("prediction.confidence") == pytest.approx(given)


def test_scores_can_be_sorted_and_filtered_by(dataset: fo.Dataset, pictures: Run) -> None:
    assert isinstance(dataset.get_field("vog_late"), fo.FloatField)
    hardest = dataset.sort_by("vog_late", reverse=True).limit(5).values("vog_id")
    assert hardest == pictures.top(5, by="vog@late")["id"].to_pylist()
    low = dataset.match(fo.ViewField("aum_all") < 0)
    assert len(low) == int((pictures.values("aum@all") < 0).sum()) > 0
    ranks = pictures.values("forgetting@all:rank")
    assert dataset.bounds("forgetting_all_rank") == (ranks.min(), ranks.max())


def test_suspects_are_tagged(dataset: fo.Dataset, pictures: Run) -> None:
    judged = JudgedLabels(pictures).verdict
    assert judged is not None
    tagged = dataset.match_tags("suspect").values("vog_index")
    assert tagged == judged.suspect.nonzero()[0].tolist()
    assert dataset.values("label_quality") == pytest.approx(label_quality(judged).tolist())


def test_it_can_be_evaluated(dataset: fo.Dataset, pictures: Run) -> None:
    found = dataset.evaluate_classifications("prediction", gt_field="ground_truth")
    table = pictures.table(["label", "prediction@all"]).to_pylist()
    right = [one["label"] == one["prediction@all"] for one in table]
    assert found.metrics()["accuracy"] == pytest.approx(sum(right) / 200)
