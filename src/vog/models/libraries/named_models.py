"""Open `timm:NAME` and `torchvision:NAME`: models of libraries without their trained weights."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any

from vog.data.processors.timm_transform import transform_of_settings
from vog.errors import ModelError, unknown
from vog.models.builder import Builder
from vog.models.options import Adapter, ModelOptions
from vog.models.protocol import Companions, Model
from vog.models.torch import open_module
from vog.models.torch.adapter import TorchModel
from vog.user_functions import describe_error
from vog.wording import option

TIMM, TORCHVISION = "timm", "torchvision"
_NEAR = 20


@dataclass(frozen=True)
class NamedModel:
    """Builds a model that a library has under a name, with random weights.

    Attributes:
        library: "timm" or "torchvision".
        name: of the model.
        args: keywords for the function of the library, such as `num_classes`.
    """

    library: str
    name: str
    args: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self) -> Any:
        """Return the model.

        Raises:
            ModelError: the library is not installed, or cannot build the model.
        """
        library = _library(self.library, self.name)
        try:
            if self.library == TIMM:
                return library.create_model(self.name, pretrained=False, **self.args)
            return library.get_model(self.name, weights=None, **_quick(self.name, self.args))
        except Exception as error:
            what = option("model", f"{self.library}:{self.name}")
            raise ModelError(
                f"{what} cannot be built: {describe_error(error)}. Correct {option('model_args')}."
            ) from error


def _quick(name: str, args: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the keywords, without random weights that take seconds and a warning to make."""
    return {"init_weights": False, **args} if name in ("googlenet", "inception_v3") else args


def _library(library: str, name: str) -> Any:
    """Return the module of a library that builds models.

    Raises:
        ModelError: it is not installed.
    """
    try:
        return importlib.import_module("torchvision.models" if library == TORCHVISION else library)
    except ModuleNotFoundError as error:
        extra = " Run: pip install " + ("torchvision" if library == TORCHVISION else "'vog[timm]'")
        raise ModelError(
            f"{option('model', f'{library}:{name}')}: {error.name} is not installed.{extra}"
        ) from error


def _of_timm(name: str, options: ModelOptions) -> Model:
    """Return the model that timm has under a name, with the transform of its settings.

    Raises:
        ModelError: timm is not installed, or has no such model.
    """
    library = _library(TIMM, name)
    if not library.is_model(name.partition(".")[0]):
        if callable(getattr(library, name, None)):  # such as `timm:create_model`
            return _of_function(f"{TIMM}:{name}", options)
        raise _no_such_model(TIMM, name, library.list_models())
    model = _opened(NamedModel(TIMM, name, options.args), options)
    settings = library.data.resolve_model_data_config(model.module)
    own = Companions(transform_of_settings(settings), architecture=f"{name} of timm")
    return replace(model, own_companions=own)


def _of_torchvision(name: str, options: ModelOptions) -> Model:
    """Return the model that torchvision has under a name.

    Raises:
        ModelError: torchvision is not installed, or has no such model.
    """
    names = _library(TORCHVISION, name).list_models()
    if name not in names:
        raise _no_such_model(TORCHVISION, name, names)
    model = _opened(NamedModel(TORCHVISION, name, options.args), options)
    return replace(model, own_companions=Companions(architecture=f"{name} of torchvision"))


def _opened(build: NamedModel, options: ModelOptions) -> TorchModel:
    model = open_module.ADAPTER.model(build(), build, options)
    assert isinstance(model, TorchModel), "what the adapter of PyTorch opens"
    return model


def _of_function(spec: str, options: ModelOptions) -> Model:
    build = Builder(spec, options.args)
    return open_module.ADAPTER.model(build(), build, options)


def _no_such_model(library: str, name: str, names: list[str]) -> ModelError:
    near = get_close_matches(name, names, n=_NEAR) or names[:_NEAR]
    return ModelError(
        f"{option('model', f'{library}:{name}')}: {library} has no model {name!r}."
        f"{unknown(name, near)}"
    )


def _opens(value: object) -> bool:
    """Return False: these are modules of PyTorch."""
    return False


def _model(value: object, build: object, options: ModelOptions) -> Model:
    """Raise AssertionError: no object is opened here."""
    raise AssertionError("`opens` takes no object")


_CHECK = open_module.ADAPTER.check
TIMM_ADAPTER = Adapter("a model of timm", _opens, _model, _CHECK, TIMM, _of_timm)
TORCHVISION_ADAPTER = Adapter(
    "a model of torchvision", _opens, _model, _CHECK, TORCHVISION, _of_torchvision
)
