"""Tasks: what a right answer is, and which numbers and gradients follow from outputs and labels."""

from vog.tasks.classification import CLASSIFICATION as CLASSIFICATION
from vog.tasks.protocol import Task as Task
