"""Every registered score keeps the promises the sweep relies on.

A new score is tested here the moment it is named in `SCORES`; its own file only needs
the values that are particular to it.
"""

import dataclasses
from random import Random
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from vog.analysis.detection import out_of_distribution
from vog.errors import ScoreError
from vog.observation import Observation, Outcome, Signal
from vog.scores import DEFAULT, SCORES, Score, choose_scores, outcomes_of, uses_label
from vog.tasks import CLASSIFICATION

every_score = pytest.mark.parametrize("score", SCORES.values(), ids=SCORES.keys())


def observation(k: int, n: int, classes: int, pixels: tuple[int, ...], seed: int) -> Observation:
    rng = torch.Generator().manual_seed(seed)
    return Observation(
        labels=torch.randint(classes, (n,), generator=rng),
        logits=3 * torch.randn(k, n, classes, generator=rng),
        input_gradient=torch.randn(k, n, *pixels, generator=rng),
        loss_gradient=torch.randn(k, n, *pixels, generator=rng),
        last_layer_norm=torch.rand(k, n, generator=rng),
        features=torch.randn(k, n, 3, generator=rng),
    )


def init(score: Score, seen: Observation) -> Any:
    """The state of what a sweep shows to a score: signals, and the outcomes that it needs."""
    return score.init(CLASSIFICATION.complete(seen, outcomes_of([score])))


observations = st.builds(
    observation,
    k=st.integers(2, 7),
    n=st.integers(1, 5),
    classes=st.integers(2, 5),
    pixels=st.sampled_from([(7,), (4, 3), (3, 2, 2)]),
    seed=st.integers(0, 2**31),
)


def sliced(seen: Observation, *at: Any) -> Observation:
    """The observation of some checkpoints (first index) and some examples (second)."""
    labels = seen.labels if len(at) == 1 else seen.labels[at[1]]
    signals = {
        field.name: getattr(seen, field.name)[at]
        for field in dataclasses.fields(seen)
        if field.name not in ("labels", "outcomes", "mask", "logits_finite")
    }
    return Observation(labels, **signals)


@pytest.mark.slow
@every_score
@given(observations, st.data())
def test_any_split_of_the_checkpoints_merges_to_the_whole(
    score: Score, seen: Observation, data: st.DataObject
) -> None:
    k = len(seen.signal(Signal.LOGITS))
    cuts = sorted(data.draw(st.sets(st.integers(1, k - 1))))
    pieces = [sliced(seen, slice(a, b)) for a, b in zip([0, *cuts], [*cuts, k], strict=True)]
    merged = init(score, pieces[0])
    for piece in pieces[1:]:
        merged = score.merge(merged, init(score, piece))
    assert_close(score.compute(merged), score.compute(init(score, seen)), rtol=1e-4, atol=1e-5)


@every_score
@given(observations)
def test_merging_is_associative(score: Score, seen: Observation) -> None:
    k = len(seen.signal(Signal.LOGITS))
    a, b, c = (init(score, sliced(seen, slice(i * k // 3, (i + 1) * k // 3 + 1))) for i in range(3))
    left = score.compute(score.merge(score.merge(a, b), c))
    right = score.compute(score.merge(a, score.merge(b, c)))
    assert_close(left, right, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@every_score
@given(observations, st.randoms(use_true_random=False))
def test_examples_do_not_see_each_other(score: Score, seen: Observation, random: Random) -> None:
    order = torch.tensor(random.sample(range(len(seen.labels)), len(seen.labels)))
    shuffled = score.compute(init(score, sliced(seen, slice(None), order)))
    assert_close(shuffled, score.compute(init(score, seen))[order])


@every_score
@given(observations)
def test_one_float_an_example_within_the_range(score: Score, seen: Observation) -> None:
    values = score.compute(init(score, seen))
    assert values.shape == seen.labels.shape
    assert values.dtype == torch.float32
    low, high = score.range
    assert bool(((values >= low - 1e-6) & (values <= high + 1e-6)).all())


@every_score
@given(observations)
def test_saturated_logits_give_numbers(score: Score, seen: Observation) -> None:
    """A network that is very sure has probabilities that round to exactly 0 and 1."""
    sure = dataclasses.replace(seen, logits=seen.signal(Signal.LOGITS) * 1e4)
    assert not score.compute(init(score, sure)).isnan().any()


@every_score
def test_sees_only_what_it_needs(score: Score) -> None:
    """A sweep provides no other signal; asking for one fails."""
    seen = observation(3, 4, 3, (5,), 0)
    fields = {
        Signal.LOGITS: "logits",
        Signal.INPUT_GRADIENT: "input_gradient",
        Signal.LOSS_GRADIENT: "loss_gradient",
        Signal.LAST_LAYER_NORM: "last_layer_norm",
    }
    signals = {
        fields[need]: getattr(seen, fields[need])
        for need in score.needs
        if isinstance(need, Signal)
    }
    outcomes = {n: CLASSIFICATION.outcome(seen, n) for n in score.needs if isinstance(n, Outcome)}
    lean = Observation(seen.labels, **signals, outcomes=outcomes)
    assert_close(score.compute(score.init(lean)), score.compute(init(score, seen)))
    for need in score.needs:
        less = {fields[need]: None} if isinstance(need, Signal) else {"outcomes": {}}
        with pytest.raises(AssertionError, match="provides every"):
            score.init(dataclasses.replace(lean, **less))


@every_score
def test_the_direction_is_the_one_it_names(score: Score) -> None:
    """Example 0 is right, sure and never moves; example 1 is wrong, unsure and moves."""
    p_of_label = [[0.99, 0.02], [0.99, 0.45], [0.99, 0.1]]
    logits = torch.tensor([[[p, 1 - p] for p in row] for row in p_of_label]).log()
    moving = torch.tensor([[[0.0, 0.0], [0.0, 1.0]], [[0, 0], [3, 2]], [[0, 0], [1, 5]]])
    seen = Observation(torch.tensor([0, 0]), logits, moving, moving, moving.norm(dim=-1))
    easy, hard = score.compute(init(score, seen))
    assert (hard > easy) == (score.higher_means == "harder")
    assert hard != easy


@every_score
def test_describes_itself(score: Score) -> None:
    assert isinstance(score, Score)
    assert score.name == score.name.lower()
    assert not set(" @:,") & set(score.name)
    assert score.unit
    assert score.source
    assert score.range[0] < score.range[1]
    assert score.min_checkpoints in (1, 2)


def test_the_default_needs_one_backward_pass() -> None:
    needs = frozenset().union(*(SCORES[name].needs for name in DEFAULT))
    assert Signal.LOSS_GRADIENT not in needs
    assert set(SCORES) - set(DEFAULT) == {"volg", "csg"}


def test_channels_reach_the_scores_that_have_pixels() -> None:
    seen = observation(3, 2, 3, (3, 4, 4), 5)
    for name in ("vog", "grad_norm", "volg"):
        kept, mean = choose_scores([name], "keep")[0], choose_scores([name], "mean")[0]
        assert not torch.equal(kept.compute(init(kept, seen)), mean.compute(init(mean, seen)))


@every_score
def test_a_score_says_whether_the_label_plays_a_part(score: Score) -> None:
    """Beside the gradients, whose target the sweep decides on; the others hang on the loss."""
    seen = observation(5, 40, 5, (4, 3), 0)
    other = dataclasses.replace(seen, labels=(seen.labels + 1) % 5)
    same = torch.equal(score.compute(init(score, seen)), score.compute(init(score, other)))
    of_loss = {Signal.LOSS_GRADIENT, Signal.LAST_LAYER_NORM} & score.needs
    assert uses_label(score) == (bool(of_loss) or not same)
    blind = (*out_of_distribution._LABEL_FREE, *out_of_distribution._TARGET_SCORES)
    assert uses_label(score) == (score.name not in blind)


CAPITALS = dataclasses.replace(SCORES["vog"], name="VoG")  # type: ignore[type-var]


@pytest.mark.parametrize("asked", [[], ["vog", "vog"], ["vog", CAPITALS]])
def test_names_that_columns_could_not_tell_apart(asked: list[Any]) -> None:
    with pytest.raises(ScoreError, match="differ in capitals only count as equal"):
        choose_scores(asked)
