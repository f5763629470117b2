"""Build the model below an adapter of PEFT, and add the adapter to it."""

import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from vog.data.processors.quiet import quiet_transformers
from vog.errors import ModelError, first_few
from vog.files.file_names import expanded
from vog.models.hugging_face.adapters import adapter_weights
from vog.models.hugging_face.saved_folders import ADAPTER_CONFIG, read_json
from vog.user_functions import describe_error
from vog.wording import option

_AUTO_CLASSES = {
    "SEQ_CLS": "AutoModelForSequenceClassification",
    "TOKEN_CLS": "AutoModelForTokenClassification",
    "CAUSAL_LM": "AutoModelForCausalLM",
}


@dataclass(frozen=True)
class WithAdapter:
    """Builds a model and adds the adapter that a folder describes.

    Attributes:
        build: makes the model below.
        folder: of an adapter.
    """

    build: Callable[[], Any]
    folder: Path

    def __call__(self) -> nn.Module:
        """Return the model with an adapter that has no training yet.

        Raises:
            ModelError: PEFT cannot add it to this model.
        """
        base = self.build()
        try:
            with quiet_transformers(), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # such as on the name of the base, which has none
                import peft

                config = peft.PeftConfig.from_pretrained(str(self.folder))
                config.inference_mode = False  # it says what is trained, and what is the base
                return peft.get_peft_model(base, config)
        except Exception as error:
            raise ModelError(
                f"the adapter in {self.folder} cannot be added to the model "
                f"({type(base).__name__}): {describe_error(error)}. Give the "
                f"model that was trained."
            ) from error


@dataclass(frozen=True)
class BaseModel:
    """Builds the model below an adapter, with the weights that it was trained on.

    Attributes:
        folder: of the adapter.
        args: settings that replace those of the configuration.
    """

    folder: Path
    args: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self) -> nn.Module:
        """Return the model.

        Raises:
            ModelError: it is not on this machine, or lacks weights that the adapter does not bring.
        """
        import transformers

        settings = read_json(self.folder / ADAPTER_CONFIG)
        name = str(settings.get("base_model_name_or_path") or "")
        place = str(expanded(name)) if name and expanded(name).is_dir() else name
        what = f"the base model {name!r} of the adapter in {self.folder}"
        model_class = _base_class(settings, place, what)
        numbers = {"num_labels": n} if (n := self._number_of_labels(settings)) is not None else {}
        try:
            with quiet_transformers():
                module, report = model_class.from_pretrained(
                    place,
                    local_files_only=True,
                    trust_remote_code=False,
                    dtype="float32",
                    ignore_mismatched_sizes=True,
                    output_loading_info=True,
                    **{**numbers, **self.args},
                )
        except Exception as error:
            raise ModelError(
                f"{what} {_why_not_loaded(place, error)}. Give "
                f"{option('model', 'file.py:function')}, which returns the base model."
            ) from error
        assert isinstance(module, transformers.PreTrainedModel), (
            "what a class of transformers loads"
        )
        module.config._name_or_path = ""  # a setting of the model, which a copy elsewhere has too
        module.name_or_path = ""
        saved = settings.get("modules_to_save") or []
        mismatched = {entry[0] for entry in report["mismatched_keys"]}
        new = sorted(
            key
            for key in {*report["missing_keys"], *mismatched}
            if not any(part in saved for part in key.split("."))
        )
        if new:
            raise ModelError(
                f"{what} has no weights for {first_few(new)}, and the adapter does not bring them. "
                f"Give {option('model', 'file.py:function')}, which returns the base that was used."
            )
        return module

    def _number_of_labels(self, settings: Mapping[str, Any]) -> int | None:
        """Return how many classes the head has that the adapter brings; None if it brings none."""
        saved = settings.get("modules_to_save") or []
        heads = {
            name: value
            for name, value in adapter_weights(self.folder).items()
            if any(part in saved for part in name.split("."))
            and re.search(r"\.(classifier|score|out_proj)(\.[01])?\.weight$", name)
        }
        return len(list(heads.values())[-1]) if heads else None


def _base_class(settings: Mapping[str, Any], place: str, what: str) -> Any:
    """Return the class of the model below an adapter."""
    import transformers

    named = (settings.get("auto_mapping") or {}).get("base_model_class")
    auto = _AUTO_CLASSES.get(str(settings.get("task_type")))
    if named is None and auto is None:
        try:
            with quiet_transformers():
                config = transformers.AutoConfig.from_pretrained(place, local_files_only=True)
        except Exception as error:
            raise ModelError(
                f"{what} {_why_not_loaded(place, error)}. Give "
                f"{option('model', 'file.py:function')}, which returns the base model."
            ) from error
        named = next(iter(config.architectures or []), None)
    model_class = getattr(transformers, str(named or auto), None)
    if model_class is None:
        raise ModelError(
            f"{what} is of the class {named or auto}, which transformers {transformers.__version__}"
            f" does not have. Give {option('model', 'file.py:function')}, which returns it."
        )
    return model_class


def _why_not_loaded(place: str, error: Exception) -> str:
    if Path(place).is_dir():
        return f"cannot be loaded: {describe_error(error)}"
    return "is no folder, and not in the cache of this machine. Nothing is downloaded"
