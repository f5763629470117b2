"""Adapters of PEFT, such as LoRA: checkpoints hold what is added to a base that is held once."""

import inspect
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from vog.checkpoints import Contents
from vog.data.processors import folder_processor
from vog.data.processors.quiet import quiet_transformers
from vog.errors import CheckpointError, ModelError, first_few
from vog.models.hugging_face.configurations import names_of
from vog.models.hugging_face.pretrained_reader import pretrained_parts
from vog.models.hugging_face.saved_folders import (
    ADAPTER_CONFIG,
    is_adapter,
    is_checkpoint,
)
from vog.models.protocol import Companions
from vog.user_functions import describe_error
from vog.wording import option

_NAME = "default"  # of the adapter that PEFT adds
# What changes no output in evaluation mode, or says where the adapter is from.
_WITHOUT_EFFECT = frozenset(
    {
        "auto_mapping",
        "base_model_name_or_path",
        "inference_mode",
        "init_lora_weights",
        "peft_version",
        "revision",
        "task_type",
    }
)


@dataclass(frozen=True)
class AdapterReader:
    """Reads folders of adapters for a module that has such an adapter.

    Attributes:
        names: the names of the adapter's tensors in the module, by their names in a file.
        config: the configuration of the adapter.
        base_config: that of the model below, if it is one of transformers.
        architecture: what the model is, for the plan.
        arguments: of the model below.
        home: a folder that may have the processor if no checkpoint has it.
    """

    names: Mapping[str, str]
    config: Mapping[str, Any]
    base_config: Mapping[str, Any]
    architecture: str
    arguments: frozenset[str]
    home: Path | None = None

    def takes(self, path: Path) -> bool:
        """Return whether a path is the folder of one adapter."""
        return is_checkpoint(path) and is_adapter(path)

    def contents(self, path: Path) -> Contents:
        """Return the weights of an adapter by their names in the module.

        Raises:
            CheckpointError: the folder cannot be read, or its adapter is of another kind.
        """
        _refuse_difference(path, _config_in(path), self.config)
        weights = adapter_weights(path)
        surplus = [name for name in weights if name not in self.names]
        missing = [name for name in self.names if name not in weights]
        if surplus or missing:
            lines = [f"checkpoint {path} does not fit the model"]
            lines += [f"  only in the file:  {first_few(surplus, 6)}"] if surplus else []
            lines += [f"  only in the model: {first_few(missing, 6)}"] if missing else []
            raise CheckpointError(
                "\n".join(lines) + f"\nThe adapter has to be the one that was trained: correct "
                f"{option('model')} or {option('checkpoints')}."
            )
        named = OrderedDict((self.names[name], value) for name, value in weights.items())
        return Contents(named, "", None)

    def companions(self, last: Path) -> Companions:
        """Return the processor beside the adapter, and the names of classes of the model below."""
        return Companions(
            folder_processor.first_processor((last, last.parent, self.home), self.arguments),
            names_of(self.base_config),
            self.architecture,
        )


def require_peft(folder: Path) -> None:
    """Raise ModelError unless PEFT is installed."""
    try:
        import peft  # noqa: F401
    except ModuleNotFoundError as error:
        raise ModelError(
            f"{folder} holds an adapter of PEFT, and {error.name} is not installed. Run: pip "
            f"install 'vog[peft]'"
        ) from error


def has_adapter(module: nn.Module) -> bool:
    """Return whether PEFT made a module, which then has an adapter."""
    return any(
        kind.__name__ == "PeftModel" and kind.__module__.partition(".")[0] == "peft"
        for kind in type(module).__mro__
    )


def adapter_reader_of(module: nn.Module) -> AdapterReader:
    """Return the reader of the adapters for a module that PEFT made.

    Raises:
        ModelError: the module has several adapters, or one whose tensors are not its own.
    """
    import peft

    peft_module: Any = module
    configs = peft_module.peft_config
    if len(configs) != 1:
        raise ModelError(
            f"the model has the adapters {first_few(list(configs))}; expected one, whose "
            f"checkpoints are scored. Add one alone in {option('model')}."
        )
    name, config = next(iter(configs.items()))
    state = module.state_dict(keep_vars=True)
    saved = peft.get_peft_model_state_dict(peft_module, state, name, save_embedding_layers=False)
    own = {id(value): key for key, value in reversed(state.items())}
    names = {key: own.get(id(value)) for key, value in saved.items()}
    if None in names.values() or not names:
        raise ModelError(
            f"adapters of the kind {config.peft_type.value} compute what they save, so their files "
            f"cannot be matched to the model. Expected an adapter such as LoRA. Give a model into "
            f"which the adapter was merged, with its own checkpoints."
        )
    base: Any = next(iter(pretrained_parts(peft_module.get_base_model())), None)
    below = type(peft_module.get_base_model())
    return AdapterReader(
        {key: value for key, value in names.items() if value is not None},
        _comparable(config.to_dict()),
        {} if base is None else base.config.to_dict(),
        f"{below.__name__} with an adapter of PEFT ({config.peft_type.value})",
        frozenset(inspect.signature(below.forward).parameters),
    )


def adapter_weights(path: Path) -> dict[str, Tensor]:
    """Return the tensors in the folder of an adapter, by their names in the file.

    Raises:
        CheckpointError: they cannot be read.
    """
    import peft

    try:
        return peft.load_peft_weights(str(path), device="cpu")
    except Exception as error:
        raise CheckpointError(
            f"checkpoint {path} cannot be read by PEFT: {describe_error(error)}. Save it again "
            f"with save_pretrained, or leave it out."
        ) from error


def _config_in(path: Path) -> Mapping[str, Any]:
    import peft

    try:
        with quiet_transformers():
            return _comparable(peft.PeftConfig.from_pretrained(str(path)).to_dict())
    except Exception as error:
        raise CheckpointError(
            f"{path / ADAPTER_CONFIG} cannot be read by PEFT: {describe_error(error)}. Expected "
            f"what save_pretrained writes."
        ) from error


def _comparable(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what decides on the outputs: sets in order, without what has no effect."""
    return {
        key: sorted(value) if isinstance(value, set | list) and _are_texts(value) else value
        for key, value in config.items()
        if key not in _WITHOUT_EFFECT and "dropout" not in key
    }


def _are_texts(values: Any) -> bool:
    return all(isinstance(value, str) for value in values)


def _refuse_difference(path: Path, stored: Mapping[str, Any], model: Mapping[str, Any]) -> None:
    """Raise CheckpointError if an adapter is configured in another way than that of the model."""
    keys = [key for key in {**stored, **model} if stored.get(key) != model.get(key)]
    if keys:
        texts = [f"{key}: {stored.get(key)!r}, not {model.get(key)!r}" for key in keys]
        raise CheckpointError(
            f"checkpoint {path} has another adapter than the model: {first_few(texts)}. All "
            f"checkpoints have to be of one training. Correct {option('checkpoints')} or "
            f"{option('model')}."
        )
