"""The transform that a user names, as a function."""

from vog.data import images
from vog.data.images import Transform
from vog.user_functions import load_function
from vog.wording import option

TransformSpec = str | Transform | None


def image_transform(spec: TransformSpec) -> Transform:
    """Return a transform of pictures, by default `imagenet`; "none" scales the pixels alone.

    Raises:
        FunctionError: there is no such function.
    """
    if spec is None or spec == "imagenet":
        return images.imagenet
    return value_transform(spec) or images.unchanged


def value_transform(spec: TransformSpec) -> Transform | None:
    """Return a transform of arrays or items; None, also by default, leaves them as they are.

    Raises:
        FunctionError: there is no such function.
    """
    if spec is None or spec == "none":
        return None
    if spec == "imagenet":
        return images.imagenet
    return load_function(spec, option("transform")) if isinstance(spec, str) else spec
