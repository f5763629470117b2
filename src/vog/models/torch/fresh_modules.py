"""Modules that nobody has run: built anew by the user's function, or copied before the first run.

A module can keep what it computed under one checkpoint: a cached attention bias, a merged weight.
A fresh module has kept nothing, so it can judge a module that is used for many checkpoints.
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
    """A module of the user's, and where others of its kind come from.

    Attributes:
        module: as the user gave it or as the user's function built it.
        template: a copy that is never run; None where the module cannot be copied.
        build: the user's function; None where the user gave a module.
    """

    module: nn.Module
    template: nn.Module | None
    build: Callable[[], nn.Module] | None = None

    @property
    def can_be_fresh(self) -> bool:
        """Whether there is a way to a module that nobody has run."""
        return self.build is not None or self.template is not None

    def copy_or_fresh(self) -> nn.Module | None:
        """Return a copy of the template with all that it keeps, or else a fresh module."""
        duplicate = None if self.template is None else copy_module(self.template)
        return self.fresh() if duplicate is None else duplicate

    def fresh(self) -> nn.Module | None:
        """Return a module that nobody has run, or None where there is no way to one."""
        if self.build is not None:
            try:
                with preserve_random_state():
                    built = unwrap(self.build())
            except Exception:  # the user's function may work once only; it did
                built = self.module
            if built is not self.module:
                _copy_parameter_names(built, self.module)
                return built
        return None if self.template is None else copy_module(self.template)


def source_of(module: nn.Module | None, build: Callable[[], nn.Module] | None) -> ModuleSource:
    """Return where modules come from, of a module or of a function that builds one."""
    if module is None:
        assert build is not None
        built = unwrap(build())
        template = copy_module(built)
        if template is None:
            with preserve_random_state():
                second = unwrap(build())
            template = None if second is built else second
            _copy_parameter_names(second, built)
        return ModuleSource(built, template, build)
    unwrapped_module = unwrap(module)
    return ModuleSource(unwrapped_module, copy_module(unwrapped_module))


def is_scripted(module: nn.Module) -> bool:
    """Whether compiled code of TorchScript is in it, which keeps references of its own."""
    return any(isinstance(part, torch.jit.ScriptModule) for part in module.modules())


def unwrap(module: nn.Module) -> nn.Module:
    """Return the module inside of wrappers that only share out or compile the work."""
    while True:
        if isinstance(module, _WRAPPERS):
            module = module.module
        elif type(module).__name__ == "OptimizedModule" and "_orig_mod" in module._modules:
            module = module.get_submodule("_orig_mod")  # of torch.compile
        else:
            return module


def copy_module(module: nn.Module) -> nn.Module | None:
    """Return a copy without cached properties, or None where the module cannot be copied.

    A copy that still holds a tensor of the module, or in which two tensors no longer share their
    values as they do in the module, is none.
    """
    # A tensor that was computed, such as the weight of the old `weight_norm`, refuses to be copied.
    computed = {
        id(value): value.detach().clone()
        for part in module.modules()
        for value in vars(part).values()
        if isinstance(value, Tensor) and value.grad_fn is not None
    }
    try:
        with torch.no_grad():  # else TorchScript makes copies that go backward into the original
            duplicate = copy.deepcopy(module, computed)
    except Exception:  # code of the user's classes runs here, and may fail in any way
        return None
    for part in duplicate.modules():
        for name in list(vars(part)):
            attribute = inspect.getattr_static(type(part), name, None)
            if isinstance(attribute, functools.cached_property):
                del vars(part)[name]
    _copy_parameter_names(duplicate, module)
    return duplicate if tied_tensors.is_independent_copy(module, duplicate) else None


def _copy_parameter_names(module: nn.Module, original: nn.Module) -> None:
    """Give the dictionaries of parameters of a module the keys that they have in the original.

    Keras names its parameters by how many layers of a kind were made before: `dense_3/kernel`.
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
    """Leave the random numbers of torch, NumPy and Python as they are, whatever is drawn inside."""
    numpy_state, python_state = np.random.get_state(), random.getstate()
    try:
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            yield
    finally:
        np.random.set_state(numpy_state)
        random.setstate(python_state)
