"""The plain way to look at checkpoints: each is loaded into a module of its own, which is run.

No line of the package is used. The scores are those of `tests/slow.py`, from the definitions.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import slow

_NUDGES, _STEADY = 6, 2e-5
State = dict[str, Tensor]
Build = Callable[[], nn.Module]


def random_states(build: Build, count: int) -> list[State]:
    """Return weights that differ in every parameter, with statistics that are of no batch."""
    states = []
    for seed in range(count):
        torch.manual_seed(seed)
        module = build().train()
        trained = {name for name, _ in module.named_parameters()}
        state = {key: _copy(value) for key, value in module.state_dict().items()}
        for key, value in state.items():
            if key.endswith(("running_var", "moving_variance")):
                value.uniform_(0.8, 1.25)
            elif key.endswith(("running_mean", "moving_mean")):
                value.normal_(std=0.1)
            elif key in trained and value.is_floating_point():
                # What is set to zero or one at first must not stay the same in all checkpoints.
                spread = value.std() if value.numel() > 1 and value.std() > 0 else 0.3
                value.add_(torch.randn_like(value), alpha=0.3 * float(spread))
        states.append(state)
    return states


def _copy(value: object) -> object:
    return value.detach().clone() if isinstance(value, Tensor) else value


def examples(shape: tuple[int, ...], count: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs and labels."""
    rng = np.random.default_rng(7)
    inputs = rng.normal(size=(count, *shape)).astype(np.float32)
    return inputs, rng.integers(0, classes, count)


def steady(build: Build, states: list[State], inputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return for each example whether rounding leaves its gradients as they are.

    A ReLU met at zero falls to either side by rounding, and the gradient jumps: such an example has
    no one answer in single precision. Its scores move where its input moves by some millionths.
    """
    expected = scores(build, states, inputs, labels, norms=False)
    draw, answer = np.random.default_rng(11), np.ones(len(labels), dtype=bool)
    for _ in range(_NUDGES):
        noise = 1 + 3e-6 * draw.normal(size=inputs.shape)
        moved = scores(build, states, (inputs * noise).astype(np.float32), labels, norms=False)
        for name, values in expected.items():
            finite = np.nan_to_num(values, posinf=0, neginf=0)
            off = np.abs(np.nan_to_num(moved[name], posinf=0, neginf=0) - finite)
            answer &= off <= _STEADY * np.abs(finite).max(initial=1e-30)
    return answer


def scores(
    build: Build,
    states: list[State],
    inputs: np.ndarray,
    labels: np.ndarray,
    norms: bool = True,
) -> dict[str, np.ndarray]:
    """Return every score of each example; `grand` is missing without the norms that it needs."""
    looks = [_look(build, state, torch.from_numpy(inputs), labels, norms) for state in states]
    seen = [[look[row] for look in looks] for row in range(len(labels))]
    return {
        name: np.array([score(of_row) for of_row in seen]) for name, score in slow.SCORES.items()
    }


def _look(
    build: Build, state: State, inputs: Tensor, labels: np.ndarray, with_norms: bool
) -> list[slow.Trace]:
    wanted = torch.from_numpy(labels)
    logits, gradient = _gradient(
        _loaded(build, state), inputs, lambda z: z.gather(1, wanted[:, None]).sum()
    )
    # A module may keep what it computed in evaluation mode, and can go backward through it once.
    _, of_loss = _gradient(
        _loaded(build, state), inputs, lambda z: F.cross_entropy(z, wanted, reduction="sum")
    )
    norms = [float("nan")] * len(labels)
    if with_norms:
        norms = _head_norms(lambda: _loaded(build, state), inputs, wanted)
    shares = logits.double().softmax(dim=1).numpy()
    return [
        slow.Trace(int(label), z, p, _pixels(g), _pixels(of), norm)
        for label, z, p, g, of, norm in zip(
            labels, logits.double().numpy(), shares, gradient, of_loss, norms, strict=True
        )
    ]


def _loaded(build: Build, state: State) -> nn.Module:
    torch.manual_seed(1000)  # what the checkpoint does not set must not be what it was saved from
    module = build().train()
    module.load_state_dict(state)
    return module.eval()


def frozen(build: Build) -> Build:
    """Return what builds the model with weights that take no gradients.

    What it computes of them once and keeps is no part then of what it goes backward through, which
    activation checkpointing takes for a mistake.
    """
    return lambda: build().requires_grad_(False)


def _pixels(gradient: Tensor) -> np.ndarray:
    """The definitions average over a first axis of colours; other inputs have none."""
    values = gradient.double().numpy()
    if values.ndim == 3 and values.shape[-1] == 3:  # images of Keras have their colours last
        return np.moveaxis(values, -1, 0)
    return values if values.ndim == 3 else values[None]


def _logits(module: nn.Module, inputs: Tensor) -> Tensor:
    output = module(inputs)
    return output if isinstance(output, Tensor) else output.logits


def _gradient(
    module: nn.Module, inputs: Tensor, of: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    given = inputs.clone().requires_grad_()
    logits = _logits(module, given)
    of(logits).backward()
    assert given.grad is not None
    return logits.detach(), given.grad


def _head_norms(fresh: Build, inputs: Tensor, labels: Tensor) -> list[float]:
    """Return by example the norm of the gradient of the loss by the layer that makes the logits.

    NaN where no linear layer makes them.
    """
    outputs: list[tuple[nn.Module, Tensor]] = []
    module = fresh()
    layers = [layer for layer in module.modules() if isinstance(layer, nn.Linear)]
    hooks = [
        layer.register_forward_hook(lambda layer, _, out: outputs.append((layer, out)))
        for layer in layers
    ]
    with torch.no_grad():
        logits = _logits(module, inputs)
    for hook in hooks:
        hook.remove()
    names = {layer: name for name, layer in module.named_modules()}
    heads = [
        names[layer]
        for layer, out in outputs
        if out.shape == logits.shape and bool((out == logits).all())
    ]
    is_keras = type(module).__module__.startswith("keras.")  # whose layers call no hooks
    if not heads and not is_keras:
        return [float("nan")] * len(labels)
    norms = []
    for row in range(len(labels)):
        module = fresh().requires_grad_(False)
        head = module.layers[-1] if is_keras else module.get_submodule(heads[-1])
        trained = list(head.requires_grad_().parameters())
        loss = F.cross_entropy(_logits(module, inputs)[row : row + 1], labels[row : row + 1])
        loss.backward()
        squares = [p.grad.square().sum() for p in trained if p.grad is not None]
        norms.append(float(sum(squares)) ** 0.5)
    return norms
