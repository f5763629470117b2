"""Read the folders that `save_pretrained` wrote, as `from_pretrained` does.

The names in such a file are not always those of the module: only `from_pretrained` knows both.
"""

import copy
import inspect
import sys
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from vog.checkpoints import Contents
from vog.data.processors import folder_processor
from vog.data.processors.quiet import quiet_transformers
from vog.errors import CheckpointError, first_few
from vog.models.hugging_face import configurations
from vog.models.hugging_face.saved_folders import CONFIG, is_checkpoint, is_saved_model, read_json
from vog.models.protocol import Companions
from vog.user_functions import describe_error
from vog.wording import option


@dataclass(frozen=True)
class PretrainedReader:
    """Reads the saved models of one class.

    Attributes:
        module_class: a class with `from_pretrained`.
        config: the configuration of the model, which all checkpoints must share.
        home: a folder that may have the processor if no checkpoint has it.
    """

    module_class: Any
    config: Any
    home: Path | None = None

    def takes(self, path: Path) -> bool:
        """Return whether a path is the folder of one saved model."""
        return is_checkpoint(path) and is_saved_model(path)

    def contents(self, path: Path) -> Contents:
        """Return the weights of a saved model by the names of a module that has just been loaded.

        Raises:
            CheckpointError: the folder cannot be read, or does not fit the model.
        """
        module = self.load(path)
        return Contents(OrderedDict(module.state_dict()), "", None)

    def load(self, path: Path) -> nn.Module:
        """Return the module that `from_pretrained` makes of a folder, in float32.

        Raises:
            CheckpointError: as for `contents`.
        """
        stored = read_json(path / CONFIG)
        configurations.refuse_custom_code(path, stored)
        configurations.refuse_quantized(path, stored)
        try:
            with quiet_transformers():
                config = type(self.config).from_pretrained(path, local_files_only=True)
                configurations.refuse_difference(path, config.to_dict(), self.config.to_dict())
                module, report = self.module_class.from_pretrained(
                    path,
                    config=copy.deepcopy(self.config),
                    local_files_only=True,
                    trust_remote_code=False,
                    dtype=torch.float32,
                    ignore_mismatched_sizes=True,  # these are refused below, by name
                    output_loading_info=True,
                )
        except CheckpointError:
            raise
        except Exception as error:  # readers of several formats raise errors of their own
            raise CheckpointError(
                f"checkpoint {path} cannot be read by transformers: {describe_error(error)}. Save "
                f"it again with save_pretrained, or leave it out."
            ) from error
        _refuse_misfit(path, report)
        return module

    def companions(self, last: Path) -> Companions:
        """Return the processor beside the weights, and the names in the configuration."""
        arguments = frozenset(inspect.signature(self.module_class.forward).parameters)
        return Companions(
            folder_processor.first_processor((last, last.parent, self.home), arguments),
            configurations.names_of(self.config.to_dict()),
            f"{self.module_class.__name__} of transformers",
        )


def pretrained_parts(module: nn.Module) -> list[nn.Module]:
    """Return the models of transformers that a module is, or has as parts at its top."""
    if sys.modules.get("transformers") is None:
        return []
    return [module] if _is_pretrained(module) else list(filter(_is_pretrained, module.children()))


def reader_of(module: nn.Module) -> PretrainedReader | None:
    """Return the reader for the model of transformers that a module is, or has as a part.

    None is returned if there is no such model, or if there are several.
    """
    own: list[Any] = pretrained_parts(module)
    return PretrainedReader(type(own[0]), own[0].config) if len(own) == 1 else None


def _is_pretrained(module: nn.Module) -> bool:
    return any(
        kind.__name__ == "PreTrainedModel" and kind.__module__ == "transformers.modeling_utils"
        for kind in type(module).__mro__
    )


def _refuse_misfit(path: Path, report: dict[str, Any]) -> None:
    """Raise CheckpointError unless the file has all tensors of the model and no other ones."""
    missing, surplus = sorted(report["missing_keys"]), sorted(report["unexpected_keys"])
    differing = [
        f"{name}: {tuple(stored)} in the file, {tuple(own)} in the model"
        for name, stored, own in sorted(report["mismatched_keys"])
    ]
    if not missing and not surplus and not differing and not report.get("error_msgs"):
        return
    lines = [f"checkpoint {path} does not fit the model"]
    lines += [f"  only in the file:  {_few(surplus)}"] if surplus else []
    lines += [f"  only in the model: {_few(missing)}"] if missing else []
    lines += [f"  {line}" for line in differing[:10]]
    lines += [f"  {message}" for message in report.get("error_msgs", ())][:3]
    raise CheckpointError(
        "\n".join(lines) + f"\nThe model has to be the one that was trained: correct "
        f"{option('model')} or {option('checkpoints')}."
    )


def _few(names: Iterable[str]) -> str:
    return first_few(list(names), 6)
