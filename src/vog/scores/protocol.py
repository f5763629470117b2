"""The interface of a score: a fold over checkpoints that leaves one number an example.

    init(observation) -> state      from the observation of one or more checkpoints
    merge(earlier, later) -> state  from two states of the same examples, in training order
    compute(state) -> scores        one number an example

There is no update(). The next checkpoint is `merge(state, init(observation))`; checkpoints from two
machines are `merge(first, second)`; the stage "all" is `merge(merge(early, middle), late)`.
One law makes all three right, and one test (`tests/scores/test_contract.py`) checks it for
every registered score:

    merge(init(first half), init(second half)) == init(all of it)
"""

from typing import Any, Literal, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from vog.observation import Observation, Outcome, Signal

Direction = Literal["harder", "easier"]


@runtime_checkable  # so that beartype can check it while the tests run
class Score(Protocol):
    """A measure of difficulty. Implementations are frozen and keep no state of their own."""

    @property
    def name(self) -> str:
        """Name of the column and on the command line: lower case, no spaces, no @ or :."""
        ...

    @property
    def needs(self) -> frozenset[Signal | Outcome]:
        """The signals of the model, and the outcomes of the task, that this score reads."""
        ...

    @property
    def higher_means(self) -> Direction: ...

    @property
    def range(self) -> tuple[float, float]:
        """Smallest and largest possible value; an infinite end may be a value or a bound."""
        ...

    @property
    def unit(self) -> str: ...

    @property
    def source(self) -> str:
        """The publication or the rule that defines the score."""
        ...

    @property
    def min_checkpoints(self) -> int:
        """A stage with fewer checkpoints does not have this score."""
        ...

    def init(self, observation: Observation, /) -> Any:
        """Return the state after the checkpoints of an observation."""
        ...

    def merge(self, earlier: Any, later: Any) -> Any: ...

    def compute(self, state: Any) -> Float[Tensor, "n"]: ...
