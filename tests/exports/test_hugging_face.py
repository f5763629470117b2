"""The `datasets` of Hugging Face: scores as columns, and the exported Parquet file."""

from pathlib import Path

import datasets
import numpy as np
import pytest

from scored import Scored
from vog.errors import DataError
from vog.exports import add_columns, export


@pytest.fixture
def given(scored: Scored) -> datasets.Dataset:
    ids = scored.run.table(["id"])["id"].to_pylist()
    return datasets.Dataset.from_dict({"label": scored.labels, "id": ids})


def test_columns_by_row(given: datasets.Dataset, scored: Scored) -> None:
    found = add_columns(given, scored.run, ["vog@all:class", "forgetting@all", "aum@late"])
    assert found.column_names == ["label", "id", "vog@all:class", "forgetting@all", "aum@late"]
    assert found.features["aum@late"].dtype == "float32"
    for name in found.column_names[2:]:
        np.testing.assert_array_equal(found.with_format("numpy")[name], scored.run.values(name))
    assert given.column_names == ["label", "id"]
    hard = found.filter(lambda row: row["vog@all:class"] > 2)
    assert len(hard) == (scored.run.values("vog@all:class") > 2).sum() > 0


def test_columns_by_id_after_shuffling_and_filtering(
    given: datasets.Dataset, scored: Scored
) -> None:
    some = given.shuffle(seed=0).select(range(50))
    found = add_columns(some, scored.run, ["aum@all"], key="id")
    expected = scored.run.values("aum@all")[[int(one) for one in some["id"]]]
    np.testing.assert_array_equal(found.with_format("numpy")["aum@all"], expected)
    with pytest.raises(DataError, match="has 50 rows"):
        add_columns(some, scored.run)


def test_every_score_by_default(given: datasets.Dataset, scored: Scored) -> None:
    found = add_columns(given, scored.run)
    assert found.column_names[2:] == scored.run.score_columns
    with pytest.raises(DataError, match="already"):
        add_columns(found, scored.run)


@pytest.mark.parametrize(
    "make", [lambda d: datasets.DatasetDict({"train": d}), lambda d: d.to_iterable_dataset()]
)
def test_splits_and_streams_are_refused(
    make: object, given: datasets.Dataset, scored: Scored
) -> None:
    assert callable(make)
    with pytest.raises(DataError, match=r"found (DatasetDict|IterableDataset)\. Give one split"):
        add_columns(make(given), scored.run)


def test_parquet_is_read(scored: Scored, tmp_path: Path) -> None:
    export(scored.run, tmp_path / "scores.parquet")
    found = datasets.load_dataset(
        "parquet",
        data_files=str(tmp_path / "scores.parquet"),
        split="train",
        cache_dir=str(tmp_path / "cache"),
    )
    assert found.column_names == scored.run.columns
    assert found["id"][:] == scored.run.table(["id"])["id"].to_pylist()
    np.testing.assert_array_equal(
        found.with_format("numpy")["forgetting@all"], scored.run.values("forgetting@all")
    )
