"""A model with the task and the target of a plain run, as tests of models observe with it."""

from collections.abc import Mapping
from typing import Any

from vog.models import FittedWeights, Model
from vog.models.torch.adapter import TorchModel
from vog.models.torch.matched_weights import MatchedWeights, load_copies
from vog.sweep.observe import Observer
from vog.tasks import CLASSIFICATION
from vog.tasks.targets import choose_target


def observer(model: Model, target: str = "logit") -> Observer:
    """Observe as a classifier."""
    return Observer(model, CLASSIFICATION, choose_target(target))


def fitted(model: TorchModel, state: Mapping[str, Any] | None = None) -> FittedWeights:
    """Match a state dict, by default that of the module itself, as a file with it would be."""
    state = model.module.state_dict() if state is None else state
    return FittedWeights(MatchedWeights(load_copies(state, model.source, "here")))
