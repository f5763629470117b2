"""Open a PyTorch module, or a function that builds one, as a model."""

import copy
from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from vog.checkpoints import Reader
from vog.data.inputs import MASK
from vog.errors import FunctionError, ModelError, first_few
from vog.models.hugging_face import adapters, pretrained_reader, saved_folders
from vog.models.hugging_face.adapter_base import WithAdapter
from vog.models.last_checkpoint import last_checkpoint
from vog.models.options import Adapter, ModelOptions
from vog.models.torch import fresh_modules, module_output, signature
from vog.models.torch.adapter import TorchModel
from vog.models.torch.buckets import Padding
from vog.models.torch.folder_reader import FolderReader
from vog.models.torch.rest import Rest
from vog.models.torch.weights_in_place import tensors_of
from vog.wording import option


def _opens(value: object) -> bool:
    """Return whether an object is a module of PyTorch."""
    return isinstance(value, nn.Module)


def _check(options: ModelOptions) -> None:
    """Raise ModelError unless the options name a device that is there."""
    choose_device(options.device)


def _model(
    value: nn.Module, build: Callable[[], object] | None, options: ModelOptions
) -> TorchModel:
    """Return the model of a module.

    Args:
        value: the module.
        build: builds another such module; None if the user gave the module itself.
        options: how it is opened.

    Raises:
        ModelError: tensors of it have no values, or the device is not there.
    """
    fresh = None if build is None else lambda: _another_module(build)
    value, fresh = _with_adapter(_require_values(value), fresh, options)
    source = fresh_modules.source_of(value, fresh)
    if options.wrt is not None:
        module_output.check_name(source.module, options.wrt)
    reader = _folder_reader(source.module, options)
    lacks_parts = options.rest or isinstance(reader, adapters.AdapterReader)
    return TorchModel(
        source.module,
        choose_device(options.device),
        head_name=options.head,
        source=source,
        reader=options.reader,
        folder_reader=reader,
        layout=options.layout,
        rest=Rest.of(source.module, source.template is None) if lacks_parts else None,
        may_fold=options.fold and not lacks_parts,  # folded norms would not be shared
        restores=build is None and source.template is None,
        wrt_setting=options.wrt,
        padding=Padding(
            signature.padding_token(source.module),
            signature.argument_names(source.module),
            signature.requires(source.module, MASK),
        ),
    )


def _with_adapter(
    module: nn.Module, build: Callable[[], nn.Module] | None, options: ModelOptions
) -> tuple[nn.Module, Callable[[], nn.Module] | None]:
    """Return a module, and what builds it, with an adapter if its checkpoints are adapters.

    A module that was given is copied, as PEFT puts the adapter into its layers.
    """
    if not pretrained_reader.pretrained_parts(module) or adapters.has_adapter(module):
        return module, build
    last = last_checkpoint(options, saved_folders.is_checkpoint)
    if last is None or not saved_folders.is_adapter(last):
        return module, build
    adapters.require_peft(last)
    with_adapter = WithAdapter(build or partial(copy.deepcopy, module), last)
    return with_adapter(), with_adapter


def _folder_reader(module: nn.Module, options: ModelOptions) -> FolderReader | None:
    """Return what reads folders of the module's library, unless options say how files are read."""
    if options.reader != Reader():
        return None
    if adapters.has_adapter(module):
        return adapters.adapter_reader_of(module)
    return pretrained_reader.reader_of(module)


def _another_module(build: Callable[[], object]) -> nn.Module:
    """Return the module that the user's function builds when it is called again.

    Raises:
        FunctionError: it returns something else than the first time.
    """
    another = build()
    if not isinstance(another, nn.Module):
        raise FunctionError(
            f"{option('model')}: the function returned a module when it was first called, and "
            f"{type(another).__name__} the second time, which is not an nn.Module."
        )
    return _require_values(another)


def choose_device(name: str) -> torch.device:
    """Return the device of that name; "auto" is the first GPU, or else the processor.

    Raises:
        ModelError: it is no device, or not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    setting = option("device", name)
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ModelError(f"{setting}: expected auto, cpu, cuda or cuda:i.") from error
    if device.type not in ("cpu", "cuda"):
        raise ModelError(f"{setting}: expected auto, cpu, cuda or cuda:i.")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ModelError(f"{setting}: there is no CUDA device here. Use {option('device', 'cpu')}.")
    return device


def _require_values(module: nn.Module) -> nn.Module:
    """Return the module; raise ModelError if tensors are on the meta device, without values."""
    valueless = [name for name, tensor in tensors_of(module).items() if tensor.is_meta]
    if valueless:
        raise ModelError(
            f"{len(valueless)} tensors of the model are on the meta device and have no values: "
            f"{first_few(valueless)}. Tensors that no checkpoint holds, such as some buffers, "
            f"would stay without values. Build the model on the CPU."
        )
    return module


ADAPTER = Adapter("a module", _opens, _model, _check)
