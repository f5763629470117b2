"""A model of label noise, fitted to the class probabilities of held-out rows.

A model that was not trained on a label may contradict it because the label is wrong, or because the
model is wrong. The labels show how often a confident model is wrong, so two things are fitted to
them: one scale of the logits, and the noise, how often a label differs from the true class.
Two noise models are fitted. In the first, a wrong label is any class with equal probability. It
finds few wrong labels, and none where there are none. In the second, each pair of classes has its
own rate, as people confuse some classes more than others. It also mistakes confusions of the model
for confusions of people. The result is the mean of the two probabilities.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int
from scipy.optimize import minimize_scalar

_FLOOR = np.float32(3e-8)  # half of the smallest positive float16
_MAX_CELLS = 2 * 10**7  # probabilities that the fit uses, and that are in memory at once
_MAX_ROUNDS, _ROUNDS_PER_SCALE, _TOLERANCE = 300, 10, 1e-4  # of EM; the last is of a rate
_PRIOR = 50.0  # examples of each class that the first noise model counts as in the second
_FIRST_RATE = 0.1  # start of EM

Probabilities = Float[np.ndarray, "n classes"]
Labels = Int[np.ndarray, "n"]


@dataclass(frozen=True)
class Noise:
    """The noise of the labels, and the scale of the logits.

    Attributes:
        scale: factor of the logits that calibrates their softmax.
        transition: at [t, y] the share of labels y among the examples of true class t.
    """

    scale: float
    transition: Float[np.ndarray, "classes classes"]


def wrong_probability(probabilities: Probabilities, labels: Labels) -> Float[np.ndarray, "n"]:
    """Return the probability that each label is wrong.

    Args:
        probabilities: of all classes, by a model that was not trained on the row.
        labels: the class of each row, from 0 to `classes` - 1.

    Source: a noise transition matrix between true class and label, Patrini et al. (CVPR 2017) and
    Dawid and Skene (Applied Statistics 28, 1979), fitted by EM; the scale of the logits is that of
    Guo et al. (ICML 2017). The mean of the two noise models is our own choice, made on half of the
    data: docs/which-score.md.
    """
    rows = _sample_rows(len(labels), probabilities.shape[1])
    logits, sample = _logits(probabilities[rows]), labels[rows]
    uniform = _fit_uniform(logits, sample)
    per_class = _fit_classes(logits, sample, uniform)
    return np.concatenate(
        [
            (_p_wrong(block, y, uniform) + _p_wrong(block, y, per_class)) / 2
            for block, y in _blocks(probabilities, labels)
        ]
    )


def _sample_rows(rows: int, classes: int) -> Int[np.ndarray, "m"] | slice:
    """Return the rows that the fit uses: all, or a fixed sample of a large dataset."""
    count = max(1, _MAX_CELLS // classes)
    if count >= rows:
        return slice(None)
    return np.sort(np.random.default_rng(0).choice(rows, count, replace=False))


def _blocks(
    probabilities: Probabilities, labels: Labels
) -> Iterator[tuple[Float32[np.ndarray, "m classes"], Int[np.ndarray, "m"]]]:
    step = max(1, _MAX_CELLS // probabilities.shape[1])
    for start in range(0, len(labels), step):
        rows = slice(start, start + step)
        yield _logits(probabilities[rows]), labels[rows]


def _logits(probabilities: Probabilities) -> Float32[np.ndarray, "n classes"]:
    return np.log(np.maximum(probabilities.astype(np.float32), _FLOOR))


def _softmax(logits: Float32[np.ndarray, "n classes"]) -> Float32[np.ndarray, "n classes"]:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def _p_true(
    logits: Float32[np.ndarray, "n classes"], labels: Labels, noise: Noise
) -> Float32[np.ndarray, "n classes"]:
    """Return the probability of each true class, given the label."""
    joint = _softmax(noise.scale * logits) * noise.transition[:, labels].T.astype(np.float32)
    return joint / np.maximum(joint.sum(axis=1, keepdims=True), np.finfo(np.float32).tiny)


def _p_wrong(
    logits: Float32[np.ndarray, "n classes"], labels: Labels, noise: Noise
) -> Float[np.ndarray, "n"]:
    right = _p_true(logits, labels, noise)[np.arange(len(labels)), labels]
    return 1.0 - right.astype(np.float64)


def _uniform(rate: float, classes: int) -> Float[np.ndarray, "classes classes"]:
    """Return a matrix where this share of the labels is drawn from all classes, also the true."""
    return (1 - rate) * np.eye(classes) + rate / classes


def _fit_uniform(logits: Float32[np.ndarray, "n classes"], labels: Labels) -> Noise:
    classes, rate = logits.shape[1], _FIRST_RATE
    noise = Noise(1.0, _uniform(rate, classes))
    for iteration in range(_MAX_ROUNDS):
        # A drawn label is right with probability 1 / classes.
        old, rate = rate, float(_p_wrong(logits, labels, noise).mean()) * classes / (classes - 1)
        noise = Noise(noise.scale, _uniform(min(rate, 1.0), classes))
        if iteration % _ROUNDS_PER_SCALE == 0:
            noise = _rescale(logits, labels, noise)
        elif abs(rate - old) < _TOLERANCE / 10:
            break
    return noise


def _fit_classes(logits: Float32[np.ndarray, "n classes"], labels: Labels, uniform: Noise) -> Noise:
    classes = logits.shape[1]
    prior, noise = _PRIOR * uniform.transition, Noise(uniform.scale, _uniform(_FIRST_RATE, classes))
    for iteration in range(_MAX_ROUNDS):
        counts = prior.copy()
        posterior = _p_true(logits, labels, noise)
        for label in np.unique(labels):
            counts[:, label] += posterior[labels == label].sum(axis=0, dtype=np.float64)
        old, transition = noise.transition, counts / counts.sum(axis=1, keepdims=True)
        noise = Noise(noise.scale, transition)
        if iteration % _ROUNDS_PER_SCALE == 0:
            noise = _rescale(logits, labels, noise)
        elif np.abs(transition - old).max() < _TOLERANCE:
            break
    return noise


def _rescale(logits: Float32[np.ndarray, "n classes"], labels: Labels, noise: Noise) -> Noise:
    """Return the same noise with the scale of highest likelihood."""
    label_rates = noise.transition[:, labels].T.astype(np.float32)

    def loss(log_scale: float) -> float:
        likelihood = (_softmax(np.float32(np.exp(log_scale)) * logits) * label_rates).sum(axis=1)
        return -float(np.log(np.maximum(likelihood, _FLOOR)).mean())

    fit = minimize_scalar(loss, bounds=(-3, 3), method="bounded", options={"xatol": 1e-3})
    return Noise(float(np.exp(fit.x)), noise.transition)
