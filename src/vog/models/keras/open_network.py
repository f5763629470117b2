"""Open a model of Keras, or a function that builds one; Keras itself is imported only then."""

from collections.abc import Callable
from typing import Any

from vog.models.options import Adapter, ModelOptions
from vog.models.protocol import Model

_OLD = ("tf_keras.", "keras.engine.", "keras.src.engine.", "tensorflow.python.keras.")


def _opens(value: object) -> bool:
    """Return whether an object is a model of Keras, on whatever backend."""
    kinds = () if isinstance(value, type) else type(value).__mro__
    return any(_is_model(kind) or _is_old_model(kind) for kind in kinds)


def _is_model(kind: type) -> bool:
    return kind.__module__ == "keras.src.models.model" and kind.__name__ == "Model"


def _is_old_model(kind: type) -> bool:
    return kind.__name__ == "Model" and kind.__module__.startswith(_OLD)


def _model(value: Any, build: Callable[[], object] | None, options: ModelOptions) -> Model:
    """Return the model of a model of Keras.

    Raises:
        ModelError: the model cannot be used, or the device is another one.
    """
    if any(_is_old_model(kind) for kind in type(value).__mro__):
        from vog.models.keras.old_keras import OldKeras
        from vog.models.tensorflow.adapter import model_of_source

        return model_of_source(OldKeras(value, build), options)
    from vog.models.keras.adapter import model_of_network

    return model_of_network(value, build, options)


ADAPTER = Adapter("a model of Keras", _opens, _model)
