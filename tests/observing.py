"""A model with the task and the target of a plain run, as tests of models observe with it."""

from vog.models import Model
from vog.sweep.observe import Observer
from vog.tasks import CLASSIFICATION
from vog.tasks.targets import choose_target


def observer(model: Model, target: str = "logit") -> Observer:
    """Observe as a classifier."""
    return Observer(model, CLASSIFICATION, choose_target(target))
