"""cleanlab takes the table of label issues as one of its own."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from cleanlab import Datalab
from cleanlab.classification import CleanLearning
from sklearn.model_selection import cross_val_predict
from sklearn.naive_bayes import GaussianNB

from scored import Scored
from vog.exports import export

# cleanlab swallows what goes wrong inside it, and its own warnings would be that.
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module")
def table(scored: Scored, tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("export") / "issues.csv"
    export(scored.run, path, "cleanlab")
    return pd.read_csv(path, index_col="index")


@pytest.fixture(scope="module")
def theirs(scored: Scored) -> Any:
    """What cleanlab itself finds, from a model that saw no checkpoints."""
    model = GaussianNB(var_smoothing=0.1)
    seen = cross_val_predict(model, scored.inputs, scored.labels, cv=3, method="predict_proba")
    lab = Datalab({"label": scored.labels}, label_name="label", verbosity=0)
    lab.find_issues(pred_probs=np.asarray(seen), issue_types={"label": {}})
    return lab.get_issues("label")


def test_it_is_the_table_of_datalab(table: Any, theirs: Any) -> None:
    assert set(theirs.columns) <= set(table.columns)
    kinds = {name: theirs[name].dtype.kind for name in theirs.columns}
    assert {name: table[name].dtype.kind for name in theirs.columns} == kinds
    assert table.index.equals(pd.RangeIndex(len(theirs), name="index"))
    assert table["given_label"].equals(theirs["given_label"])
    assert table["label_score"].between(0, 1).all()


def test_low_scores_are_bad_as_theirs_are(table: Any, theirs: Any) -> None:
    assert table["label_score"].corr(theirs["label_score"], method="spearman") > 0.3
    both = table[table.is_label_issue & theirs.is_label_issue]
    assert len(both) > len(table[table.is_label_issue]) / 2


def test_issues_are_the_mislabelled_ones(table: Any, scored: Scored) -> None:
    wrong = scored.labels != scored.shown
    found = table["is_label_issue"].to_numpy()
    assert (found & wrong).sum() > max(found.sum(), wrong.sum()) / 2
    assert table["label_score"][wrong].median() < table["label_score"][~wrong].median()
    assert (table["given_label_name"] == "digit " + table["given_label"].astype(str)).all()


def test_clean_learning_fits_without_them(table: Any, scored: Scored) -> None:
    learning: Any = CleanLearning(GaussianNB(var_smoothing=0.1))
    learning.fit(scored.inputs, scored.labels, label_issues=table)
    pd.testing.assert_frame_equal(
        learning.get_label_issues()[list(table.columns)], table, check_like=True
    )
    kept = ~table["is_label_issue"].to_numpy()
    plain = GaussianNB(var_smoothing=0.1).fit(scored.inputs[kept], scored.labels[kept])
    assert (learning.predict(scored.inputs) == plain.predict(scored.inputs)).all()


def test_the_rows_of_another_order_are_refused(table: Any, scored: Scored) -> None:
    with pytest.raises(ValueError, match="labels must match"):
        CleanLearning(GaussianNB()).fit(scored.inputs, scored.labels, label_issues=table[::-1])


def test_more_columns_go_along(scored: Scored, tmp_path: Path) -> None:
    export(scored.run, tmp_path / "issues.csv", "cleanlab", ["vog@all:class"])
    found = pd.read_csv(tmp_path / "issues.csv")["vog@all:class"]
    np.testing.assert_allclose(found, scored.run.values("vog@all:class"))
