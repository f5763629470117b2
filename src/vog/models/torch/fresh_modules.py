"""Modules that have never run: built by the user's function, or copied before the first run.

A module can keep a value that it computed under one checkpoint, such as a cached attention bias or
a merged weight. A fresh module keeps nothing, so a module used for many checkpoints is compared
with it.
"""

import copy
import functools
import inspect
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from vog.models.torch import tied_tensors

_WRAPPERS = (nn.DataParallel, nn.parallel.DistributedDataParallel)


@dataclass(frozen=True)
class ModuleSource:
    """The user's module, and the means to make further modules of its kind.

    Attributes:
        module: as the user gave it or as the user's function built it.
        template: a copy that is never run; None if the module cannot be copied.
        build: the user's function; None if the user gave a module.
    """

    module: nn.Module
    template: nn.Module | None
    build: Callable[[], nn.Module] | None = None

    @property
    def can_be_fresh(self) -> bool:
        """True if a module that has never run can be made."""
        return self.build is not None or self.template is not None

    def copy_or_fresh(self) -> nn.Module | None:
        """Return a copy of the template in its present state, or else a fresh module."""
        duplicate = None if self.template is None else copy_module(self.template)
        return self.fresh() if duplicate is None else duplicate

    def fresh(self) -> nn.Module | None:
        """Return a module that has never run, or None if none can be made."""
        if self.build is not None:
            try:
                with preserve_random_state():
                    built = unwrap(self.build())
            except Exception:  # the user's function may work the first time only
                built = self.module
            if built is not self.module:
                _copy_parameter_names(built, self.module)
                return built
        return None if self.template is None else copy_module(self.template)


def source_of(module: nn.Module, build: Callable[[], nn.Module] | None) -> ModuleSource:
    """Return the source of a module, which was given or was built by `build`."""
    unwrapped_module = unwrap(module)
    template = copy_module(unwrapped_module)
    if template is None and build is not None:
        with preserve_random_state():
            second = unwrap(build())
        template = None if second is unwrapped_module else second
        _copy_parameter_names(second, unwrapped_module)
    return ModuleSource(unwrapped_module, template, build)


def is_scripted(module: nn.Module) -> bool:
    """Return True if a part is compiled by TorchScript, which keeps its own references."""
    return any(isinstance(part, torch.jit.ScriptModule) for part in module.modules())


def unwrap(module: nn.Module) -> nn.Module:
    """Return the module inside of wrappers that only distribute or compile it."""
    while True:
        if isinstance(module, _WRAPPERS):
            module = module.module
        elif type(module).__name__ == "OptimizedModule" and "_orig_mod" in module._modules:
            module = module.get_submodule("_orig_mod")  # of torch.compile
        else:
            return module


def copy_module(module: nn.Module) -> nn.Module | None:
    """Return a copy without cached properties, or None if the module cannot be copied.

    None is also returned if the copy still holds a tensor of the module, or if its tensors do not
    share memory with each other as those of the module do.
    """
    # `deepcopy` refuses computed tensors, such as the weight of the old `weight_norm`.
    computed = {
        id(value): value.detach().clone()
        for part in module.modules()
        for value in vars(part).values()
        if isinstance(value, Tensor) and value.grad_fn is not None
    }
    try:
        with torch.no_grad():  # else gradients of TorchScript copies flow into the original
            duplicate = copy.deepcopy(module, computed)
    except Exception:  # methods of the user's classes run here, and may raise anything
        return None
    for part in duplicate.modules():
        for name in list(vars(part)):
            attribute = inspect.getattr_static(type(part), name, None)
            if isinstance(attribute, functools.cached_property):
                del vars(part)[name]
    _copy_parameter_names(duplicate, module)
    return duplicate if tied_tensors.is_independent_copy(module, duplicate) else None


def _copy_parameter_names(module: nn.Module, original: nn.Module) -> None:
    """Give the parameter dictionaries of a module the keys that they have in the original.

    Keras numbers its parameters by the layers of a kind that were made before: `dense_3/kernel`.
    """
    for part, original_part in zip(module.modules(), original.modules(), strict=False):
        if isinstance(part, nn.ParameterDict) and isinstance(original_part, nn.ParameterDict):
            keys, values = list(original_part.keys()), list(part.values())
            if keys != list(part.keys()) and _kinds(part) == _kinds(original_part):
                part.clear()
                part.update(dict(zip(keys, values, strict=True)))


def _kinds(parameters: nn.ParameterDict) -> list[tuple[str, object]]:
    return [(key.rpartition("/")[2], value.shape) for key, value in parameters.items()]


@contextmanager
def preserve_random_state() -> Iterator[None]:
    """Restore the random states of torch, NumPy and Python when the block ends."""
    numpy_state, python_state = np.random.get_state(), random.getstate()
    try:
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            yield
    finally:
        np.random.set_state(numpy_state)
        random.setstate(python_state)
