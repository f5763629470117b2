"""Try the model on a few examples, and choose the fastest way that equals the plain way.

The model gives its ways to compute, the fastest first; the first that runs, passes the checks and
equals the plain way is chosen. The comparison is under the first checkpoint, which the model loads
after the last: whatever it retains of the last checkpoint shows as a difference.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from vog import scores
from vog.data import Batch
from vog.data.inputs import Inputs
from vog.errors import ModelError, ScoreError
from vog.models.protocol import Model, StateBesideWeightsError, Variant, Weights
from vog.observation import GRADIENTS, Observation, Signal
from vog.scores import Score
from vog.sweep import acceleration, preflight
from vog.sweep.comparison import signals_beyond_change, within_tolerance
from vog.sweep.observe import Observer
from vog.sweep.request import Request
from vog.sweep.resolve import Resolved
from vog.sweep.task_scores import scores_of_task
from vog.tasks import CLASSIFICATION, Task
from vog.tasks.choose_task import task_target
from vog.wording import option

_COMPARED_EXAMPLES = 8


@dataclass(frozen=True)
class ModelTrial:
    """The model after a trial on a few examples under the last checkpoint.

    Attributes:
        observer: the model with the task and the target.
        weights: weights of that checkpoint, ready for observing.
        scores: scores that can be computed; `left_out` has the reason for each of the rest.
        classes: number of logits.
        notes: sentences for the plan, by the word that introduces them.
    """

    observer: Observer
    weights: Weights
    scores: tuple[Score, ...]
    left_out: dict[str, str]
    classes: int
    notes: Mapping[str, str]

    @property
    def model(self) -> Model:
        """The model in the way that was chosen."""
        return self.observer.model


def first_working_trial(request: Request, setup: Resolved, model: Model) -> ModelTrial:
    """Return the model in the first way that works and passes the checks.

    Args:
        request: the request.
        setup: the objects that the request names.
        model: the model, whose ways are tried.

    Raises:
        ModelError: the model fails the checks, or differs from the plain way in every way.
        ScoreError: a score that the request names cannot be computed.
    """
    failure: ModelError | None = None
    differing: tuple[Signal, ...] = ()
    for way in model.ways(setup.first.inputs):
        try:
            trial = _try_model(request, setup, way)
            differing = _differing_signals(setup, trial)
            if differing == (Signal.LAST_LAYER_NORM,):  # the last layer is reused, or tied
                trial = _try_model(request, setup, way, headless=True)
                differing = _differing_signals(setup, trial)
        except ModelError as error:
            failure, differing = error, ()
            continue
        failure = None
        if not differing:
            return trial
    if not differing and (failure is None or isinstance(failure, StateBesideWeightsError)):
        model.apart()  # raises ModelError, since there is no such way
    if failure is not None:
        raise failure
    raise ModelError(
        f"{setup.files[-1].path}: the {' and the '.join(differing)} differ from those of "
        f"{model.plain_name}, in every way that was tried. The output depends on something that is "
        f"not in the checkpoints: random numbers that are drawn when the model is built, or a "
        f"tensor that is computed from a weight then and not updated. Store it in a buffer, or "
        f"compute it in `forward`; if the model cannot be copied, give a function that builds it "
        f"as {option('model')}."
    )


def _differing_signals(setup: Resolved, trial: ModelTrial) -> tuple[Signal, ...]:
    """Return the signals in which the model differs from its plain way on a few examples."""
    model, observer, needs = trial.model, trial.observer, scores.needs_of(trial.scores)
    path, batch = setup.files[0].path, setup.first
    inputs = batch.inputs[:_COMPARED_EXAMPLES]
    labels = observer.labels(batch)[:_COMPARED_EXAMPLES]
    with model.evaluation_mode():
        last = observer(trial.weights, model.place(inputs), labels, needs)
        first = model.ready(model.read(path))
        fast = observer(first, model.place(inputs), labels, needs)
    plain = model.plain()
    if plain is None:
        _refuse_kept_weights(trial, inputs, labels, last)
        return ()
    with plain.evaluation_mode():
        loaded = plain.ready(plain.read(path))
        expected = replace(observer, model=plain)(loaded, plain.place(inputs), labels, needs)
    return signals_beyond_change(expected, fast, last, needs)


def _refuse_kept_weights(
    trial: ModelTrial, inputs: Inputs, labels: Tensor, last: Observation
) -> None:
    """Raise ModelError if the last checkpoint gives something else after another was observed."""
    model, needs = trial.model, scores.needs_of(trial.scores)
    with model.evaluation_mode():
        again = trial.observer(trial.weights, model.place(inputs), labels, needs)
    if not within_tolerance(last, again, needs):
        raise ModelError(
            "the model gives other outputs under a checkpoint after it was observed under a "
            "different one: it keeps something of the checkpoint that was made ready or observed "
            "last. Let it take everything from the weights that `observe` is given."
        )


def _try_model(request: Request, setup: Resolved, way: Model, headless: bool = False) -> ModelTrial:
    """Return the model with its last layer found, its norms folded, and all checks passed."""
    path, first = setup.files[-1].path, setup.first
    fitted = way.read(path)
    model = way.adapted(fitted, path, first.inputs)
    model = model.variant(Variant.WITHOUT_LAST_LAYER) if headless else model
    with model.evaluation_mode():
        task = preflight.check_outputs(
            model, setup.task, model.ready(fitted), first, not setup.examples.unlabelled
        )
    target = task_target(task, setup.target)
    leave_out = request.scores is None or request.scores == "all"
    available, left_out = _available_scores(setup, task, model, leave_out)
    needs = scores.needs_of(available)
    observer = Observer(model, task, target)
    observer = acceleration.with_folded_norms(observer, fitted, first, needs)
    with observer.model.evaluation_mode():
        weights = observer.model.ready(fitted)
        observer = _with_pairs(observer, weights, needs, first)
        classes = preflight.preflight(observer, weights, needs, setup.examples, first)
    available = scores_of_task(available, task, classes, setup.examples.label_names)
    remarks = observer.model.remarks
    notes = {**fitted.notes, **({"model": "; ".join(remarks)} if remarks else {})}
    notes |= {} if task.name == CLASSIFICATION.name else {"task": task.name}
    return ModelTrial(observer, weights, available, left_out, classes, notes)


def _with_pairs(
    observer: Observer, weights: Weights, needs: frozenset[Signal], first: Batch
) -> Observer:
    """Return the observer with single examples computed in pairs, if they need it and it can be."""
    if not preflight.differs_alone(observer, weights, needs, first):
        return observer
    try:
        return replace(observer, model=observer.model.variant(Variant.IN_PAIRS))
    except ModelError:  # the checks report the difference
        return observer


def _available_scores(
    setup: Resolved, task: Task, model: Model, leave_out: bool
) -> tuple[tuple[Score, ...], dict[str, str]]:
    """Return the scores that can be computed, and the reason for each score that cannot.

    Raises:
        ScoreError: the request names a score that cannot be computed.
    """
    obstacles = {score.name: _obstacle(score, setup, task, model) for score in setup.scores}
    met = {name: obstacle for name, obstacle in obstacles.items() if obstacle is not None}
    if met and not leave_out:
        worst = next(iter(met.values()))
        names = ", ".join(name for name, obstacle in met.items() if obstacle == worst)
        raise ScoreError(f"{names} {worst.requirement} Drop it from {option('scores')}.")
    left_out = {name: obstacle.word for name, obstacle in met.items()}
    return tuple(score for score in setup.scores if score.name not in left_out), left_out


@dataclass(frozen=True)
class _Obstacle:
    """Why a score cannot be computed: in a word for the plan, and as what it requires."""

    word: str
    requirement: str


def _obstacle(score: Score, setup: Resolved, task: Task, model: Model) -> _Obstacle | None:
    """Return why a score cannot be computed; None if it can."""
    missing_signals = scores.needs_of([score]) - model.signals
    if missing_signals == {Signal.LAST_LAYER_NORM}:
        return _Obstacle(
            "no linear head",
            "needs a model whose logits are the output of its last linear layer; those of this "
            f"model are not, as far as a run shows. {option('head', 'NAME')} names the layer.",
        )
    if missing_signals and missing_signals <= GRADIENTS:
        return _Obstacle(
            "nothing to differentiate",
            "needs a gradient, and there is nothing to differentiate: no input is of floats, and "
            f"the model has no nn.Embedding. {option('wrt', 'NAME')} names a module of the model "
            "whose output is differentiated.",
        )
    if missing_signals:
        names = " and the ".join(sorted(missing_signals))
        return _Obstacle(f"no {names}", f"needs the {names}, which this model does not give.")
    missing_outcomes = scores.outcomes_of([score]) - task.outcomes
    if missing_outcomes:
        names = " and the ".join(sorted(missing_outcomes))
        return _Obstacle(
            f"{task.name} has no {names}",
            f"needs the {names}, which {task.name} does not have.",
        )
    if setup.examples.unlabelled and setup.target.at_prediction and scores.uses_label(score):
        return _Obstacle("no labels", "needs labels, and the data have none.")
    return None
