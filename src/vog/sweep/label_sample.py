"""Agreement of the last checkpoint with the labels of a few examples, for the plan of a run."""

import numpy as np
import torch

from vog import data
from vog.analysis.one_run.label_agreement import LabelAgreement, agreement_of
from vog.data import Batch
from vog.data.inputs import concat
from vog.data.sampling import sample_order
from vog.observation import Outcome, Signal
from vog.sweep.job import Computation
from vog.sweep.observe import labels_of

_EXAMPLES = 64


def sample_agreement(job: Computation) -> LabelAgreement | None:
    """Return the agreement on a sample of examples from all classes.

    None if the target is at the predicted class, the task predicts no class, or no example of the
    sample can be read.
    """
    if job.aim_at_prediction or not job.task.has_classes:
        return None
    rows = sample_order(job.examples.classes_of_rows, len(job.examples))[:_EXAMPLES].tolist()
    ranges = [range(row, row + 1) for row in sorted(rows)]
    readable = [batch for batch in data.samples(job.examples, ranges) if len(batch.positions)]
    size = job.batch_size
    with job.model.evaluation_mode():
        predictions = [
            _predictions(job, readable[start : start + size])
            for start in range(0, len(readable), size)
        ]
    if not predictions:
        return None
    labels = np.array([int(labels_of(job.task, batch)[0]) for batch in readable])
    return agreement_of(labels, np.concatenate(predictions), tuple(job.examples.label_names or ()))


def _predictions(job: Computation, batches: list[Batch]) -> np.ndarray:
    """Return the classes that the last checkpoint predicts; -1 where its logits are not finite."""
    inputs = concat([batch.inputs for batch in batches])
    labels = torch.zeros(len(inputs), dtype=torch.int64, device=job.model.device)
    placed, needs = job.model.place(inputs), frozenset({Signal.LOGITS})
    observation = job.observer(job.weights.last, placed, labels, needs)
    predictions = job.task.outcome(observation, Outcome.PREDICTION)[0].cpu()
    logits = observation.signal(Signal.LOGITS)[0]
    finite = logits.reshape(len(logits), -1).isfinite().all(dim=1).cpu()
    return torch.where(finite, predictions, -1).numpy()
