"""The tokens of a text that is inspected: which positions are real, and what they say."""

from collections.abc import Iterator
from functools import partial
from types import FunctionType
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from vog.data.inputs import MASK, Inputs, VariedInputs, tensors_by_name
from vog.observation import Observation

# What tokenisers write for a space before a word.
_SPACES = str.maketrans({"Ġ": " ", "▁": " ", "Ċ": "\n"})


def real_positions(observation: Observation) -> Observation:
    """Return the observation of one example with the positions alone that are real."""
    gradient, mask = observation.input_gradient, observation.mask
    if mask is None or gradient is None:
        return observation
    return Observation(
        observation.labels,
        observation.logits,
        gradient[:, :, mask[0]],
        outcomes=observation.outcomes,
    )


def is_token_map(gradient: Float[Tensor, "k 1 *rest"], inputs: Inputs) -> bool:
    """Return whether gradients have one vector for each token of one example."""
    tokens = token_ids(inputs)
    return tokens is not None and gradient.ndim == 4 and gradient.shape[2] == len(tokens)


def token_ids(inputs: Inputs) -> Int[Tensor, "tokens"] | None:
    """Return the real tokens of one example; None if it has none."""
    uniform = inputs.examples[0] if isinstance(inputs, VariedInputs) else inputs
    tensors = tensors_by_name(uniform)
    sequences = {
        name: tensor
        for name, tensor in tensors.items()
        if name != MASK and tensor.ndim == 2 and tensor.dtype == torch.int64
    }
    if not sequences:
        return None
    name = "input_ids" if "input_ids" in sequences else next(iter(sequences))
    tokens, mask = sequences[name][0], tensors.get(MASK)
    return tokens if mask is None or mask.ndim != 2 else tokens[mask[0].bool()]


def token_texts(tokens: Int[Tensor, "tokens"], *sources: object) -> tuple[str, ...]:
    """Return each token as text, by the first tokeniser that the sources hold; else as a number.

    Args:
        tokens: the tokens.
        sources: what may hold a tokeniser, such as a transform.
    """
    numbers = [int(token) for token in tokens]
    for source in sources:
        for candidate in _parts(source):
            try:
                words = candidate.convert_ids_to_tokens(numbers)
            except Exception:  # an object of the user; it may be no tokeniser
                continue
            if isinstance(words, list) and len(words) == len(numbers):
                return tuple(str(word).translate(_SPACES) for word in words)
    return tuple(map(str, numbers))


def _parts(source: object) -> Iterator[Any]:
    """Yield an object, and what it or the function that it is refers to."""
    if isinstance(source, partial):
        yield from (source.func, *source.args, *source.keywords.values())
        source = source.func
    function = source if isinstance(source, FunctionType) else getattr(source, "__func__", None)
    if isinstance(function, FunctionType):
        for name in function.__code__.co_names:
            yield function.__globals__.get(name)
        for cell in function.__closure__ or ():
            yield cell.cell_contents
    for holder in (source, getattr(source, "__self__", None)):
        yield holder
        yield from (getattr(holder, name, None) for name in ("tokenizer", "processor"))
