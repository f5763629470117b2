"""Folders of saved models: which are checkpoints, and what their configurations say."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vog.checkpoints.checkpoint_folders import TRAINER_NAMES
from vog.checkpoints.steps import step_of_folder
from vog.errors import CheckpointError

CONFIG, ADAPTER_CONFIG = "config.json", "adapter_config.json"
ADAPTER_NAMES = ("adapter_model.safetensors", "adapter_model.bin")
_LARGEST_CONFIG = 2**26


def is_saved_model(folder: Path) -> bool:
    """Return whether a folder has a configuration and all weights of a model."""
    return (folder / CONFIG).is_file() and _has_any(folder, TRAINER_NAMES)


def is_adapter(folder: Path) -> bool:
    """Return whether a folder has an adapter of PEFT: what is added to a model."""
    return (folder / ADAPTER_CONFIG).is_file() and _has_any(folder, ADAPTER_NAMES)


def is_checkpoint(path: Path) -> bool:
    """Return whether a path is a folder of one saved model or adapter, and not of several.

    A folder in which Trainer wrote `checkpoint-N` folders and the last model is one of several.
    """
    return path.is_dir() and (is_saved_model(path) or is_adapter(path)) and not numbered_in(path)


def numbered_in(folder: Path) -> list[Path]:
    """Return the folders in a folder that are saved models of a step, in ascending order."""
    entries = sorted(folder.iterdir()) if folder.is_dir() else []
    saved = [
        path for path in entries if path.is_dir() and (is_saved_model(path) or is_adapter(path))
    ]
    steps = {path: step for path in saved if (step := step_of_folder(path.name)) is not None}
    return sorted(steps, key=lambda path: steps[path])


def last_in(folder: Path) -> Path | None:
    """Return the saved model of the last step in a folder, or the folder; None if there is none."""
    numbered = numbered_in(folder)
    if numbered:
        return numbered[-1]
    has_config = (folder / CONFIG).is_file() or is_adapter(folder)
    return folder if has_config else None


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a file of JSON.

    Raises:
        CheckpointError: the file cannot be read, or holds none.
    """
    try:
        if path.stat().st_size > _LARGEST_CONFIG:
            raise ValueError("it is larger than any configuration")
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(
            f"{path} cannot be read: {error}. Expected the JSON that save_pretrained writes."
        ) from error
    if not isinstance(content, dict):
        raise CheckpointError(
            f"{path} holds a {type(content).__name__}. Expected the JSON object that "
            f"save_pretrained writes."
        )
    return content


def _has_any(folder: Path, names: Sequence[str]) -> bool:
    return any((folder / name).is_file() for name in names)
