"""Open `hf:FOLDER`, a folder that `save_pretrained` or Trainer wrote, as a model."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from torch import nn

from vog.errors import ModelError
from vog.models.hugging_face.adapter_base import BaseModel, WithAdapter
from vog.models.hugging_face.adapters import AdapterReader, require_peft
from vog.models.hugging_face.build_model import ModelFolder
from vog.models.hugging_face.pretrained_reader import PretrainedReader
from vog.models.hugging_face.saved_folders import is_adapter
from vog.models.options import Adapter, ModelOptions
from vog.models.protocol import Model
from vog.models.torch import open_module
from vog.models.torch.adapter import TorchModel
from vog.wording import option

SCHEME = "hf"


def _opens(value: object) -> bool:
    """Return False: a model of transformers is a module of PyTorch."""
    return False


def _model(value: object, build: object, options: ModelOptions) -> Model:
    """Raise AssertionError: no object is opened here."""
    raise AssertionError("`opens` takes no object")


def _of_name(rest: str, options: ModelOptions) -> Model:
    """Return the model of a folder or of a name in the user's own cache.

    Raises:
        ModelError: transformers is not installed, or the folder describes no model.
    """
    require_transformers(f"{SCHEME}:{rest}")
    build = ModelFolder(rest, options.args)
    place = Path(build.place)
    if is_adapter(place):
        require_peft(place)
        base = BaseModel(place, options.args)
        return open_module.ADAPTER.model(*_built(WithAdapter(base, place)), options)
    model = open_module.ADAPTER.model(*_built(build), options)
    assert isinstance(model, TorchModel), "what the adapter of PyTorch opens"
    reader = model.folder_reader
    if not isinstance(reader, PretrainedReader | AdapterReader):  # options say how files are read
        return model
    return replace(model, folder_reader=replace(reader, home=place))


def _built(build: Callable[[], nn.Module]) -> tuple[nn.Module, Callable[[], nn.Module]]:
    return build(), build


def require_transformers(spec: str) -> None:
    """Raise ModelError unless transformers is installed."""
    try:
        import transformers  # noqa: F401
    except ModuleNotFoundError as error:
        raise ModelError(
            f"{option('model', spec)}: {error.name} is not installed. Run: pip install 'vog[hf]'"
        ) from error


ADAPTER = Adapter(
    "a folder of transformers", _opens, _model, open_module.ADAPTER.check, SCHEME, _of_name
)
