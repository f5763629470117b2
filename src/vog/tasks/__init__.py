"""Tasks: what a right answer is, and which numbers and gradients follow from outputs and labels."""

from vog.tasks.choose_task import AUTO as AUTO
from vog.tasks.choose_task import TASKS as TASKS
from vog.tasks.choose_task import choose_task as choose_task
from vog.tasks.choose_task import task_of_name as task_of_name
from vog.tasks.classification import CLASSIFICATION as CLASSIFICATION
from vog.tasks.protocol import Task as Task
