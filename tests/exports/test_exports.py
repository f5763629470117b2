"""Exports for other tools: what stands in each file, from four rows and a verdict by hand.

Whether the tools themselves take the files is tested in `interop`, where they are installed.
"""

import csv
import json
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import vog
import world
from command_line import Cli, score
from four_rows import BY_HARDNESS, IDS, four_rows
from scored import Scored
from vog.analysis.label_errors.suspects import Verdict
from vog.errors import DataError, ResultError
from vog.exports import FORMATS, add_columns, export, sample_weight
from vog.exports.cleanlab import issues
from vog.exports.fiftyone import dataset
from vog.exports.judged_labels import JudgedLabels
from vog.exports.label_studio import interface, tasks
from vog.exports.labelled_rows import class_names, number_fields
from vog.result import Run

pytestmark = pytest.mark.usefixtures("judged")
NAN, INF = float("nan"), float("inf")


@pytest.fixture
def pictured(tmp_path: Path) -> Run:
    """The run of image files, of which only the first is there."""
    (tmp_path / "my data" / "a").mkdir(parents=True)
    (tmp_path / "my data" / IDS[0]).touch()
    return four_rows(
        tmp_path / "run", names=["cat", "dog"], where={"data": str(tmp_path / "my data")}
    )


def test_label_issues_by_hand(tmp_path: Path) -> None:
    """The score is one minus the probability."""
    run = four_rows(tmp_path / "run", names=["cat", "dog"])
    table = issues(run, JudgedLabels(run))
    assert table.to_pydict() == {
        "index": [0, 1, 2, 3],
        "id": IDS,
        "is_label_issue": [False, True, False, False],
        "label_score": [0.875, 0.25, 0.75, None],
        "given_label": [0, 1, 1, None],
        "predicted_label": [0, 0, 1, None],
        "given_label_name": ["cat", "dog", "dog", None],
        "predicted_label_name": ["cat", "cat", "dog", None],
    }


def test_label_issues_without_names_and_probabilities(
    tmp_path: Path, judged: list[Verdict]
) -> None:
    judged[0] = BY_HARDNESS
    run = four_rows(tmp_path / "run", predicted=False)
    table = issues(run, JudgedLabels(run), ["id", "aum@all:rank"])
    assert table["label_score"].to_pylist() == [1.0, 0.0, 0.5, None]
    assert table["predicted_label"].to_pylist() == [None] * 4
    assert table.column_names[-1] == "aum@all:rank"
    assert table["aum@all:rank"].to_pylist() == [1.0, 0.0, 0.5, None]
    assert "given_label_name" not in table.column_names
    assert table.column_names.count("id") == 1


def test_label_issues_as_csv(tmp_path: Path) -> None:
    export(four_rows(tmp_path / "run"), tmp_path / "issues.csv", "cleanlab", ["forgetting@all"])
    with (tmp_path / "issues.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["is_label_issue"] for row in rows] == ["false", "true", "false", "false"]
    assert [row["label_score"] for row in rows] == ["0.875", "0.25", "0.75", ""]
    assert [row["forgetting@all"] for row in rows] == ["0", "inf", "1", ""]


def test_a_dataset_of_fiftyone_by_hand(pictured: Run, tmp_path: Path) -> None:
    found = dataset(pictured, JudgedLabels(pictured), ["aum@all", "forgetting@all:rank"])
    number = "fiftyone.core.fields.FloatField"
    names = ("aum_all", "forgetting_all_rank", "label_quality")
    assert {name: found["sample_fields"][name] for name in names} == dict.fromkeys(names, number)
    assert found["default_classes"] == ["cat", "dog"]
    assert found["name"] == "run"
    assert found["samples"][1] == {
        "filepath": str(tmp_path / "my data" / IDS[1]),
        "tags": ["suspect"],
        "vog_id": IDS[1],
        "vog_index": 1,
        "ground_truth": {"_cls": "Classification", "tags": [], "label": "dog"},
        "prediction": {"_cls": "Classification", "tags": [], "label": "cat", "confidence": 0.5},
        "aum_all": -1.0,
        "forgetting_all_rank": 1.0,
        "label_quality": 0.25,
    }
    last = found["samples"][3]
    assert [last[name] for name in ("ground_truth", "prediction", *names)] == [None] * 5
    assert [sample["tags"] for sample in found["samples"]] == [[], ["suspect"], [], []]


def test_fiftyone_without_scores_that_judge_labels(tmp_path: Path, actual: None) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / IDS[2]).touch()
    values = [1.0, 2.0, 3.0, NAN]
    run = four_rows(tmp_path / "run", dict.fromkeys(("vog@all", "loss@all", "vog@late"), values))
    found = dataset(run, JudgedLabels(run), root=tmp_path)
    assert [sample["tags"] for sample in found["samples"]] == [[]] * 4
    assert "vog_all" in found["sample_fields"]
    assert {"label_quality", "vog_late"}.isdisjoint(found["sample_fields"])
    assert found["samples"][1]["ground_truth"]["label"] == "1"


def test_images_beside_stored_gradients(tmp_path: Path) -> None:
    """Those of the last step win, and the ids are no paths."""
    for name in ("weight_10/img_00000.jpg", "weight_20/img_00000.png", "weight_10/img_00002.jpg"):
        (tmp_path / "g" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "g" / name).touch()
    run = four_rows(tmp_path / "run", where={"gradients": str(tmp_path / "g")})
    paths = [Path(sample["filepath"]) for sample in dataset(run, JudgedLabels(run))["samples"]]
    assert paths[0] == tmp_path / "g" / "weight_20" / "img_00000.png"
    assert paths[2] == tmp_path / "g" / "weight_10" / "img_00002.jpg"


def test_a_list_file_says_where_the_images_are(pictured: Run, tmp_path: Path) -> None:
    listed = four_rows(tmp_path / "other", where={"data": str(tmp_path / "my data" / "list.txt")})
    assert dataset(listed, JudgedLabels(listed))["samples"][0]["filepath"] == str(
        tmp_path / "my data" / IDS[0]
    )
    rooted = four_rows(
        tmp_path / "third", where={"data": "list.txt", "root": str(tmp_path / "my data")}
    )
    assert dataset(rooted, JudgedLabels(rooted))["samples"][0]["filepath"] == str(
        tmp_path / "my data" / IDS[0]
    )


def test_paths_are_absolute_wherever_it_was_started(
    pictured: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (first, *_) = dataset(pictured, JudgedLabels(pictured), root="my data")["samples"]
    assert first["filepath"] == str(tmp_path / "my data" / IDS[0])


def test_tasks_of_label_studio_by_hand(pictured: Run) -> None:
    """The worst label first, and that without one last; nothing is infinite, and no score null."""
    found = tasks(pictured, JudgedLabels(pictured))
    assert [task["data"]["index"] for task in found] == [1, 2, 0, 3]
    assert found[0] == {
        "data": {
            "image": "/data/local-files/?d=my%20data/a/1%20b%2Bc.png",
            "id": IDS[1],
            "index": 1,
            "given_label": "dog",
            "aum_all": -1.0,
            "forgetting_all": None,
            "label_quality": 0.25,
        },
        "predictions": [
            {
                "model_version": "checkpoint 20",
                "score": 0.5,
                "result": [
                    {
                        "from_name": "label",
                        "to_name": "example",
                        "type": "choices",
                        "value": {"choices": ["cat"]},
                    }
                ],
            }
        ],
    }
    assert found[3]["predictions"] == []
    assert found[3]["data"]["given_label"] == ""


def test_fewer_tasks_from_another_server(pictured: Run) -> None:
    (only,) = tasks(
        pictured, JudgedLabels(pictured), ["aum@all"], url_prefix="https://x/y?f=", count=1
    )
    assert only["data"]["image"] == "https://x/y?f=a/1%20b%2Bc.png"


def test_tasks_without_a_verdict_are_the_hardest_first(
    pictured: Run, tmp_path: Path, actual: None
) -> None:
    root = tmp_path / "my data"
    run = four_rows(tmp_path / "v", {"vog@all": [2, 1, 3, NAN]}, where={"root": str(root)})
    found = tasks(run, JudgedLabels(run), ["vog@all"])
    assert [task["data"]["index"] for task in found] == [2, 0, 1, 3]
    assert "label_quality" not in found[0]["data"]


def test_tasks_of_texts(tmp_path: Path) -> None:
    texts = ["one", "<two> & three", "four", ""]
    np.savez(tmp_path / "t.npz", inputs=np.zeros((4, 2)), texts=texts)
    run = four_rows(
        tmp_path / "run", names=['a "b"', "c & d"], where={"data": str(tmp_path / "t.npz")}
    )
    export(run, tmp_path / "tasks.json", "label-studio")
    found = json.loads((tmp_path / "tasks.json").read_text())
    assert [task["data"]["text"] for task in found] == [texts[row] for row in (1, 2, 0, 3)]
    view = ElementTree.parse(tmp_path / "tasks.xml").getroot()
    text = view.find("Text")
    assert text is not None
    assert text.get("value") == "$text"
    assert [one.get("value") for one in view.iter("Choice")] == ['a "b"', "c & d"]
    assert tasks(run, JudgedLabels(run), data=list(reversed(texts)))[0]["data"]["text"] == "four"


def test_the_interface_shows_image_and_label(pictured: Run) -> None:
    view = ElementTree.fromstring(interface(pictured, "image"))
    assert [(one.tag, one.get("value")) for one in view] == [
        ("Image", "$image"),
        ("Header", "Given label"),
        ("Header", "$given_label"),
        ("Choices", None),
    ]


def test_classes_of_one_name_are_told_apart(tmp_path: Path) -> None:
    run = four_rows(tmp_path / "run", names=["crane", "crane", "maillot"])
    assert class_names(run) == {0: "crane (0)", 1: "crane (1)", 2: "maillot"}
    assert class_names(four_rows(tmp_path / "short", names=["cat"])) == {0: "cat", 1: "1"}
    assert class_names(four_rows(tmp_path / "none")) == {0: "0", 1: "1"}


class Columns:
    """As much of a `datasets.Dataset` as is used of it."""

    def __init__(self, **columns: Any) -> None:
        self.columns = columns
        self.column_names = list(columns)
        self.num_rows = len(next(iter(columns.values())))

    def __getitem__(self, name: str) -> Any:
        return self.columns[name]

    def add_column(self, name: str, column: pa.Array) -> "Columns":
        return Columns(**self.columns, **{name: column.to_pylist()})


def test_columns_are_added_by_row_or_by_id(tmp_path: Path) -> None:
    run = four_rows(tmp_path / "run")
    found = add_columns(Columns(x=[1, 2, 3, 4]), run)
    assert found.column_names == ["x", "aum@all", "forgetting@all"]
    assert found["aum@all"] == [3, -1, 2, None]
    assert found["forgetting@all"] == [0, INF, 1, None]
    some = Columns(name=[IDS[2], IDS[0], IDS[2]])
    assert add_columns(some, run, ["aum@all:rank"], key="name")["aum@all:rank"] == [0.5, 1, 0.5]
    assert some.column_names == ["name"]


@pytest.mark.parametrize(
    ("given", "key", "columns", "message"),
    [
        (Columns(x=[1, 2, 3]), None, None, "has 3 rows and .*run 4. .* or pass key="),
        (Columns(x=IDS), "name", None, "no column 'name' with ids. It has x"),
        (Columns(x=["z", *IDS, "y"]), "x", None, "2 ids in column 'x' .*: z, y. .* 'a/0.png'"),
        (Columns(**{"aum@all": [0] * 4}), None, None, "the columns aum@all already"),
        ([1, 2, 3, 4], None, None, "expected a datasets.Dataset, found list"),
        (Columns(x=[1] * 4), None, ["aum@lat"], "no column 'aum@lat'"),
    ],
)
def test_a_dataset_that_does_not_fit(
    tmp_path: Path, given: Any, key: str | None, columns: list[str] | None, message: str
) -> None:
    with pytest.raises((DataError, ResultError), match=message):
        add_columns(given, four_rows(tmp_path / "run"), columns, key)


def test_rows_that_are_missing(tmp_path: Path) -> None:
    run = four_rows(tmp_path / "run")
    run.question["data"]["examples"] = 6
    with pytest.raises(ResultError, match=r"run lacks 2 rows, so the weights would not be in"):
        sample_weight(run)
    with pytest.raises(ResultError, match=r"run lacks 2 rows\. .* or pass key="):
        add_columns(Columns(x=[1] * 4), run)
    assert add_columns(Columns(x=IDS), run, key="x").num_rows == 4


@pytest.mark.parametrize(
    ("out", "format", "columns", "how", "message"),
    [
        ("x.xls", None, None, {}, r"End it in \.csv, \.parquet, \.jsonl, \.npy, or pass format"),
        ("x.xls", None, None, {}, "csv, parquet, jsonl, cleanlab, fiftyone, label-studio, weights"),
        ("x.csv", "cleanlap", None, {}, "no format 'cleanlap'. Did you mean 'cleanlab'"),
        ("x.xls", "cleanlab", None, {}, r"cleanlab files end in \.csv, not x\.xls"),
        ("x.csv", None, None, {"root": "."}, "csv takes no root; it takes safe_csv"),
        ("x.jsonl", None, None, {"safe_csv": True}, "no safe_csv; it takes no option of its own"),
        ("x.npy", None, None, {"url_prefix": ""}, "weights takes no url_prefix; .* planted"),
        ("x.npy", None, ["aum@all", "id"], {}, "columns names 2: aum@all, id"),
        ("x.npy", None, ["id"], {}, "'id' is no score"),
        ("x.json", "fiftyone", ["id"], {}, "'id' is no score"),
        ("x.csv", "cleanlab", ["aum@al"], {}, "no column 'aum@al'"),
        (
            "x.json",
            "fiftyone",
            None,
            {"root": "/nowhere"},
            "holds none of the 4 images .*, such as a/0",
        ),
    ],
)
def test_what_cannot_be_exported(
    pictured: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    out: str,
    format: str | None,
    columns: list[str] | None,
    how: dict[str, Any],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ResultError, match=message):
        export(pictured, out, format, columns, **how)
    assert not Path(out).exists()


def test_fields_of_one_name(tmp_path: Path) -> None:
    run = four_rows(tmp_path / "run", {"vog@a.b": [1, 2, 3, 4], "vog@a_b": [1, 2, 3, 4]})
    with pytest.raises(ResultError, match=r"vog@a.b would be called vog_a_b, and so would another"):
        number_fields(run, ["vog@a.b", "vog@a_b"], None)


@pytest.mark.parametrize("data", ["arrays.npz", "mine.py:data", ""])
@pytest.mark.parametrize("format", ["fiftyone", "label-studio"])
def test_tools_that_show_images_need_files(tmp_path: Path, format: str, data: str) -> None:
    where = {"data": str(tmp_path / data)} if data else {}
    np.savez(tmp_path / "arrays.npz", inputs=np.zeros((4, 3, 2, 2)), labels=np.zeros(4))
    run = four_rows(tmp_path / "run", where=where)
    with pytest.raises(ResultError, match=r"image files.* give their folder as root"):
        export(run, tmp_path / "x.json", format)
    assert not (tmp_path / "x.json").exists()
    assert not (tmp_path / "x.xml").exists()


def test_infinity_is_valid_json(pictured: Run, tmp_path: Path) -> None:
    for format in ("fiftyone", "label-studio"):
        export(pictured, tmp_path / "x.json", format)
        json.loads((tmp_path / "x.json").read_text(), parse_constant=pytest.fail)


@pytest.mark.parametrize("format", ["csv", "parquet", "jsonl"])
def test_the_rows_as_they_are(tmp_path: Path, format: str) -> None:
    """Through `Run.export`, told by the ending or by name."""
    run = four_rows(tmp_path / "run")
    assert format in FORMATS
    export(run, tmp_path / f"x.{format.upper()}", None, ["id", "aum@all"])
    export(run, tmp_path / "x.y", format, ["id", "aum@all"])
    assert (tmp_path / "x.y").read_bytes() == (tmp_path / f"x.{format.upper()}").read_bytes()
    if format == "parquet":
        assert (
            pq.read_table(tmp_path / "x.y").to_pydict() == run.table(["id", "aum@all"]).to_pydict()
        )


def test_the_command(cli: Cli, actual: None) -> None:
    def exported(words: str) -> tuple[int, str, str]:
        return cli("export", "run", "--out", *words.split())

    assert score(cli, scores="aum,vog")[0] == 0
    assert exported("w.npy --columns vog@all")[:2] == (0, "w.npy: 20 rows\n")
    assert np.load("w.npy").mean() == pytest.approx(1)
    labels = world.inputs_and_labels(20)[1]
    np.savez("data.npz", inputs=np.zeros((20, 2)), texts=[f"t{i}" for i in range(20)])
    code, out, err = exported("t.json --format label-studio --count 3")
    assert (code, out) == (0, "t.json: 3 rows\nt.xml: the labelling interface\n")
    assert "No verdict on the labels: run has no score confidence, by which labels" in err
    for task in json.loads(Path("t.json").read_text()):
        assert task["data"]["given_label"] == str(labels[task["data"]["index"]])
    code, _, err = exported("t.json --format label-studio --planted nope")
    assert code == 1
    assert "--planted nope holds no planted.json" in err
    code, _, err = exported("t.csv --count 3")
    assert code == 1
    assert "the format csv takes no --count" in err


@pytest.mark.parametrize(
    "name", ["question.json", "digests.json", ".lock", "part-00000.parquet", "review.sqlite"]
)
def test_neither_the_run_nor_its_data_are_replaced(
    scored: Scored, tmp_path: Path, name: str
) -> None:
    run, data = tmp_path / "run", tmp_path / "digits.npz"
    shutil.copytree(scored.run.folder, run)
    (run / "review.sqlite").touch()
    question = json.loads((run / "question.json").read_text())
    question["where"]["data"] = str(data)
    (run / "question.json").write_text(json.dumps(question))
    opened = vog.open(run)
    own = opened.part_files[0].name if name[:4] == "part" else name
    with pytest.raises(ResultError, match=f"{own} is a part of the run"):
        export(opened, run / own, "csv")
    with pytest.raises(ResultError, match=r"digits.npz is the data that .*run was made of"):
        export(opened, data, "csv")
    export(scored.run, tmp_path / "w.NPY", columns=["aum@all"])
    assert len(np.load(tmp_path / "w.NPY")) == scored.run.rows
    assert not list(tmp_path.glob(".*"))
