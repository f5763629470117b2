"""Find the axis of an example that holds its colours; scores average gradients over it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, get_args

from vog.errors import ScoreError
from vog.scores.gradient import GradNorm, Layout, VoG
from vog.scores.protocol import Score
from vog.wording import option

_COLOURS = (1, 3, 4)  # grey; RGB; RGB with transparency, or CMYK


def settle_layout(setting: Any, shape: tuple[int, ...], scores: Sequence[Score]) -> Layout | None:
    """Return the layout for the scores, or None if it is their default or none of them needs one.

    By default the first of three axes is that of colours, as in version 0.1.

    Args:
        setting: the layout that the user gives, or None.
        shape: of one example.
        scores: a layout is only needed if one of them averages over colours.

    Raises:
        ScoreError: there is no such layout, or the shape leaves open which it is.
    """
    if setting is not None and setting not in get_args(Layout):
        raise ScoreError(f"{option('layout', setting)}: expected {', '.join(get_args(Layout))}.")
    if not any(map(_averages_colours, scores)):
        return None
    layout = _layout_by_shape(shape) if setting is None else setting
    if layout != "none" and len(shape) < 2:
        raise ScoreError(
            f"{option('layout', layout)}: an example has the shape {shape}, and no axis for "
            f"colours. Pass {option('layout', 'none')}."
        )
    return None if layout == default_layout(shape) else layout


def layout_of_picture(setting: Layout | None, shape: tuple[int, ...]) -> Layout | None:
    """Return the layout by which a picture averages colours that scores kept apart.

    Args:
        setting: the layout that the model or the user gives, or None.
        shape: of one example. If it leaves the layout open, the default is taken.
    """
    if setting is not None:
        return setting
    try:
        return _layout_by_shape(shape)
    except ScoreError:
        return None


def default_layout(shape: tuple[int, ...]) -> Layout:
    """Return the layout that scores take if none is given."""
    return "channels-first" if len(shape) == 3 else "none"


def with_layout(scores: Sequence[Score], layout: Layout | None) -> tuple[Score, ...]:
    """Return the scores, with the layout set in those that can average over colours."""
    return tuple(
        replace(score, layout=layout) if isinstance(score, VoG | GradNorm) else score
        for score in scores
    )


def layout_of(scores: Sequence[Score]) -> Layout | None:
    """Return the layout that is set in the scores; None if none of them has one."""
    return next((s.layout for s in scores if isinstance(s, VoG | GradNorm) and s.layout), None)


def _averages_colours(score: Score) -> bool:
    return isinstance(score, VoG | GradNorm) and score.channels == "mean"


def _layout_by_shape(shape: tuple[int, ...]) -> Layout:
    """Return the layout that follows from a shape.

    Raises:
        ScoreError: more than one layout is possible.
    """
    if len(shape) != 3:
        return "none"
    first, last = shape[0] in _COLOURS, shape[-1] in _COLOURS
    if first != last:
        return "channels-first" if first else "channels-last"
    if shape[0] == shape[-1] == 1:  # the mean over one colour is that colour, on either axis
        return "channels-first"
    axes = "the first and the last axis" if first else "neither the first nor the last axis"
    raise ScoreError(
        f"an example has the shape {shape}: {axes} may be that of colours, which have 1, 3 or 4 "
        f"values, and scores average gradients over colours. Pass "
        f"{option('layout', 'channels-first')} or {option('layout', 'channels-last')}, or average "
        f"over nothing with {option('layout', 'none')} or {option('channels', 'keep')}."
    )
