"""The scores of the package. To add one, write its class and list it in `SCORES`."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

from vog.errors import ScoreError, unknown
from vog.observation import Observation as Observation
from vog.observation import Outcome as Outcome
from vog.observation import Signal as Signal
from vog.observation import concat as concat
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
from vog.scores.protocol import Score as Score
from vog.wording import option

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

_VALID_NAME = "expected letters, digits and _ alone, and nothing that begins with 'prediction'"

# These need one backward pass; scores that need the loss gradient cost a second one.
DEFAULT: tuple[str, ...] = tuple(
    score.name for score in _ALL if Signal.LOSS_GRADIENT not in score.needs
)


def choose_scores(scores: Sequence[str | Score], channels: Channels = "mean") -> tuple[Score, ...]:
    """Return the scores that are named or given as objects, in that order.

    Args:
        scores: names of `SCORES`, or objects that keep the `Score` protocol.
        channels: for scores by name that read pixels; objects are not changed.

    Raises:
        ScoreError: an unknown or invalid name, no score at all, or the same name twice.
    """
    if channels not in get_args(Channels):
        raise ScoreError(f"{option('channels', channels)}: expected one of {get_args(Channels)}.")
    for spec in scores:
        if isinstance(spec, type) or not isinstance(spec, str | Score):
            raise ScoreError(f"{spec!r} is no score; expected a name or an instance.")
    resolved = tuple(_by_name(spec, channels) if isinstance(spec, str) else spec for spec in scores)
    names = [score.name for score in resolved]
    invalid = [n for n in names if n.startswith("prediction") or not re.fullmatch(r"\w+", n)]
    if invalid:
        raise ScoreError(f"a score cannot be called {invalid[0]!r}; {_VALID_NAME}.")
    # DuckDB treats names of columns that differ in capitals only as equal.
    if not names or len({name.casefold() for name in names}) < len(names):
        raise ScoreError(
            f"the scores are {', '.join(names) or 'none'}. Name at least one, and none of them "
            f"twice; names that differ in capitals only count as equal."
        )
    return resolved


def uses_label(score: Score) -> bool:
    """Return True if a score needs the label for more than the target that is differentiated.

    A user's own score counts as True, unless it has `uses_label = False`. Examples without a label
    get only the scores that do not need one, and only with the target `predicted`.
    """
    return getattr(score, "uses_label", True)


def needs_of(scores: Sequence[Score]) -> frozenset[Signal]:
    """Return the signals that at least one of the scores needs; outcomes are made of logits."""
    needs = [need for score in scores for need in score.needs]
    return frozenset(need if isinstance(need, Signal) else Signal.LOGITS for need in needs)


def reads_logits(scores: Sequence[Score]) -> bool:
    """Return whether a score reads the logits themselves, and not only outcomes made of them."""
    return any(Signal.LOGITS in score.needs for score in scores)


def outcomes_of(scores: Sequence[Score]) -> frozenset[Outcome]:
    """Return the outcomes that at least one of the scores needs."""
    return frozenset(n for score in scores for n in score.needs if isinstance(n, Outcome))


def _by_name(name: str, channels: Channels) -> Score:
    if name not in SCORES:
        raise ScoreError(f"no score is called {name!r}.{unknown(name, SCORES)}")
    score = SCORES[name]
    return replace(score, channels=channels) if isinstance(score, VoG | GradNorm) else score
