"""Which axis of an example holds its colours, over which scores average gradients."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, get_args

from vog.errors import ScoreError
from vog.scores.gradient import GradNorm, Layout, VoG
from vog.scores.protocol import Score

_COLOURS = (1, 3, 4)  # grey, RGB, and with transparency or of print


def settle_layout(setting: Any, shape: tuple[int, ...], scores: Sequence[Score]) -> Layout | None:
    """Return the layout that scores take, or None where it is the one they have by themselves.

    By themselves they take the first of three axes as that of colours, as version 0.1 did.

    Args:
        asked: what the user says, if anything.
        shape: of one example.
        scores: where none of them averages over colours, nothing has to be known.

    Raises:
        ScoreError: there is no such layout, or the shape does not tell which it is.
    """
    if setting is not None and setting not in get_args(Layout):
        raise ScoreError(f"--layout is {setting!r}; expected {', '.join(get_args(Layout))}.")
    if not any(map(_averages_colours, scores)):
        return None
    layout = _layout_by_shape(shape) if setting is None else setting
    if layout != "none" and len(shape) < 2:
        raise ScoreError(
            f"--layout {layout}: an example has the shape {shape}, whose axis is the input itself. "
            f"Pass --layout none."
        )
    return None if layout == default_layout(shape) else layout


def default_layout(shape: tuple[int, ...]) -> Layout:
    """Return the layout that scores take where nobody says another."""
    return "channels-first" if len(shape) == 3 else "none"


def with_layout(scores: Sequence[Score], layout: Layout | None) -> tuple[Score, ...]:
    """Return the scores, of which those that average over colours know where these are."""
    return tuple(
        replace(score, layout=layout) if isinstance(score, VoG | GradNorm) else score
        for score in scores
    )


def layout_of(scores: Sequence[Score]) -> Layout | None:
    """Return the layout that scores were given; None where none of them was."""
    return next((s.layout for s in scores if isinstance(s, VoG | GradNorm) and s.layout), None)


def _averages_colours(score: Score) -> bool:
    return isinstance(score, VoG | GradNorm) and score.channels == "mean"


def _layout_by_shape(shape: tuple[int, ...]) -> Layout:
    """Return the layout that a shape tells.

    Raises:
        ScoreError: it does not.
    """
    if len(shape) != 3:
        return "none"
    first, last = shape[0] in _COLOURS, shape[-1] in _COLOURS
    if first != last:
        return "channels-first" if first else "channels-last"
    if shape[0] == shape[-1] == 1:  # one colour, whichever it is: its mean is itself
        return "channels-first"
    axes = "the first and the last axis" if first else "neither the first nor the last axis"
    raise ScoreError(
        f"an example has the shape {shape}: {axes} may be that of colours, which have 1, 3 or 4 "
        f"values, and scores average gradients over colours. Say which axis it is with --layout "
        f"channels-first or --layout channels-last; --layout none or --channels keep averages "
        f"over nothing."
    )
