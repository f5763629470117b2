"""The transform for evaluation that timm has for a model: size, crop and normalisation."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from PIL import Image

from vog.data.processors.model_transform import refuse_deep
from vog.errors import FunctionError
from vog.user_functions import short_digest
from vog.wording import option

# A setting of timm's `data_config` and its value.
Settings = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class TimmTransform:
    """Makes inputs of images by the settings of a model.

    Attributes:
        settings: the `data_config` of timm.
    """

    settings: Settings

    @property
    def name(self) -> str:
        """The size of its results, and a digest of its settings."""
        return f"timm {self._size} {short_digest(repr(self.settings))}"

    @property
    def summary(self) -> str:
        """Which settings decide."""
        return f"timm's for this model ({self._size}, crop_pct {dict(self.settings)['crop_pct']})"

    @property
    def _size(self) -> str:
        return "x".join(map(str, dict(self.settings)["input_size"]))

    def takes(self, value: Any) -> bool:
        """Return whether a value is an image."""
        return isinstance(value, Image.Image)

    def __call__(self, value: Image.Image) -> Any:
        """Return the image resized, cropped and normalised, colours first."""
        refuse_deep(value)
        return _transform(self.settings)(value.convert("RGB"))


def transform_of_settings(settings: dict[str, Any]) -> TimmTransform:
    """Return the transform of a `data_config`."""
    return TimmTransform(tuple(sorted((key, _fixed(value)) for key, value in settings.items())))


def transform_of_name(rest: str, spec: str) -> TimmTransform:
    """Return the transform of `timm:NAME`.

    Raises:
        FunctionError: timm is not installed, or has no such model.
    """
    what = option("transform", spec)
    try:
        import timm
        from timm.data import resolve_data_config
    except ModuleNotFoundError as error:
        raise FunctionError(
            f"{what}: {error.name} is not installed. Run: pip install 'vog[timm]'"
        ) from error
    if not timm.is_model(rest):
        raise FunctionError(f"{what}: timm has no model {rest!r}. See timm.list_models().")
    config = timm.get_pretrained_cfg(rest)
    return transform_of_settings(resolve_data_config(pretrained_cfg=config.to_dict()))


@cache
def _transform(settings: Settings) -> Any:
    from timm.data import create_transform

    return create_transform(**dict(settings), is_training=False)


def _fixed(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
