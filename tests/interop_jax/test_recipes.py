"""The recipes of docs/frameworks.md: what they define is saved as they say, and scored."""

import sys
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

import recipes
import vog
from command_line import Cli

RECIPES = recipes.recipes("JAX")


def trained(value: Any, step: int) -> dict[str, Any]:
    """Return what a training loop has at a step, by the names of the recipes."""
    if isinstance(value, linen.Module):
        return dict(value.init(jax.random.key(step), jnp.zeros((1, 16, 16, 3))))
    if isinstance(value, nnx.Module):
        return {"model": type(value)(nnx.Rngs(step))}
    if isinstance(value[0], eqx.Module):
        model, state = eqx.nn.make_with_state(type(value[0]))(jax.random.key(step))
        return {"model": model, "state": state}
    random = jax.random.split(jax.random.key(step), 99)
    leaves, structure = jax.tree_util.tree_flatten(value[1])
    drawn = [jax.random.normal(k, leaf.shape) for k, leaf in zip(random, leaves, strict=False)]
    return {"variables": jax.tree_util.tree_unflatten(structure, drawn)}


def test_every_flavour_has_a_recipe() -> None:
    assert [file for file, _, _ in RECIPES] == ["mynet.py", "masked.py", "mynet.py", "mynet.py"]


@pytest.mark.parametrize("number", range(len(RECIPES)))
def test_the_recipes_run(
    number: int,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file, code, saving = RECIPES[number]
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "mynet", raising=False)
    shape = (3, 16, 16) if number == len(RECIPES) - 1 else (16, 16, 3)
    recipes.begin(file, code, shape)
    namespace: dict[str, Any] = {"__name__": "recipe"}
    exec(code, namespace)
    built = namespace["build"]()
    for step in (100, 200, 300):
        names = {**trained(built, step), "step": step, "folder": str(tmp_path / "runs" / "a")}
        exec(saving, names)
    words = [word.replace("mynet.py", file) for word in recipes.command("JAX")]
    status, _, errors = Cli(capsys, monkeypatch)(*words)
    assert status == 0, errors
    run = vog.open("scores/a")
    assert run.rows == 20
    assert [entry["step"] for entry in run.question["checkpoints"]] == [100, 200, 300]
    assert np.ptp(run.values("vog@all")) > 0
