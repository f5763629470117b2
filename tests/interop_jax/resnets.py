"""The network of `small_resnet` in Flax linen, Flax nnx and Equinox, and its weights in each.

`build_*` are what a user names as the model. `*_arrays` carry the weights across: kernels of Flax
are (height, width, in, out) and (in, out), those of Equinox are as in PyTorch.
"""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from flax import linen, nnx

from small_resnet import CLASSES, Arrays

_PADDING = {3: ((1, 1), (1, 1)), 1: ((0, 0), (0, 0))}
_EPSILON = 1e-5  # that of PyTorch; Flax and Equinox have others
# By unit: channels in and out, size and stride.
UNITS = {
    "stem": (3, 8, 3, 1),
    "first": (8, 16, 3, 2),
    "second": (16, 16, 3, 1),
    "projection": (8, 16, 1, 2),
}


class LinenUnit(linen.Module):
    """A convolution and its batch norm."""

    wide: int
    size: int
    stride: int

    @linen.compact
    def __call__(self, x: Any, train: bool) -> Any:
        x = linen.Conv(
            self.wide,
            (self.size, self.size),
            (self.stride, self.stride),
            padding=_PADDING[self.size],
            use_bias=False,
            name="conv",
        )(x)
        return linen.BatchNorm(use_running_average=not train, epsilon=_EPSILON, name="norm")(x)


class LinenResNet(linen.Module):
    """The network as a module of linen, with dropout that evaluation turns off."""

    @linen.compact
    def __call__(self, x: Any, train: bool = True) -> Any:
        unit = {n: LinenUnit(wide, size, s, name=n) for n, (_, wide, size, s) in UNITS.items()}
        x = linen.silu(unit["stem"](x, train))
        x = linen.Dropout(0.5)(x, deterministic=not train)
        inner = unit["second"](linen.silu(unit["first"](x, train)), train)
        x = linen.silu(inner + unit["projection"](x, train))
        return linen.Dense(CLASSES, name="head")(x.mean(axis=(1, 2)))


def build_linen() -> LinenResNet:
    return LinenResNet()


def linen_variables(arrays: Arrays) -> dict[str, Any]:
    """Return the variables of linen: `params` and `batch_stats`."""
    params: dict[str, Any] = {}
    statistics: dict[str, Any] = {}
    for name, unit in _flax_units(arrays).items():
        params[name] = {"conv": unit["conv"], "norm": _picked(unit["norm"], "scale", "bias")}
        statistics[name] = {"norm": _picked(unit["norm"], "mean", "var")}
    params["head"] = _flax_head(arrays)
    return {"params": params, "batch_stats": statistics}


class NnxUnit(nnx.Module):
    """A convolution and its batch norm."""

    def __init__(self, narrow: int, wide: int, size: int, stride: int, rngs: nnx.Rngs) -> None:
        self.conv = nnx.Conv(
            narrow,
            wide,
            (size, size),
            (stride, stride),
            padding=_PADDING[size],
            use_bias=False,
            rngs=rngs,
        )
        self.norm = nnx.BatchNorm(wide, epsilon=_EPSILON, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        return self.norm(self.conv(x))


class NnxResNet(nnx.Module):
    """The network as a module of nnx, with dropout that evaluation turns off."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        for name, sizes in UNITS.items():
            setattr(self, name, NnxUnit(*sizes, rngs))
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        self.head = nnx.Linear(16, CLASSES, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        x = self.dropout(nnx.silu(self.stem(x)))
        x = nnx.silu(self.second(nnx.silu(self.first(x))) + self.projection(x))
        return self.head(x.mean(axis=(1, 2)))


def build_nnx() -> NnxResNet:
    return NnxResNet(nnx.Rngs(0))


def nnx_state(arrays: Arrays) -> dict[str, Any]:
    """Return the state of nnx as nested dicts."""
    return {**_flax_units(arrays), "head": _flax_head(arrays)}


def nnx_module(arrays: Arrays) -> NnxResNet:
    """Return the module of nnx with these weights."""
    module = build_nnx()
    state = nnx.state(module, nnx.Not(nnx.RngState))
    nnx.replace_by_pure_dict(state, jax.tree.map(jnp.asarray, nnx_state(arrays)))
    nnx.update(module, state)
    return module


class EquinoxUnit(eqx.Module):
    """A convolution and its batch norm."""

    conv: eqx.nn.Conv2d
    norm: eqx.nn.BatchNorm

    def __init__(self, narrow: int, wide: int, size: int, stride: int, key: Any) -> None:
        padding = size // 2
        self.conv = eqx.nn.Conv2d(narrow, wide, size, stride, padding, use_bias=False, key=key)
        self.norm = eqx.nn.BatchNorm(wide, "batch", eps=_EPSILON, mode="batch")

    def __call__(self, x: Any, state: Any) -> tuple[Any, Any]:
        return self.norm(self.conv(x), state)


class EquinoxResNet(eqx.Module):
    """The network as a module of Equinox, which takes one example and its state."""

    stem: EquinoxUnit
    first: EquinoxUnit
    second: EquinoxUnit
    projection: EquinoxUnit
    dropout: eqx.nn.Dropout
    head: eqx.nn.Linear

    def __init__(self, key: Any) -> None:
        for name, sizes in UNITS.items():
            setattr(self, name, EquinoxUnit(*sizes, key))
        self.dropout = eqx.nn.Dropout(0.5)
        self.head = eqx.nn.Linear(16, CLASSES, key=key)

    def __call__(self, x: Any, state: Any, key: Any = None) -> tuple[Any, Any]:
        x, state = self.stem(x, state)
        x = self.dropout(jax.nn.silu(x), key=key)
        inner, state = self.first(x, state)
        inner, state = self.second(jax.nn.silu(inner), state)
        shortcut, state = self.projection(x, state)
        x = jax.nn.silu(inner + shortcut)
        return self.head(x.mean(axis=(1, 2))), state


def build_equinox() -> tuple[EquinoxResNet, Any]:
    return eqx.nn.make_with_state(EquinoxResNet)(jax.random.key(0))


def equinox_module(arrays: Arrays) -> tuple[EquinoxResNet, Any]:
    """Return module and state of Equinox with these weights."""
    module, state = build_equinox()
    weights, _ = eqx.partition(module, eqx.is_inexact_array)
    named = [(name, leaf) for name, leaf in _named(weights)]
    leaves = [jnp.asarray(arrays[name]).reshape(leaf.shape) for name, leaf in named]
    structure = jax.tree_util.tree_structure(weights)
    module = eqx.combine(jax.tree_util.tree_unflatten(structure, leaves), module)
    for name in UNITS:
        index = getattr(module, name).norm.batch_state_index
        pair = (arrays[f"{name}.norm.running_mean"], arrays[f"{name}.norm.running_var"])
        state = state.set(index, tuple(map(jnp.asarray, pair)))
    return module, state


def _named(tree: Any) -> list[tuple[str, Any]]:
    leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
    return [(jax.tree_util.keystr(path, simple=True, separator="."), leaf) for path, leaf in leaves]


def apply_linen(variables: Any, x: Any) -> Any:
    """Apply the network of linen: what a user writes whose network is a function."""
    return LinenResNet().apply(variables, x, train=False)


def build_function() -> tuple[Any, Any]:
    variables = LinenResNet().init(jax.random.key(0), jnp.zeros((1, 16, 16, 3)), train=False)
    return apply_linen, variables


def _flax_units(arrays: Arrays) -> dict[str, Any]:
    return {
        name: {
            "conv": {"kernel": arrays[f"{name}.conv.weight"].transpose(2, 3, 1, 0)},
            "norm": {
                "scale": arrays[f"{name}.norm.weight"],
                "bias": arrays[f"{name}.norm.bias"],
                "mean": arrays[f"{name}.norm.running_mean"],
                "var": arrays[f"{name}.norm.running_var"],
            },
        }
        for name in UNITS
    }


def _flax_head(arrays: Arrays) -> dict[str, np.ndarray]:
    return {"kernel": arrays["head.weight"].T, "bias": arrays["head.bias"]}


def _picked(values: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: values[name] for name in names}
