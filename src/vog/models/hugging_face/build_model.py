"""Build the model that a configuration of transformers describes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from vog.data.processors.quiet import quiet_transformers
from vog.errors import ModelError
from vog.files.file_names import expanded
from vog.models.hugging_face import configurations
from vog.models.hugging_face.saved_folders import CONFIG, last_in, read_json
from vog.user_functions import describe_error
from vog.wording import option

# Asked in this order if a configuration does not name its class.
_AUTO_CLASSES = (
    "AutoModelForImageClassification",
    "AutoModelForSequenceClassification",
    "AutoModelForAudioClassification",
    "AutoModelForTokenClassification",
    "AutoModelForCausalLM",
)


@dataclass(frozen=True)
class ModelFolder:
    """Builds the model of a folder or a name; its weights are those of a new model.

    Attributes:
        name: a folder with `config.json` or with `checkpoint-N` folders, or a name in the cache.
        args: settings that replace those of the configuration.
    """

    name: str
    args: Mapping[str, Any] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """The folder with the configuration, that of the last checkpoint, or else the name."""
        folder = expanded(self.name)
        return str(last_in(folder) or folder) if folder.is_dir() else self.name

    def __call__(self) -> nn.Module:
        """Return the model, in evaluation mode.

        Raises:
            ModelError: there is no configuration, or transformers cannot build the model.
        """
        what = option("model", f"hf:{self.name}")
        config = self._config(what)
        model_class = _class_of(config, what)
        try:
            with quiet_transformers():
                config.use_cache = False  # what a language model keeps for its next token
                config._name_or_path = ""  # a setting of the model, which a copy elsewhere has too
                model = model_class._from_config(config, dtype=torch.float32)
        except Exception as error:
            raise ModelError(
                f"{what}: {model_class.__name__} cannot be built: {describe_error(error)}. Correct "
                f"{CONFIG} or {option('model_args')}."
            ) from error
        return model.eval()

    def _config(self, what: str) -> Any:
        from transformers import AutoConfig

        place = self.place
        if Path(place).is_dir():
            self._refuse_folder_without_config(Path(place), what)
        try:
            with quiet_transformers():
                return AutoConfig.from_pretrained(
                    place, local_files_only=True, trust_remote_code=False, **self.args
                )
        except Exception as error:
            if Path(place).is_dir():
                raise ModelError(
                    f"{what}: {place}/{CONFIG} describes no model that this version of "
                    f"transformers builds: {describe_error(error)}."
                ) from error
            raise ModelError(
                f"{what}: there is no folder of that name, and no model of that name in the cache "
                f"of this machine. Nothing is downloaded: give a folder that save_pretrained or "
                f"Trainer wrote, or download the model yourself first."
            ) from error

    @staticmethod
    def _refuse_folder_without_config(folder: Path, what: str) -> None:
        if not (folder / CONFIG).is_file():
            raise ModelError(
                f"{what}: {folder} has no {CONFIG}, and neither has a checkpoint-N folder in it. "
                f"Expected a folder that save_pretrained or Trainer wrote."
            )
        config = read_json(folder / CONFIG)
        configurations.refuse_custom_code(folder, config)
        configurations.refuse_quantized(folder, config)


def _class_of(config: Any, what: str) -> Any:
    """Return the class that a configuration names, or else the first that takes it.

    Raises:
        ModelError: transformers has no such class.
    """
    import transformers

    names = config.architectures or []
    if len(names) == 1:
        model_class = getattr(transformers, names[0], None)
        if model_class is None:
            raise ModelError(
                f"{what}: {CONFIG} names the class {names[0]}, which transformers "
                f"{transformers.__version__} does not have. Give a function that builds it as "
                f"{option('model', 'file.py:function')}."
            )
        return model_class
    for name in _AUTO_CLASSES:
        classes = getattr(transformers, name)._model_mapping
        if type(config) in classes:
            model_class = classes[type(config)]
            return model_class[0] if isinstance(model_class, tuple) else model_class
    raise ModelError(
        f"{what}: {CONFIG} names no class (architectures), and {type(config).__name__} has none "
        f"for classification. Write the class that was trained into {CONFIG}."
    )
