"""The contract of a transform that comes with a model, and where it is put into a reader."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from PIL import Image

from vog import pixels
from vog.data.examples import Examples, UnreadableError
from vog.wording import option


@runtime_checkable
class ModelTransform(Protocol):
    """Makes inputs of a model from images, texts or sounds. It is sent to worker processes.

    Attributes:
        name: its name and a digest of its settings, as a run stores them.
        summary: where it is from and what it makes, for the plan.
    """

    @property
    def name(self) -> str: ...

    @property
    def summary(self) -> str: ...

    def takes(self, value: Any) -> bool:
        """Return whether a value is of a kind that the transform makes inputs from."""
        ...

    def __call__(self, value: Any) -> Any:
        """Return the input of a model: an array, or arrays by name."""
        ...


@dataclass(frozen=True)
class IfTaken:
    """Applies a transform to the values that it takes, and leaves other values as they are.

    Attributes:
        transform: as the model has it.
    """

    transform: ModelTransform

    @property
    def name(self) -> str:
        """The name of the transform; a run whose data do not show what they hold has this one."""
        return f"{self.transform.name} if taken"

    @property
    def summary(self) -> str:
        """Where the transform is from."""
        return f"{self.transform.summary}, for what it takes"

    def takes(self, value: Any) -> bool:
        """Return True: what the transform does not take stays as it is."""
        return True

    def __call__(self, value: Any) -> Any:
        """Return the transformed value, or the value itself."""
        return self.transform(value) if self.transform.takes(value) else value


def with_transform(examples: Examples, transform: Any) -> Examples:
    """Return the examples with another transform in their reader."""
    return dataclasses.replace(examples, read=_replaced(examples.read, transform))


def _replaced(read: Any, transform: Any) -> Any:
    names = {field.name for field in dataclasses.fields(read)}
    if "transform" in names:
        return dataclasses.replace(read, transform=transform)
    return dataclasses.replace(read, read=_replaced(read.read, transform))


def refuse_deep(image: Image.Image) -> None:
    """Raise UnreadableError if an image has more than eight bits, which RGB would clip at white."""
    if pixels.is_deep(image):
        raise UnreadableError(
            f"the image has more than eight bits a pixel ({image.mode}), which the model's own "
            f"transform does not take; give a {option('transform')} that scales it"
        )


def stored_name(transform: object) -> str | None:
    """Return the name that a run stores for a transform of a model; None for any other one."""
    return transform.name if isinstance(transform, ModelTransform) else None


def is_stored_name(name: str) -> bool:
    """Return whether a name in a run is that of a transform that came with the model."""
    return name.startswith(_PREFIXES)


_PREFIXES = ("hf ", "timm ")
