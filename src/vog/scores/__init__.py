"""The scores that come with the package. To add one, write it and name it in `SCORES`."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

from vog.errors import ScoreError, unknown
from vog.scores.dynamics import FirstLearned, Forgetting
from vog.scores.gradient import VOLG, Channels, CumulativeSampleGradient, GradNorm, VoG
from vog.scores.means import (
    ALEATORIC,
    AUM,
    CONFIDENCE,
    CORRECTNESS,
    EL2N,
    ENTROPY,
    GRAND,
    LOSS,
    VARIABILITY,
)
from vog.scores.protocol import Observation as Observation
from vog.scores.protocol import Score as Score
from vog.scores.protocol import Signal as Signal
from vog.scores.protocol import concat as concat

_ALL: tuple[Score, ...] = (
    VoG(),
    GradNorm(),
    VOLG,
    CumulativeSampleGradient(),
    GRAND,
    LOSS,
    EL2N,
    AUM,
    CONFIDENCE,
    VARIABILITY,
    CORRECTNESS,
    ENTROPY,
    Forgetting(),
    FirstLearned(),
    ALEATORIC,
)
SCORES: dict[str, Score] = {score.name: score for score in _ALL}

# One backward pass: what needs the loss gradient as well costs a second one.
DEFAULT: tuple[str, ...] = tuple(
    score.name for score in _ALL if Signal.LOSS_GRADIENT not in score.needs
)


def choose_scores(scores: Sequence[str | Score], channels: Channels = "mean") -> tuple[Score, ...]:
    """The scores asked for, by name or as objects of the user's own, in that order.

    Args:
        asked: names of `SCORES`, or objects that keep the `Score` protocol.
        channels: for the scores by name that look at pixels; objects are left as they are.

    Raises:
        ScoreError: no such score, none at all, or the same name twice.
    """
    if channels not in get_args(Channels):
        raise ScoreError(f"channels is {channels!r}; expected {' or '.join(get_args(Channels))}.")
    for spec in scores:
        if isinstance(spec, type) or not isinstance(spec, str | Score):
            raise ScoreError(
                f"{spec!r} is no score; expected a name or an object of a score class."
            )
    resolved = tuple(_by_name(spec, channels) if isinstance(spec, str) else spec for spec in scores)
    names = [score.name for score in resolved]
    invalid = [n for n in names if n.startswith("prediction") or not re.fullmatch(r"\w+", n)]
    if invalid:
        raise ScoreError(f"a score cannot be called {invalid[0]!r}: its column would be taken.")
    # DuckDB does not tell columns apart whose names differ in capitals only.
    if not names or len({name.casefold() for name in names}) < len(names):
        raise ScoreError(
            f"the scores asked for are {', '.join(names) or 'none'}; "
            f"name at least one, and each of them once, in whatever capitals."
        )
    return resolved


def uses_label(score: Score) -> bool:
    """Whether the label plays a part beside the target whose gradient is taken.

    Of a score of the user's own it is supposed, unless that says `uses_label = False`. Only
    scores without it can be had of examples without a label, and only with `--target predicted`.
    """
    return getattr(score, "uses_label", True)


def needs_of(scores: Sequence[Score]) -> frozenset[Signal]:
    """The signals that these scores need together."""
    return frozenset(signal for score in scores for signal in score.needs)


def _by_name(name: str, channels: Channels) -> Score:
    if name not in SCORES:
        raise ScoreError(f"no score is called {name!r}.{unknown(name, SCORES)}")
    score = SCORES[name]
    return replace(score, channels=channels) if isinstance(score, VoG | GradNorm) else score
