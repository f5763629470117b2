"""Flips as people make them: of one class, of what is ambiguous, of what looks alike."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import vog
from command_line import Cli
from runs import write_run
from vog.data import open_source
from vog.errors import DataError, ResultError
from vog.planting.ambiguous import boundary_flip_rule
from vog.planting.clusters import cluster_flip_rule
from vog.planting.flips import CLASS, CLUSTER, FlipRule
from vog.result.planting_record import BOUNDARY

RNG = np.random.default_rng


def test_a_part_of_one_class_is_called_another() -> None:
    labels = np.repeat([0, 1, 2], 100)
    found = FlipRule(CLASS).draw(labels, 40, RNG(0))
    assert len(dict(found)) == 40
    went = Counter((int(labels[row]), to) for row, to in found)
    assert len(went) == 1
    ((label, to),) = went
    assert label != to
    more = Counter((int(labels[row]), to) for row, to in FlipRule(CLASS).draw(labels, 70, RNG(0)))
    assert sorted(more.values()) == [20, 50], "of each class at most half, so of a second too"
    with pytest.raises(DataError, match="151 examples, but at most half of each class.*: 150"):
        FlipRule(CLASS).draw(labels, 151, RNG(0))


def test_what_is_ambiguous_becomes_the_runner_up() -> None:
    labels = np.zeros(100, np.int64)
    labels[50:] = 1
    gap, runner_up = np.linspace(-1, 1, 100), np.where(labels == 0, 2, 0)
    flips = FlipRule(BOUNDARY, runner_up=runner_up, gap=gap)
    found = flips.draw(labels, 10, RNG(0))
    assert {row for row, _ in found} <= set(range(40, 60)), "half of the twenty nearest to 0"
    assert all(to == runner_up[row] for row, to in found)
    few = FlipRule(BOUNDARY, runner_up=np.where(np.arange(100) < 5, 2, -1), gap=gap)
    with pytest.raises(DataError, match="gives a runner-up for only 5.*keep_probabilities=True"):
        few.draw(labels, 10, RNG(0))


def test_groups_get_one_label_each() -> None:
    labels = np.array([0] * 10 + [1] * 10 + [2] * 10)
    groups = np.array([0] * 9 + [7] * 10 + [3] * 11)
    found = FlipRule(CLUSTER, cluster=groups).draw(labels, 15, RNG(1))
    assert len(found) == 15
    by_group: dict[int, set[int]] = {}
    for row, to in found:
        by_group.setdefault(int(groups[row]), set()).add(to)
        assert to != labels[row]
    assert all(len(to) == 1 for to in by_group.values())
    unread = FlipRule(CLUSTER, cluster=np.where(groups == 7, -1, groups))
    with pytest.raises(DataError, match="only 19 have the most frequent label of their group"):
        unread.draw(labels, 25, RNG(1))


def test_groups_look_alike(tmp_path: Path) -> None:
    """Three heaps of rows far apart; a group is never of two heaps."""
    rng = RNG(0)
    heap = np.arange(180) % 3
    inputs = (heap[:, None] * 50 + rng.normal(size=(180, 90))).astype(np.float32)
    np.savez(tmp_path / "d.npz", inputs=inputs, labels=heap)
    examples = open_source(tmp_path / "d.npz")
    found = cluster_flip_rule(examples, 0, quiet=True).cluster
    assert found is not None
    assert all(len(set(heap[found == one])) == 1 for one in set(found.tolist()))
    np.testing.assert_array_equal(found, cluster_flip_rule(examples, 0, quiet=True).cluster)


def test_groups_of_photographs(tmp_path: Path) -> None:
    for at in range(8):
        (tmp_path / "p" / "ab"[at % 2]).mkdir(parents=True, exist_ok=True)
        colour = (250, 10, 10) if at < 4 else (10, 10, 250)
        Image.new("RGB", (20 + at, 30), colour).save(tmp_path / "p" / "ab"[at % 2] / f"{at}.png")
    (tmp_path / "p/a/broken.png").write_bytes(b"no image")
    examples = open_source(tmp_path / "p")
    found = cluster_flip_rule(examples, 0, quiet=True).cluster
    assert found is not None
    known = {str(examples.ids[row]): int(found[row]) for row in range(len(examples))}
    assert known["a/broken.png"] == -1
    red = {known[f"{'ab'[at % 2]}/{at}.png"] for at in range(4)}
    assert (len(red), known["a/4.png"] in red) == (1, False)


def test_shapes_that_cannot_be_compared(tmp_path: Path) -> None:
    code = tmp_path / "d.py"
    code.write_text(
        "import torch\ndef rows():\n  return [(torch.zeros(n + 2), n % 2) for n in range(9)]"
    )
    examples = open_source(f"{code}:rows")
    with pytest.raises(DataError, match="compares examples of one shape: '1' has 3 numbers"):
        cluster_flip_rule(examples, 0, quiet=True)


def data(folder: Path) -> Path:
    rng = RNG(0)
    np.savez(
        folder / "d.npz",
        inputs=rng.normal(size=(60, 4)).astype(np.float32),
        labels=np.arange(60) % 3,
        ids=np.array([f"e{row}" for row in range(60)]),
    )
    return folder / "d.npz"


def test_an_earlier_run_says_what_is_ambiguous(tmp_path: Path) -> None:
    """Without probabilities: the class that contradicts, and the margin."""
    labels = (np.arange(60) % 3).tolist()
    said = [(label + 1) % 3 if row < 30 else label for row, label in enumerate(labels)]
    margins = [float(row) for row in range(60)]
    run = write_run(tmp_path / "run", {"aum@all": margins}, labels, said, "easier")
    source = data(tmp_path)
    examples = open_source(source)
    flips = boundary_flip_rule(run, examples, np.array(labels))
    assert flips.runner_up is not None
    assert flips.runner_up.tolist() == [*said[:30], *[-1] * 30]
    planted = vog.plant(source, tmp_path / "p", flip=0.1, flip_kind="boundary", run=run)
    assert {one.method for one in planted.plants} == {"boundary"}
    assert (planted.question["flip_kind"], planted.methods("flip")) == ("boundary", ("boundary",))
    rows = [int(one.id[1:]) for one in planted.plants]
    assert len(rows) == 6
    assert max(rows) < 12, "of the twelve with the smallest margin"
    assert all(one.label == said[row] for one, row in zip(planted.plants, rows, strict=True))
    with pytest.raises(ResultError, match="planted with different .*flip_kind"):
        vog.plant(source, tmp_path / "p", flip=0.1)
    other = write_run(tmp_path / "other", {"aum@all": margins}, [0] * 60, said, "easier")
    with pytest.raises(DataError, match="has different labels for 40 examples: e1, e2"):
        boundary_flip_rule(other, examples, np.array(labels))
    short = write_run(
        tmp_path / "short", {"aum@all": margins[:50]}, labels[:50], said[:50], "easier"
    )
    with pytest.raises(DataError, match="lacks 10 of 60 examples: e50, e51"):
        boundary_flip_rule(short, examples, np.array(labels))
    bare = write_run(tmp_path / "bare", {"vog@all": margins}, labels, said)
    with pytest.raises(DataError, match="has neither aum, confidence nor probabilities"):
        boundary_flip_rule(bare, examples, np.array(labels))


def test_what_does_not_go_together(tmp_path: Path, cli: Cli) -> None:
    source = str(data(tmp_path))
    for words, said in (
        (("--flip-kind", "class"), "--flip-kind needs a share of labels for --flip"),
        (
            ("--flip", "5%", "--flip-kind", "klass"),
            "there is no 'klass'. Did you mean 'class'? Known: uniform",
        ),
        (("--flip", "5%", "--flip-kind", "boundary"), "finds ambiguous: give --run, a folder"),
        (
            ("--flip", "5%", "--run", "r"),
            "--run needs --flip-kind boundary, not uniform",
        ),
        (
            ("--flip", "5%", "--flip-kind", "class", "--confusion", "c.npy"),
            "--confusion needs --flip-kind uniform, not class",
        ),
    ):
        code, _, err = cli("plant", "--data", source, "--out", "p", *words, "--duplicate", "5%")
        assert (code, said in err) == (1, True), err
        assert not (tmp_path / "p").exists()
    code, out, _ = cli(
        "plant", "--data", source, "--out", "p", "--flip", "10%", "--flip-kind", "class"
    )
    assert (code, "class" in out) == (0, True)
