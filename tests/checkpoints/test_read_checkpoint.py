"""Reading checkpoints of every format without executing what they hold, and fitting them."""

import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import world
from vog.checkpoints import read_weights, weights_digest
from vog.errors import CheckpointError
from vog.models.torch.adapter import TorchModel
from vog.models.torch.matched_weights import load_copies

(STATE,) = world.weights(1)


def fit(state: dict[str, torch.Tensor], module: nn.Module, name: str) -> dict[str, torch.Tensor]:
    return dict(load_copies(state, TorchModel(module).source, name))


def same(found: dict[str, torch.Tensor]) -> bool:
    return weights_digest(found) == weights_digest(STATE)


@pytest.mark.parametrize(
    "content",
    [
        STATE,
        {"net": STATE, "acc": 0.9, "epoch": 3},
        {"model": STATE, "optimizer": {"state": {0: {"momentum": torch.ones(2)}}, "groups": []}},
        {"state_dict": STATE, "ema": STATE},
        {"model_state_dict": STATE},
        {"weights_of_mine": STATE, "loss": [1.0]},
    ],
    ids=["bare", "net", "model", "state_dict", "model_state_dict", "own"],
)
def test_wrappers_of_training_loops(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "a.pt")
    assert same(read_weights(tmp_path / "a.pt"))


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "model.", "enc."])
def test_prefixes_of_wrappers(prefix: str) -> None:
    wrapped = {prefix + key: value for key, value in STATE.items()}
    fitted = fit(wrapped, world.build(), "here")
    assert all(torch.equal(fitted[key], STATE[key]) for key in STATE)


def test_a_network_that_is_wrapped_afterwards() -> None:
    outer = nn.Module()
    outer.inner = world.build()
    fitted = fit(STATE, outer, "here")
    assert all(torch.equal(fitted[f"inner.{key}"], STATE[key]) for key in STATE)


def test_a_lightning_checkpoint(tmp_path: Path) -> None:
    content = {
        "state_dict": {f"model.{key}": value for key, value in STATE.items()},
        "epoch": 3,
        "global_step": 400,
        "pytorch-lightning_version": "2.5.0",
        "optimizer_states": [{"state": {}, "param_groups": [{"lr": 0.1}]}],
        "hyper_parameters": {"lr": 0.1, "layers": [1, 2]},
    }
    torch.save(content, tmp_path / "epoch=3-step=400.ckpt")
    fitted = fit(read_weights(tmp_path / "epoch=3-step=400.ckpt"), world.build(), "here")
    assert all(torch.equal(fitted[key], STATE[key]) for key in STATE)


def test_safetensors_and_its_shards(tmp_path: Path) -> None:
    save_file(STATE, tmp_path / "model.safetensors")
    assert same(read_weights(tmp_path / "model.safetensors"))
    halves = [dict(list(STATE.items())[::2]), dict(list(STATE.items())[1::2])]
    index = {}
    for i, half in enumerate(halves):
        save_file(half, tmp_path / f"model-{i}.safetensors")
        index |= dict.fromkeys(half, f"model-{i}.safetensors")
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    assert same(read_weights(tmp_path / "model.safetensors.index.json"))
    (tmp_path / "model-1.safetensors").unlink()
    with pytest.raises(CheckpointError, match="its shard model-1.safetensors is missing"):
        read_weights(tmp_path / "model.safetensors.index.json")


class Evil:
    """A pickle that would create a file when it is read by plain `torch.load` or `pickle`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return eval, (f"open({str(self.path)!r}, 'w').close()",)


def test_a_pickle_that_would_execute_code_does_not(tmp_path: Path) -> None:
    torch.save({"state_dict": STATE, "extra": Evil(tmp_path / "executed")}, tmp_path / "1.pt")
    assert same(read_weights(tmp_path / "1.pt"))
    (tmp_path / "2.pt").write_bytes(pickle.dumps(Evil(tmp_path / "executed")))
    with pytest.raises(CheckpointError, match=r"2.pt holds an object of builtins.eval"):
        read_weights(tmp_path / "2.pt")
    assert not (tmp_path / "executed").exists()


def test_a_whole_module_gives_its_state_dict(tmp_path: Path) -> None:
    module = world.build()
    module.load_state_dict(STATE)
    torch.save(module, tmp_path / "1.pt")
    found = read_weights(tmp_path / "1.pt")
    assert same(found)
    assert vars(found)["_metadata"] == vars(module.state_dict())["_metadata"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("1.pt", b"not a checkpoint at all", "is damaged or no checkpoint"),
        ("1.pt", b"", r"is damaged or no checkpoint: .* \(0 bytes\)"),
        ("1.safetensors", b"neither is this", "is no safetensors file"),
        ("1.index.json", b"{}", "is no index of shards"),
    ],
)
def test_no_checkpoint(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=message):
        read_weights(tmp_path / name)


def test_a_truncated_checkpoint(tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / "1.pt")
    whole = (tmp_path / "1.pt").read_bytes()
    (tmp_path / "1.pt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match="is damaged or no checkpoint"):
        read_weights(tmp_path / "1.pt")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"epoch": 3, "loss": 0.1}, "holds a dict with the keys epoch, loss"),
        ([1, 2], "holds a list"),
        ({"a": STATE, "b": STATE}, "holds a dict with the keys a, b"),
    ],
)
def test_no_weights_in_it(tmp_path: Path, content: object, message: str) -> None:
    torch.save(content, tmp_path / "1.pt")
    with pytest.raises(CheckpointError, match=message):
        read_weights(tmp_path / "1.pt")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_diverged(value: float) -> None:
    state = {key: tensor.clone() for key, tensor in STATE.items()}
    state["5.bias"][2] = value
    with pytest.raises(CheckpointError, match=r"NaN or infinite values in 5.bias"):
        fit(state, world.build(), "here")


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_values_that_are_not_finite_are_read_as_they_are(tmp_path: Path, value: float) -> None:
    state = {**STATE, "mask": torch.tensor([0.0, value])}
    torch.save(state, tmp_path / "1.pt")
    found = read_weights(tmp_path / "1.pt")["mask"]
    torch.testing.assert_close(found, state["mask"], rtol=0, atol=0, equal_nan=True)


def test_weights_that_do_not_fit_are_named_with_both_shapes() -> None:
    state = {key: value for key, value in STATE.items() if not key.startswith("5.")}
    state["fc.weight"] = torch.zeros(100, 512)
    with pytest.raises(CheckpointError) as caught:
        fit(state, world.build(), "runs/a/step-00500.pt")
    assert str(caught.value) == (
        "checkpoint runs/a/step-00500.pt does not fit the model\n"
        "  only in the file:  fc.weight (100, 512)\n"
        "  only in the model: 5.weight (4, 96), 5.bias (4,)\n"
        "The model has to be the one that was trained: pass its settings as model_args, or "
        "correct model."
    )
    with pytest.raises(CheckpointError, match=r"5.weight: \(4, 96\) in the file, \(7, 96\) in the"):
        fit(STATE, world.build(classes=7), "here")


def test_what_a_module_does_not_save_is_its_own() -> None:
    module = world.build()
    module.register_buffer("scale", torch.tensor(3.0), persistent=False)
    fitted = fit(STATE, module, "here")
    assert fitted["scale"] == 3
    assert fitted["0.weight"].dtype == torch.float32


def test_half_and_double_precision_become_single() -> None:
    halved = {key: v.half() if v.is_floating_point() else v for key, v in STATE.items()}
    for module in (world.build(), world.build().half(), world.build().double()):
        assert fit(halved, module, "here")["0.weight"].dtype == torch.float32


def test_what_is_fitted_shares_no_memory_with_the_module() -> None:
    module = world.build()
    module.register_buffer("calls", torch.tensor(3.0), persistent=False)
    fit(STATE, module, "here")["calls"].add_(1)
    assert module.calls == 3


def test_names_that_state_dict_changes_still_get_the_values_of_the_file() -> None:
    def renamed(module: nn.Module, state: dict, *_: object) -> None:
        for key in list(state):
            state["new." + key] = state.pop(key)

    module = world.build()
    module.register_state_dict_post_hook(renamed)
    fitted = fit({"new." + key: value for key, value in STATE.items()}, module, "here")
    assert torch.equal(fitted["0.weight"], STATE["0.weight"])


def test_tied_weights_fit() -> None:
    tied = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3))
    tied[2].weight = tied[0].weight
    fitted = fit(tied.state_dict(), tied, "here")
    assert set(fitted) == {"0.weight", "0.bias", "2.bias"}
    once = {key: value for key, value in tied.state_dict().items() if key != "0.weight"}
    assert torch.equal(fit(once, tied, "here")["0.weight"], fitted["0.weight"])


def test_old_files_without_the_batch_counter_fit() -> None:
    old = {key: value for key, value in STATE.items() if not key.endswith("num_batches_tracked")}
    assert "1.running_mean" in fit(old, world.build(), "here")


def test_the_digest_sees_names_types_shapes_and_values() -> None:
    base = {"a": torch.zeros(2, 3)}
    others = [
        {"b": torch.zeros(2, 3)},
        {"a": torch.zeros(3, 2)},
        {"a": torch.zeros(2, 3, dtype=torch.int32)},
        {"a": torch.zeros(2, 3).index_fill(0, torch.tensor(1), 1e-30)},
    ]
    assert len({weights_digest(one) for one in [base, *others]}) == 5
    assert weights_digest({"a": torch.zeros(3, 2).T}) == weights_digest(base)
