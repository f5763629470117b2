"""A run folder as large as that of ImageNet, made of plausible numbers and not of a model's."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from vog import scores
from vog.checkpoints import Stage
from vog.result import Run, open_run, parts
from vog.result.rows import Meaning, RowBlock, to_table
from vog.sweep.block import meanings

STAGES = ("early", "middle", "late", "all")
PART = 2**15


def write(folder: Path, rows: int = 1_300_000, classes: int = 1000, seed: int = 0) -> Run:
    """A run with the default scores at four stages, ids as ImageNet's, rows in random order.

    One latent difficulty an example moves all its scores, so that what is hard by one is hard
    by the others; wrong predictions are those of hard examples.
    """
    rng = np.random.default_rng(seed)
    chosen = scores.choose_scores(scores.DEFAULT)
    means = meanings(chosen, [Stage(name, 0, 3) for name in STAGES])
    names = [f"class {number}, of {classes}" for number in range(classes)]
    question = {
        "vog": "0.1.0",
        "torch": "none",
        "model": {},
        "checkpoints": [{"step": 100 * step, "sha256": ""} for step in range(1, 10)],
        "stages": {"early": [0, 3], "middle": [3, 6], "late": [6, 9], "all": [0, 9]},
        "data": {"examples": rows, "digest": "", "transform": "none", "label_names": names},
        "scores": [{"name": score.name} for score in chosen],
        "target": "logit",
        "precision": "float32",
        "device": "cpu",
        "where": {},
    }
    with parts.writing_session(folder, question):
        for start in range(0, rows, PART):
            span = range(start, min(start + PART, rows))
            parts.write_part(folder, [_part(span, classes, means, names, rng)], 1.0)
    return open_run(folder)


def _part(
    span: range,
    classes: int,
    means: Mapping[str, Meaning],
    names: Sequence[str],
    rng: np.random.Generator,
) -> pa.Table:
    count = len(span)
    labels = rng.integers(0, classes, count)
    hard = rng.normal(size=count) + labels / classes
    wrong = hard + rng.normal(size=count) > 2.3
    predicted = np.where(wrong, rng.integers(0, classes, count), labels)
    ids = [
        f"train/n{1440000 + 17 * label:08d}/n{label:08d}_{row}.JPEG"
        for row, label in zip(span, labels.tolist(), strict=True)
    ]
    rows = RowBlock(
        span,
        ids,
        labels,
        np.arange(count),
        dict.fromkeys(STAGES, predicted),
        {stage: rng.random(count, np.float32) for stage in STAGES},
        {name: _values(meaning.score, hard, rng) for name, meaning in means.items()},
        {},
    )
    return to_table(rows, means, names)


def _values(score: str, hard: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A score of about its own range that grows or falls with difficulty, and noise."""
    raw = hard + rng.normal(size=len(hard))
    share = 1 / (1 + np.exp(raw))
    by_score = {
        "confidence": share,
        "correctness": (share * 9).round() / 9,
        "variability": np.sqrt(share * (1 - share)) * rng.random(len(hard)),
        "aleatoric": share * (1 - share),
        "forgetting": np.floor(np.exp(raw / 2)),
        "first_learned": np.floor(np.exp(raw / 2)),
        "aum": -raw,
    }
    return by_score.get(score, np.exp(raw / 3)).astype(np.float32)
