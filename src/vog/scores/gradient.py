"""Scores that are computed from gradients with respect to the input of the model."""

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from vog import moments
from vog.moments import Moments
from vog.observation import Observation, Outcome, Signal
from vog.scores.protocol import Direction

Channels = Literal["mean", "keep"]
Layout = Literal["channels-first", "channels-last", "none"]


@dataclass(frozen=True)
class VoG:
    """Variance of Gradients: how much the saliency of an example changes during training.

    For example x with label y, and S_t the gradient of the target (logit y) with respect
    to x at checkpoint t of K,

        VoG(x) = mean over pixels of sqrt( 1/K * sum_t (S_t - mean_t S_t)^2 )

    so it is, despite its name, a mean of standard deviations. The normalisation by class
    happens when a result is read. With the gradient of the loss instead of the logit, the
    score is `volg`.

    Where the output of a module is differentiated, such as the embedding of a text, S_t has one
    vector a position, and "pixels" are the real positions *and dimensions*: the spread of each is
    taken before anything is averaged. The mean over dimensions is exactly zero after a layer
    norm, and positions of padding would make short texts easy. Anand et al. apply VoG
    to texts as well (EMNLP 2023, arXiv:2311.16298); their definition is unverified here.

    Attributes:
        channels: "mean" averages S_t over colours before the spread is taken, as the
            authors' ImageNet code does; "keep" treats colours as pixels.
        layout: which axis of an example holds colours; see `pixels`.

    Source: Agarwal, D'souza, Hooker, "Estimating Example Difficulty Using Variance of
    Gradients", CVPR 2022, arXiv:2008.11600, section 3. The paper prints the formula
    without the square inside the root; the authors' code and published scores have it.
    """

    name: str = "vog"
    signal: Signal = Signal.INPUT_GRADIENT
    unit: str = "target per unit of input"
    channels: Channels = "mean"
    higher_means: Direction = "harder"
    range: tuple[float, float] = (0.0, float("inf"))
    source: str = "Agarwal et al., CVPR 2022, arXiv:2008.11600"
    min_checkpoints: int = 2
    layout: Layout | None = None

    @property
    def needs(self) -> frozenset[Signal | Outcome]:
        return frozenset({self.signal})

    @property
    def uses_label(self) -> bool:
        return self.signal is not Signal.INPUT_GRADIENT

    def init(self, observation: Observation) -> Moments:
        return moments.moments_of(
            pixels(averageable(observation, self.signal), self.channels, self.layout)
        )

    def merge(self, earlier: Moments, later: Moments) -> Moments:
        return moments.merge(earlier, later)

    def compute(self, state: Moments) -> Float[Tensor, "n"]:
        return moments.std(state).flatten(start_dim=1).mean(dim=1)


VOLG = VoG(
    name="volg",
    signal=Signal.LOSS_GRADIENT,
    unit="nats per unit of input",
    source="Agarwal et al. 2022, with the loss in place of the logit",
)


@dataclass(frozen=True)
class GradNorm:
    """Mean over checkpoints and pixels of |S_t|: the strength of the saliency, not its change.

    The baseline of VoG: if both give the same ranking, VoG adds nothing to what a single
    checkpoint shows. S_t, `channels` and `layout` are as for `vog`.
    """

    name: str = "grad_norm"
    unit: str = "target per unit of input"
    channels: Channels = "mean"
    needs: frozenset[Signal | Outcome] = frozenset({Signal.INPUT_GRADIENT})
    higher_means: Direction = "harder"
    range: tuple[float, float] = (0.0, float("inf"))
    source: str = "Simonyan et al., 2013, arXiv:1312.6034 (saliency), averaged"
    min_checkpoints: int = 1
    uses_label: bool = False
    layout: Layout | None = None

    def init(self, observation: Observation) -> Moments:
        gradient = averageable(observation, Signal.INPUT_GRADIENT)
        saliency = pixels(gradient, self.channels, self.layout)
        return moments.moments_of(saliency.abs().flatten(start_dim=2).mean(dim=2))

    def merge(self, earlier: Moments, later: Moments) -> Moments:
        return moments.merge(earlier, later)

    def compute(self, state: Moments) -> Float[Tensor, "n"]:
        return state.mean


@dataclass(frozen=True)
class CumulativeSampleGradient:
    """Sum over checkpoints of the squared norm of the loss gradient with respect to the input.

        CSG(x) = sum_t || d loss_t / d x ||^2

    over all colours and pixels. The sum grows with the number of checkpoints, so compare it
    within one stage of one run only.
    """

    name: str = "csg"
    unit: str = "squared nats per squared unit of input"
    needs: frozenset[Signal | Outcome] = frozenset({Signal.LOSS_GRADIENT})
    higher_means: Direction = "harder"
    range: tuple[float, float] = (0.0, float("inf"))
    source: str = "Memorization Through the Lens of Sample Gradients, ICLR 2026"
    min_checkpoints: int = 1

    def init(self, observation: Observation) -> Float[Tensor, "n"]:
        gradient = without_padding(observation, Signal.LOSS_GRADIENT).float()
        return gradient.square().flatten(start_dim=2).sum(dim=(0, 2))

    def merge(self, earlier: Float[Tensor, "n"], later: Float[Tensor, "n"]) -> Float[Tensor, "n"]:
        return earlier + later

    def compute(self, state: Float[Tensor, "n"]) -> Float[Tensor, "n"]:
        return state


def without_padding(observation: Observation, signal: Signal) -> Float[Tensor, "k n *input"]:
    """Return a gradient that is 0 at positions that are padding; without a mask, the gradient."""
    gradient, mask = observation.signal(signal), observation.mask
    if mask is None:
        return gradient
    return gradient * mask.reshape(1, *mask.shape, *[1] * (gradient.ndim - 3))


def averageable(observation: Observation, signal: Signal) -> Float[Tensor, "k n *input"]:
    """Return a gradient whose mean over all positions is the mean over those that are no padding.

    Padding is 0, and the other positions of an example count as much more as it has padding.
    """
    gradient, mask = without_padding(observation, signal), observation.mask
    if mask is None:
        return gradient
    factor = mask.shape[1] / mask.sum(dim=1).clamp_min(1)
    return gradient * factor.reshape(1, -1, *[1] * (gradient.ndim - 2))


def pixels(
    gradient: Float[Tensor, "k n *input"], channels: Channels, layout: Layout | None = None
) -> Float[Tensor, "k n *pixels"]:
    """Return the gradient with its colours, if any, averaged: k n c h w gives k n h w.

    Args:
        gradient: of some checkpoints and examples.
        channels: "keep" averages over nothing.
        layout: the axis of colours in an example. None is the first of exactly three axes;
            vectors, sequences and images without an axis of colours are not changed.
    """
    if layout is None:
        layout = "channels-first" if gradient.ndim == 5 else "none"
    if channels == "keep" or layout == "none":
        return gradient
    axis = 2 if layout == "channels-first" else -1
    # The mean over one colour is that colour, and would cost a pass over memory.
    return gradient.squeeze(dim=axis) if gradient.shape[axis] == 1 else gradient.mean(dim=axis)
