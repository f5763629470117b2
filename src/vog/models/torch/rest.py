"""What checkpoints lack and the module does not train: taken from the module as it was built."""

import hashlib
from collections.abc import Mapping, Set
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from vog import checkpoints
from vog.errors import first_few
from vog.models.torch.state_dict import live_state
from vog.models.torch.weights_in_place import tensors_of

# PEFT keeps the layers that it trains a copy of; they are never used.
_UNUSED = ".original_module."


@dataclass(frozen=True)
class Rest:
    """The tensors that a module does not train, as it was built.

    Attributes:
        values: by their first names, floats in float32. All checkpoints share them.
    """

    values: Mapping[str, Tensor]

    @classmethod
    def of(cls, module: nn.Module, copied: bool) -> "Rest":
        """Return the buffers and the parameters without gradient of a module.

        Args:
            module: as it was built.
            copied: the values are copies, as checkpoints will be loaded into the module itself.
        """
        parameters = {name for name, value in module.named_parameters() if value.requires_grad}
        return cls(
            {
                name: _float32(value.detach(), copied)
                for name, value in tensors_of(module).items()
                if name not in parameters
            }
        )

    def lacking(self, weights: Mapping[str, Any], module: nn.Module) -> dict[str, Tensor]:
        """Return what weights lack of a module and the rest has, by the names of a state dict.

        Args:
            weights: of a checkpoint, under the names of the module.
            module: of the same kind as that whose rest it is.
        """
        first_names = {id(value): name for name, value in tensors_of(module).items()}
        state = live_state(module)
        present = {id(value) for key, value in state.items() if key in weights}
        names = {
            key: first_names.get(id(value))
            for key, value in state.items()
            if key not in weights and id(value) not in present
        }
        return {
            key: self.values[name] for key, name in names.items() if name and name in self.values
        }

    def first_names(self, keys: Set[str], module: nn.Module) -> frozenset[str]:
        """Return the first names of tensors in a module, from their names in its state dict."""
        state = live_state(module)
        identities = {id(state[key]) for key in keys}
        return frozenset(
            name for name, value in tensors_of(module).items() if id(value) in identities
        )

    def digest(self, names: frozenset[str]) -> str:
        """Return a digest of some of the values, by their first names."""
        if names not in self._digests:
            used = {name: self.values[name] for name in names if _UNUSED not in name}
            self._digests[names] = checkpoints.weights_digest(used)
        return self._digests[names]

    @cached_property
    def _digests(self) -> dict[frozenset[str], str]:
        return {}


def digest_with_rest(digest: str, rest: str) -> str:
    """Return a digest of the weights of a file together with the rest that it lacks."""
    return hashlib.sha256(f"{digest} {rest}".encode()).hexdigest()


def note_on(names: frozenset[str]) -> str:
    """Return a sentence about the tensors that are taken from the module."""
    used = sorted(name for name in names if _UNUSED not in name)
    tensors = f"{len(used)} tensors that are" if len(used) > 1 else "a tensor that is"
    return f"{tensors} not in the file and not trained: {first_few(used, 3)}"


def _float32(value: Tensor, copied: bool) -> Tensor:
    if value.is_floating_point():
        return value.to(torch.float32, copy=copied)
    return value.clone() if copied else value
