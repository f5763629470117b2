"""Compare the configurations of saved models: weights of a different one fit, and mean another."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vog.errors import CheckpointError, first_few
from vog.models.hugging_face.saved_folders import CONFIG
from vog.wording import option

# Settings that change no output in evaluation mode: names, versions, training, and what is
# returned beside the logits.
_WITHOUT_EFFECT = frozenset(
    {
        "_attn_implementation_autoset",
        "_name_or_path",
        "architectures",
        "dtype",
        "experts_implementation",
        "gradient_checkpointing",
        "initializer_factor",
        "initializer_range",
        "label2id",
        "output_attentions",
        "output_hidden_states",
        "problem_type",
        "return_dict",
        "torch_dtype",
        "torchscript",
        "transformers_version",
        "use_cache",
    }
)
_NAMES = "id2label"


def refuse_custom_code(folder: object, config: Mapping[str, Any]) -> None:
    """Raise CheckpointError if the model is defined by code that came with its weights."""
    if config.get("auto_map"):
        raise CheckpointError(
            f"{folder} names Python code of its own ({CONFIG}: auto_map), which is not run. If you "
            f"trust it, write a function that calls from_pretrained with trust_remote_code=True, "
            f"and give it as {option('model', 'file.py:function')}."
        )


def refuse_quantized(folder: object, config: Mapping[str, Any]) -> None:
    """Raise CheckpointError if the weights are stored in fewer bits, which have no gradients."""
    if config.get("quantization_config"):
        raise CheckpointError(
            f"{folder} holds quantized weights ({CONFIG}: quantization_config). Expected weights "
            f"as they were trained. Give the folder that was saved before they were quantized."
        )


def refuse_difference(path: Path, stored: Mapping[str, Any], model: Mapping[str, Any]) -> None:
    """Raise CheckpointError if a checkpoint's configuration is not that of the model.

    Args:
        path: of the checkpoint.
        stored: the configuration beside its weights.
        model: the configuration of the model.
    """
    keys = [key for key in {**stored, **model} if _has_effect(key)]
    different = [key for key in keys if stored.get(key) != model.get(key)]
    if _NAMES in different and (has_generic_names(stored) or has_generic_names(model)):
        different.remove(_NAMES)
    if different:
        texts = [
            f"{key}: {_short(stored.get(key))}, not {_short(model.get(key))}" for key in different
        ]
        raise CheckpointError(
            f"checkpoint {path} has another configuration than the model: {first_few(texts)}. All "
            f"checkpoints have to be of the model that is scored. Correct {option('checkpoints')} "
            f"or {option('model')}."
        )


def names_of(config: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return the names of the classes by number; None if there are none, or made-up ones."""
    names = {int(number): str(name) for number, name in (config.get(_NAMES) or {}).items()}
    is_complete = sorted(names) == list(range(len(names))) and len(names) > 1
    if not is_complete or has_generic_names(config):
        return None
    return tuple(names[number] for number in sorted(names))


def has_generic_names(config: Mapping[str, Any]) -> bool:
    """Return whether the classes have the names that transformers makes up: `LABEL_0`, ..."""
    names = config.get(_NAMES) or {}
    return all(str(name) == f"LABEL_{number}" for number, name in names.items())


def _has_effect(key: str) -> bool:
    return key not in _WITHOUT_EFFECT and "drop" not in key


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
