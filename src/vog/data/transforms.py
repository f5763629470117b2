"""The transform that a user names, as a function."""

from vog.data import images
from vog.data.built_in_transforms import transform_of_word
from vog.data.images import Transform
from vog.data.processors import folder_processor, timm_transform
from vog.user_functions import load_function
from vog.wording import option

TransformSpec = str | Transform | None
# Transforms that come with models, by the scheme of their names.
_OF_MODELS = {
    "hf": folder_processor.processor_of_name,
    "timm": timm_transform.transform_of_name,
}


def image_transform(spec: TransformSpec) -> Transform:
    """Return a transform of pictures, by default `imagenet`; "none" scales the pixels alone.

    Raises:
        FunctionError: there is no such function.
    """
    if spec is None:
        return images.imagenet
    return value_transform(spec) or images.unchanged


def value_transform(spec: TransformSpec) -> Transform | None:
    """Return a transform of arrays or items; None, also by default, leaves them as they are.

    Raises:
        FunctionError: there is no such function.
    """
    if spec is None or spec == "none":
        return None
    if not isinstance(spec, str):
        return spec
    scheme, _, rest = spec.partition(":")
    if scheme in _OF_MODELS:
        return _OF_MODELS[scheme](rest, spec)
    return transform_of_word(spec) or load_function(spec, option("transform"))
