"""The output of a module inside the model, with respect to which gradients are taken.

A forward hook returns a leaf in place of the output. The module itself runs as always, so a model
that reads its tokens again later, such as to find the last one, finds them.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from vog.data.inputs import MASK, Inputs, VariedInputs, tensors_by_name
from vog.errors import ModelError, unknown
from vog.wording import option

# The word that stands for the input embedding, whatever its name is.
EMBEDDINGS = "embeddings"


def input_embedding(module: nn.Module) -> str | None:
    """Return the name of the input embedding; None if there is none.

    It is what `get_input_embeddings` returns, of the model or of the first part that has it; or
    else the first `nn.Embedding`.
    """
    names = {part: name for name, part in module.named_modules() if name}
    for part in module.modules():
        try:
            embedding = part.get_input_embeddings()  # type: ignore[operator]  # of transformers
        except Exception:  # no such method, or the part has no embedding
            continue
        if isinstance(embedding, nn.Module) and embedding in names:
            return names[embedding]
    return next((name for part, name in names.items() if isinstance(part, nn.Embedding)), None)


def check_name(module: nn.Module, setting: str) -> None:
    """Raise ModelError unless a setting names a module inside the model.

    Raises:
        ModelError: there is no such module, or no embedding.
    """
    if setting == EMBEDDINGS:
        if input_embedding(module) is None:
            raise ModelError(
                f"{option('wrt', setting)}: the model has no nn.Embedding and no "
                f"get_input_embeddings. Name the module whose output is differentiated."
            )
        return
    names = [name for name, _ in module.named_modules() if name]
    if setting not in names:
        raise ModelError(
            f"{option('wrt', setting)}: the model has no module of that name."
            f"{unknown(setting, [EMBEDDINGS, *names])}"
        )


def module_for(module: nn.Module, setting: str | None, inputs: Inputs) -> str | None:
    """Return the name of the module whose output is differentiated; None for the inputs.

    Args:
        module: the model.
        setting: as the user gave it; None to differentiate floats, or else the input embedding.
        inputs: some inputs of the model.
    """
    if setting == EMBEDDINGS or (setting is None and not has_floats(inputs)):
        return input_embedding(module)
    return setting


def has_floats(inputs: Inputs) -> bool:
    """Return whether a tensor of floats, beside a mask, is among the inputs."""
    uniform = inputs.examples[0] if isinstance(inputs, VariedInputs) else inputs
    tensors = tensors_by_name(uniform).items()
    return any(name != MASK and tensor.is_floating_point() for name, tensor in tensors)


class OutputLeaf:
    """The output of a module in one forward pass, once it was called."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._calls: list[Tensor] = []

    def cut(self, layer: nn.Module, inputs: object, output: object) -> Tensor:
        """Return the output as a leaf; a forward hook."""
        setting = option("wrt", self.name)
        if not isinstance(output, Tensor) or not output.is_floating_point():
            kind = output.dtype if isinstance(output, Tensor) else type(output).__name__
            raise ModelError(
                f"{setting}: {type(layer).__name__} returns {kind}; expected one tensor of "
                f"floats, which gradients are taken with respect to. Name another module."
            )
        if self._calls:
            raise ModelError(
                f"{setting}: {type(layer).__name__} is called twice in a forward pass, so it is "
                f"open which output is differentiated. Name a module that is called once."
            )
        self._calls.append(output.detach().requires_grad_())
        return self._calls[0]

    def leaf(self, examples: int) -> Tensor:
        """Return the leaf.

        Raises:
            ModelError: the module was not called, or its output has no row for each example.
        """
        setting = option("wrt", self.name)
        if not self._calls:
            raise ModelError(
                f"{setting}: the model does not call this module in its forward pass. Name a "
                f"module that it calls once."
            )
        (leaf,) = self._calls
        if leaf.ndim < 2 or len(leaf) != examples:
            raise ModelError(
                f"{setting}: the output has shape {tuple(leaf.shape)} for {examples} examples; "
                f"expected one row an example. Name another module."
            )
        return leaf


@contextmanager
def output_as_leaf(module: nn.Module, name: str) -> Iterator[OutputLeaf]:
    """Make the output of a module a leaf in the forward pass inside the block."""
    output = OutputLeaf(name)
    hook = module.get_submodule(name).register_forward_hook(output.cut)
    try:
        yield output
    finally:
        hook.remove()
