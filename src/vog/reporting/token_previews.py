"""Texts in the report with a colour behind each token: how much the gradient varies there."""

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from vog.errors import DataError
from vog.figures.previews import Preview, Previewer, TokenMap


@runtime_checkable
class InspectedText(Protocol):
    """An inspected example; of a text, `tokens`, and their values in the one row of `spread`."""

    @property
    def tokens(self) -> tuple[str, ...] | None:
        """The tokens; None if the example is no text."""
        ...

    @property
    def spread(self) -> Float[np.ndarray, "h w"]:
        """The spread of the gradient at each token."""
        ...


Inspect = Callable[[int], InspectedText]


def with_token_maps(preview_example: Previewer, inspect: Inspect) -> Previewer:
    """Return a previewer that adds the maps of texts; an example without gradient has none."""

    def preview(index: int, name: str) -> Preview:
        plain = preview_example(index, name)
        return plain if plain.text is None else replace(plain, tokens=_token_map(inspect, index))

    return preview


def _token_map(inspect: Inspect, index: int) -> TokenMap | None:
    try:
        example = inspect(index)
    except DataError:  # its gradient is not finite, or it cannot be read; the report says so
        return None
    if example.tokens is None:
        return None
    values = example.spread[0] / max(float(example.spread.max()), np.finfo(np.float32).tiny)
    return TokenMap(example.tokens, tuple(values.astype(float).tolist()))
