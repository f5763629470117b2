"""Open `tf1:file.py:function` and `savedmodel:FOLDER`; TensorFlow is imported only then."""

from collections.abc import Callable
from typing import Any

from vog.errors import ModelError
from vog.files.file_names import expanded
from vog.models.builder import Builder
from vog.models.options import Adapter, ModelOptions
from vog.models.protocol import Model
from vog.wording import option

_FUNCTION, _FOLDER = "tf1", "savedmodel"


def _opens(value: object) -> bool:
    """Return False: objects of TensorFlow alone are opened by name, since they begin as graphs."""
    return False


def _model(value: Any, build: Callable[[], object] | None, options: ModelOptions) -> Model:
    """Raise AssertionError: no object is of this kind."""
    raise AssertionError("no object is opened as a network of TensorFlow 1")


def _of_function(rest: str, options: ModelOptions) -> Model:
    """Return the model of the function of that name.

    Raises:
        FunctionError: the function cannot be found.
        ModelError: TensorFlow is not installed, or the network cannot be used.
    """
    _require_tensorflow(f"{_FUNCTION}:{rest}")
    from vog.models.tensorflow.adapter import model_of_source
    from vog.models.tensorflow.networks import Tf1Function

    build = Builder(rest, options.args)
    _ = build.function  # a name that is wrong is told now
    return model_of_source(Tf1Function(build), options)


def _of_folder(rest: str, options: ModelOptions) -> Model:
    """Return the model in the folder of that name.

    Raises:
        ModelError: TensorFlow is not installed, or the folder is no SavedModel.
    """
    folder = expanded(rest)
    what = option("model", f"{_FOLDER}:{rest}")
    if not (folder / "saved_model.pb").is_file():
        found = "there is no such folder" if not folder.is_dir() else "it has no saved_model.pb"
        raise ModelError(
            f"{what}: {found}. Expected a folder that tf.saved_model.save or model.export wrote."
        )
    if options.args:
        raise ModelError(
            f"{what}: a SavedModel is built already. Leave {option('model_args')} out."
        )
    _require_tensorflow(f"{_FOLDER}:{rest}")
    from vog.models.tensorflow.adapter import model_of_source
    from vog.models.tensorflow.networks import SavedModel

    return model_of_source(SavedModel(folder.absolute()), options)


def _require_tensorflow(spec: str) -> None:
    try:
        import tensorflow  # noqa: F401
    except ModuleNotFoundError as error:
        raise ModelError(
            f"{option('model', spec)}: {error.name} is not installed. Run: pip install "
            f"'vog[tensorflow]'"
        ) from error


FUNCTION_ADAPTER = Adapter(
    "a function of TensorFlow 1", _opens, _model, scheme=_FUNCTION, of_name=_of_function
)
FOLDER_ADAPTER = Adapter("a SavedModel", _opens, _model, scheme=_FOLDER, of_name=_of_folder)
