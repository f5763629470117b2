"""Try the model on a few examples, and choose the fastest way that equals the plain way.

The ways are tried in this order: images with channels last and norms folded; images as they are;
each checkpoint loaded into a module of its own. The first way that runs, passes the checks and
equals `load_state_dict`, `eval` and `backward` on a fresh module is chosen.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from vog import scores
from vog.data import Batch
from vog.errors import ModelError, ScoreError
from vog.models import Model, Weights
from vog.models.torch import linear_head, state_dict
from vog.models.torch.adapter import TorchModel
from vog.models.torch.fresh_modules import ModuleSource, is_scripted
from vog.models.torch.weights_in_place import restored_on_exit
from vog.observation import Signal
from vog.scores import Score
from vog.sweep import acceleration, plain_way, preflight
from vog.sweep.observe import Observer
from vog.sweep.request import Request
from vog.sweep.resolve import Resolved
from vog.sweep.weights import refuse_foreign_objects
from vog.wording import option


@dataclass(frozen=True)
class ModelTrial:
    """The model after a trial on a few examples under the last checkpoint.

    Attributes:
        observer: the same model with the task and the target.
        weights: weights of that checkpoint, ready for observing.
        scores: scores that can be computed; `left_out` has the reason for each of the rest.
        classes: number of logits.
        notes: sentences for the plan, by the word that introduces them.
    """

    model: TorchModel
    observer: Observer
    weights: Weights
    scores: tuple[Score, ...]
    left_out: dict[str, str]
    classes: int
    notes: Mapping[str, str]


APART_NOTE = (
    "each checkpoint is loaded into a copy of its own: one module that takes the weights of all in "
    "turn would not give the numbers of the plain way (slower: norms are not folded)"
)
_IN_PAIRS_NOTE = (
    f"an example that is alone in its batch is computed twice: PyTorch {torch.__version__} gives "
    f"it another gradient than it has among others"
)


def _in_place_note() -> str:
    return (
        f"compared with load_state_dict and backward on itself: it can be neither copied nor built "
        f"anew (give a function as {option('model')})"
    )


def first_working_trial(
    request: Request, setup: Resolved, source: ModuleSource, first: Batch, apart: bool = False
) -> ModelTrial:
    """Return the model in the first way that works and passes the checks.

    Args:
        request: the request.
        setup: the objects that the request names.
        source: the source of the module.
        first: the examples.
        apart: only try to load each checkpoint into a module of its own.

    Raises:
        ModelError: the model fails the checks, or differs from the plain way in every way.
        ScoreError: a score that the request names cannot be computed.
    """
    contents = request.reader.contents(setup.files[-1].path)
    last, name = contents.weights, str(setup.files[-1].path)
    earliest = request.reader(setup.files[0].path)
    template = TorchModel(source.module, source=source)
    refuse_foreign_objects(template.extra_state(last, name), setup.files[-1].path)
    key_note = {} if contents.note is None else {"taken": contents.note}
    failure: ModelError | None = None
    differing: tuple[str, ...] = ()
    for model in _candidate_models(request, setup, source, first, apart):
        try:
            trial = _try_model(request, setup, source, model, last, first)
            comparison = plain_way.ComparedExamples(
                trial.weights, earliest, str(setup.files[0].path), first
            )
            differing = _differences(trial, source, comparison)
            if differing == (Signal.LAST_LAYER_NORM,):  # the last layer is reused, or tied
                trial = _try_model(request, setup, source, model, last, first, headless=True)
                differing = _differences(trial, source, comparison)
        except ModelError as error:
            failure, differing = error, ()
            continue
        failure = None
        if not differing:
            return replace(trial, notes={**key_note, **trial.notes})
    if failure is not None:
        raise failure
    raise _no_way_error(name, source, differing)


def _no_way_error(name: str, source: ModuleSource, differing: tuple[str, ...]) -> ModelError:
    """Return the error that no way equals the plain way, or that there is no way to try."""
    if not differing:
        return ModelError(
            f"the model can be neither copied nor built anew, and it is compiled by TorchScript or "
            f"keeps more of a checkpoint than its tensors; so no checkpoint can be loaded into a "
            f"copy of its own. Give a function that builds it as {option('model')}."
        )
    apart = ", even where each checkpoint is loaded into a copy of its own"
    return ModelError(
        f"{name}: the {' and the '.join(differing)} differ from those of load_state_dict, eval and "
        f"backward on a fresh model{apart if source.can_be_fresh else ''}. The output depends on "
        f"something that is not in the checkpoints: random numbers that are drawn when the model "
        f"is built, or a tensor that is computed from a weight then and not updated. Store it in "
        f"a buffer, or compute it in `forward`; if the model cannot be copied, give a function "
        f"that builds it as {option('model')}."
    )


def _differences(
    trial: ModelTrial, source: ModuleSource, comparison: plain_way.ComparedExamples
) -> tuple[Signal, ...]:
    """Return the signals in which the model differs from the plain way on a fresh module.

    If there is no fresh module, the user's module is loaded, and restored afterwards.
    """
    needs, reference = scores.needs_of(trial.scores), source.fresh()
    if reference is not None:
        return plain_way.differing_signals(trial.observer, reference, comparison, needs)
    with restored_on_exit(source.module):
        return plain_way.differing_signals(trial.observer, source.module, comparison, needs)


def _candidate_models(
    request: Request, setup: Resolved, source: ModuleSource, first: Batch, apart: bool
) -> Iterator[TorchModel]:
    """Yield the model in each way, the fastest first."""
    model = TorchModel(
        source.module,
        setup.device,
        source=source,
        restores=source.build is None and source.template is None,
    )
    plain = replace(model, layout=torch.contiguous_format)
    if not (apart or is_scripted(source.module)):
        if first.inputs.ndim == 4:
            yield model
        elif request.fold:
            yield plain
        yield replace(plain, may_fold=False)
    if source.template is not None or source.build is not None:
        yield replace(plain, may_fold=False, in_copies=True)


def _try_model(
    request: Request,
    setup: Resolved,
    source: ModuleSource,
    model: TorchModel,
    last: Mapping[str, Any],
    first: Batch,
    headless: bool = False,
) -> ModelTrial:
    """Return the model with its head found, its norms folded, and all checks passed."""
    name = str(setup.files[-1].path)
    if model.template is not None and not model.in_copies:
        module = source.copy_or_fresh()
        if module is None:
            raise ModelError("the model cannot be copied after a checkpoint was loaded into it.")
        state_dict.load(last, module, name)  # creates what is missing, such as lazy layers
        model = replace(model, module=module)
    with model.evaluation_mode():
        fitted = model.fit(last, name)
    note = None if model.template is None else state_dict.rename(last, model.template, name).note
    model = _with_head(model, fitted, first)
    model = replace(model, head=None) if headless else model
    leave_out = request.scores is None or request.scores == "all"
    available, left_out = _available_scores(setup, model, leave_out)
    needs = scores.needs_of(available)
    if request.fold and model.may_fold and model.template is not None:
        model = acceleration.with_folded_norms(
            Observer(model, setup.task, setup.target), fitted, first, needs
        )
    weights = model.ready(fitted)
    with model.evaluation_mode():
        observer = Observer(model, setup.task, setup.target)
        model = replace(model, in_pairs=preflight.differs_alone(observer, weights, needs, first))
        observer = replace(observer, model=model)
        classes = preflight.preflight(observer, weights, needs, setup.examples, first)
    notes = {"names": note} if note else {}
    remarks = [APART_NOTE] if model.in_copies else []
    remarks += [_IN_PAIRS_NOTE] if model.in_pairs else []
    remarks += [] if source.can_be_fresh else [_in_place_note()]
    if remarks:
        notes["model"] = "; ".join(remarks)
    return ModelTrial(model, observer, weights, available, left_out, classes, notes)


def _with_head(model: TorchModel, fitted: Weights, first: Batch) -> TorchModel:
    """Return the model with its head, if it has one, after a test with a few inputs."""
    with model.evaluation_mode(), torch.enable_grad():
        weights = model.ready(fitted)
        inputs = preflight.probe_model(model, weights, first)
        placed = model.place(inputs)
        run_module = model.module_for(weights)
        return replace(
            model,
            head=linear_head.find(run_module, weights, lambda: model.forward(weights, placed)[0]),
        )


def _available_scores(
    setup: Resolved, model: Model, leave_out: bool
) -> tuple[tuple[Score, ...], dict[str, str]]:
    """Return the scores that can be computed, and the reason for each score that cannot.

    Raises:
        ScoreError: the request names a score that cannot be computed.
    """
    headless = [s.name for s in setup.scores if not scores.needs_of([s]) <= model.signals]
    no_labels = setup.examples.unlabelled and setup.target.at_prediction
    labelless = [score.name for score in setup.scores if no_labels and scores.uses_label(score)]
    if headless and not leave_out:
        raise ScoreError(
            f"{', '.join(headless)} needs a model whose logits are the output of its last "
            f"nn.Linear; those of this model are not. Drop it from {option('scores')}."
        )
    if labelless and not leave_out:
        raise ScoreError(
            f"{', '.join(labelless)} needs labels, and the data have none. Drop it from "
            f"{option('scores')}."
        )
    left_out = dict.fromkeys(headless, "no linear head") | dict.fromkeys(labelless, "no labels")
    return tuple(score for score in setup.scores if score.name not in left_out), left_out
