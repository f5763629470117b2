"""`vog.models.own_model`: an object with `observe` is a model, whatever it computes with."""

import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import vog
from command_line import TESTS, Cli
from numpy_network import NumpyNetwork, in_torch
from plain_models import save, states_of
from vog.errors import CheckpointError, FunctionError, ModelError, ScoreError
from vog.inspection.inspector import inspector
from vog.models import LinearLastLayer, Outputs
from vog.scores import SCORES

Data = tuple[np.ndarray, np.ndarray]


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """Six checkpoints of the network in PyTorch."""
    return save(states_of(in_torch, 6), tmp_path / "checkpoints")


@pytest.fixture
def vectors() -> Data:
    rng = np.random.default_rng(0)
    return rng.normal(size=(40, 6)).astype(np.float32), rng.integers(0, 3, 40)


def assert_equal_scores(run: vog.Run, expected: vog.Run) -> None:
    assert run.score_columns == expected.score_columns
    assert {column.partition("@")[0] for column in run.score_columns} == set(SCORES)
    table, expected_table = run.table(), expected.table()
    for column in run.score_columns:
        numbers, others = table[column].to_numpy(), expected_table[column].to_numpy()
        largest = np.abs(others[np.isfinite(others)]).max(initial=0.0)
        np.testing.assert_allclose(
            numbers, others, rtol=1e-4, atol=1e-5 * float(largest), err_msg=column
        )


def test_a_network_in_numpy_gives_all_scores(trained: Path, vectors: Data, tmp_path: Path) -> None:
    run = vog.score(NumpyNetwork(), trained, vectors, tmp_path / "run", scores="all")
    plain = vog.score(in_torch(), trained, vectors, tmp_path / "plain", scores="all")
    assert_equal_scores(run, plain)
    assert run.question["versions"] == {"numpy": np.__version__}
    assert "torch" not in run.question
    assert run.question["model"]["code"] != plain.question["model"]["code"]


def test_the_command_line_takes_it_too(
    cli: Cli, trained: Path, vectors: Data, tmp_path: Path
) -> None:
    np.savez(tmp_path / "data.npz", inputs=vectors[0], labels=vectors[1])
    status, _, errors = cli(
        *("score", "--model", f"{TESTS / 'numpy_network.py'}:NumpyNetwork"),
        *("--checkpoints", str(trained), "--data", str(tmp_path / "data.npz")),
        *("--out", str(tmp_path / "run"), "--scores", "all"),
    )
    assert status == 0, errors
    plain = vog.score(in_torch(), trained, vectors, tmp_path / "plain", scores="all")
    assert_equal_scores(vog.open(tmp_path / "run"), plain)


@pytest.mark.parametrize("target", ["probability", "loss", "predicted", lambda z, y: z[:, 0] ** 2])
def test_targets_are_those_of_every_framework(
    target: Any, trained: Path, vectors: Data, tmp_path: Path
) -> None:
    """Also one of the user's own, which gets tensors of PyTorch."""
    run = vog.score(NumpyNetwork(), trained, vectors, tmp_path / "run", target=target)
    plain = vog.score(in_torch(), trained, vectors, tmp_path / "plain", target=target)
    np.testing.assert_allclose(run.table()["vog@all"], plain.table()["vog@all"], rtol=1e-4)


class WithoutLayer(NumpyNetwork):
    @contextmanager
    def observe(self, weights: Any, inputs: Tensor, differentiate: bool) -> Iterator[Outputs]:
        with super().observe(weights, inputs, differentiate) as outputs:
            yield Outputs(outputs.values, outputs.vjp)


def test_what_it_does_not_give_is_left_out(trained: Path, vectors: Data, tmp_path: Path) -> None:
    run = vog.score(WithoutLayer(), trained, vectors, tmp_path / "run", scores="all")
    assert "vog@all" in run.score_columns
    assert "grand@all" not in run.score_columns
    with pytest.raises(ScoreError, match="grand needs a model whose logits are the output"):
        vog.score(WithoutLayer(), trained, vectors, tmp_path / "other", scores="grand")


class Returning(NumpyNetwork):
    """`observe` in other ways."""

    def __init__(self, change: Any) -> None:
        self.change = change

    @contextmanager
    def observe(self, weights: Any, inputs: Tensor, differentiate: bool) -> Iterator[Any]:
        with super().observe(weights, inputs, differentiate) as outputs:
            yield self.change(outputs)


def with_vjp(outputs: Outputs, function: Callable[[Tensor, bool], Any]) -> Outputs:
    def vjp(cotangent: Tensor, more: bool = False) -> Tensor:
        return function(cotangent, more)

    return Outputs(outputs.values, vjp)


def as_number(outputs: Outputs) -> Outputs:
    """Outputs that checks of shapes would refuse, if they ran."""
    object.__setattr__(outputs, "values", outputs.values.sum())
    return outputs


class NoBlock(NumpyNetwork):
    def observe(self, weights: Any, inputs: Tensor, differentiate: bool) -> Any:
        return weights


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (NoBlock(), "returns dict; expected a context manager"),
        (Returning(lambda o: o.values), "gives Tensor; expected `vog.models.Outputs`"),
        (Returning(as_number), r"Outputs with values that are a tensor of float32, shape \(\)"),
        (Returning(lambda o: 1 / 0), "`observe` of the model failed: ZeroDivisionError"),
        (
            Returning(lambda o: with_vjp(o, lambda c, more: o.vjp(c)[:, :2])),
            r"`vjp` of the model gives shape \(2, 2\); expected that of the inputs, \(2, 6\)",
        ),
        (
            Returning(lambda o: with_vjp(o, lambda c, more: 1 / 0)),
            "`vjp` of the model failed: ZeroDivisionError",
        ),
        (Returning(lambda o: Outputs(o.values.softmax(1), o.vjp)), "returns probabilities"),
    ],
    ids=["no block", "tensor", "number", "fails", "shape", "vjp fails", "probabilities"],
)
def test_what_is_refused(
    network: object, message: str, trained: Path, vectors: Data, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=message):
        vog.score(network, trained, vectors, tmp_path / "run")
    assert not (tmp_path / "run").exists()


class Declaring(NumpyNetwork):
    """Says things of itself."""

    def __init__(self, **attributes: Any) -> None:
        vars(self).update(attributes)


def fails(*words: Any) -> Any:
    raise KeyError("lost")


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"signals": "all"}, "`signals` of the model is 'all'; expected some of 'logits'"),
        ({"signals": ["gradients"]}, "`signals` of the model is of the type list; expected some"),
        ({"device": "tpu"}, "`device` of the model is 'tpu'; expected where PyTorch has"),
        ({"layout": "NHWC"}, "the layout of the model is 'NHWC'; expected channels-first"),
        ({"versions": ["2.0"]}, "`versions` of the model is of the type list; expected texts"),
        ({"identity": lambda: 3}, "`identity` of the model is 3; expected texts by name"),
        ({"identity": fails}, "`identity` of the model failed: KeyError"),
        ({"digest": fails}, "`digest` of the model failed: KeyError"),
        ({"evaluation_mode": lambda: 3}, "`evaluation_mode` of the model gives 3; expected a"),
        ({"ways": lambda inputs: [3]}, "`ways` of the model gives 3; expected an object with"),
        ({"ways": lambda inputs: []}, "keeps something of a checkpoint"),
        ({"adapted": lambda *words: None}, "`adapted` of the model gives None; expected an obj"),
        ({"adapted": lambda: None}, "`adapted` of the model failed: TypeError"),
        ({"plain": lambda: 3}, "`plain` of the model gives 3; expected an object"),
        ({"read": lambda path: 3}, "`read` of the model returns int; expected tensors or arrays"),
        ({"peak_bytes": fails}, "`peak_bytes` of the model failed: KeyError"),
        ({"nbytes": fails}, "`nbytes` of the model failed: KeyError"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_it_says_of_itself_is_checked(
    attributes: dict[str, Any], message: str, trained: Path, vectors: Data, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=message):
        vog.score(Declaring(**attributes), trained, vectors, tmp_path / "run", quiet=True)


def test_its_code_and_attributes_identify_it(trained: Path, vectors: Data, tmp_path: Path) -> None:
    """Also those of the class that it inherits; taken before it has run."""

    class Inheriting(Declaring):
        pass

    class Counting(NumpyNetwork):
        calls = 0

        @contextmanager
        def observe(self, weights: Any, inputs: Tensor, differentiate: bool) -> Iterator[Outputs]:
            self.calls += 1
            with super().observe(weights, inputs, differentiate) as outputs:
                yield outputs

    def model(network: object) -> dict[str, str]:
        out = tmp_path / str(len(list(tmp_path.iterdir())))
        return vog.score(network, trained, vectors, out, scores="vog", quiet=True).question["model"]

    first = model(Declaring(width=1))
    assert first == model(Declaring(width=1))
    assert first["settings"] != model(Declaring(width=2))["settings"]
    assert first["code"] != model(NumpyNetwork())["code"]
    assert first["code"] in model(Inheriting(width=1))["code"]
    assert model(Counting()) == model(Counting())


def test_a_model_that_keeps_the_last_weights_is_refused(
    trained: Path, vectors: Data, tmp_path: Path
) -> None:
    """`ready` loads into one network, so every checkpoint would be the last."""

    class Keeping(NumpyNetwork):
        def ready(self, fitted: Any) -> Any:
            self.kept = fitted.values
            return None

        @contextmanager
        def observe(self, weights: Any, inputs: Tensor, differentiate: bool) -> Iterator[Outputs]:
            with super().observe(self.kept, inputs, differentiate) as outputs:
                yield outputs

    with pytest.raises(ModelError, match="it keeps something of the checkpoint that was made"):
        vog.score(Keeping(), trained, vectors, tmp_path / "run", scores="vog", quiet=True)


def test_batches_are_halved_where_it_runs_out(trained: Path, vectors: Data, tmp_path: Path) -> None:
    class Small(NumpyNetwork):
        @contextmanager
        def observe(self, weights: Any, inputs: Tensor, differentiate: bool) -> Iterator[Outputs]:
            if len(inputs) > 20:
                raise RuntimeError("RESOURCE_EXHAUSTED")
            with super().observe(weights, inputs, differentiate) as outputs:
                yield outputs

        def ran_out(self, error: BaseException) -> bool:
            return isinstance(error, RuntimeError) and "RESOURCE_EXHAUSTED" in str(error)

    request = {"scores": "vog", "quiet": True}
    run = vog.score(Small(), trained, vectors, tmp_path / "run", batch_size=40, **request)
    whole = vog.score(NumpyNetwork(), trained, vectors, tmp_path / "b", batch_size=40, **request)
    np.testing.assert_allclose(run.table()["vog@all"], whole.table()["vog@all"], rtol=1e-5)


def test_its_run_is_inspected(trained: Path, vectors: Data, tmp_path: Path) -> None:
    run = vog.score(NumpyNetwork(), trained, vectors, tmp_path / "run", scores="vog", quiet=True)
    shown = inspector(run, model=NumpyNetwork(), data=vectors)(3)
    assert shown.vog == pytest.approx(run.values("vog@all")[3], rel=1e-5)
    plain = vog.score(in_torch(), trained, vectors, tmp_path / "plain", scores="vog", quiet=True)
    other = inspector(plain, model=NumpyNetwork(), data=vectors)(3)
    assert "a different model" in other.differs


def test_a_class_is_built_and_is_no_model(trained: Path, vectors: Data, tmp_path: Path) -> None:
    run = vog.score(NumpyNetwork, trained, vectors, tmp_path / "run", scores="vog")
    assert run.rows == 40
    with pytest.raises(FunctionError, match="returns dict, not an nn.Module, and no object with"):
        vog.score(dict, trained, vectors, tmp_path / "other")


def test_settings_that_do_not_fit(trained: Path, vectors: Data, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="the model is an object with `observe`, which is built"):
        vog.score(NumpyNetwork(), trained, vectors, tmp_path / "run", model_args={"width": 1})
    with pytest.raises(ModelError, match="precision=bfloat16|no way of its own with layers in bf"):
        vog.score(NumpyNetwork(), trained, vectors, tmp_path / "run", precision="bfloat16")


def test_weights_that_are_not_finite(trained: Path, vectors: Data, tmp_path: Path) -> None:
    state = in_torch().state_dict()
    state["2.bias"][1] = torch.nan
    torch.save(state, trained / "step-3.pt")
    with pytest.raises(CheckpointError, match=r"step-3.pt: NaN or infinite values in 2.bias"):
        vog.score(NumpyNetwork(), trained, vectors, tmp_path / "run")


def test_it_may_read_its_own_checkpoints(vectors: Data, tmp_path: Path) -> None:
    class Reading(NumpyNetwork):
        def read(self, path: Path) -> dict[str, Tensor]:
            with np.load(path) as arrays:
                return {name: torch.from_numpy(arrays[name]) for name in arrays.files}

    folder, plain = tmp_path / "arrays", tmp_path / "plain"
    folder.mkdir()
    plain.mkdir()
    for step in range(3):
        torch.manual_seed(step)
        state = in_torch().state_dict()
        torch.save(state, plain / f"step-{step}.pt")
        np.savez(folder / f"step-{step}.npz", **{k: v.numpy() for k, v in state.items()})
    files = [folder / f"step-{step}.npz" for step in range(3)]
    run = vog.score(Reading(), files, vectors, tmp_path / "run", scores="vog")
    expected = vog.score(NumpyNetwork(), plain, vectors, tmp_path / "b", scores="vog")
    assert run.table().equals(expected.table())


class ReadingFolders(NumpyNetwork):
    """Reads folders with a file a weight."""

    def reads_itself(self, path: Path) -> bool:
        return (path / "0.weight.npy").exists()

    def read(self, path: Path) -> dict[str, Tensor]:
        return {file.stem: torch.from_numpy(np.load(file)) for file in path.glob("*.npy")}


def test_folders_that_it_reads_itself_are_found(
    trained: Path, vectors: Data, tmp_path: Path
) -> None:
    (tmp_path / "first").mkdir()
    for path in trained.glob("*.pt"):
        folder = tmp_path / "first" / path.stem.removeprefix("step-")
        folder.mkdir()
        for name, value in torch.load(path, weights_only=True).items():
            np.save(folder / f"{name}.npy", value.numpy())
    own = ReadingFolders()
    run = vog.score(own, tmp_path / "first", vectors, tmp_path / "run", scores="vog", quiet=True)
    expected = vog.score(NumpyNetwork(), trained, vectors, tmp_path / "b", scores="vog")
    assert run.table().equals(expected.table())
    assert [entry["step"] for entry in run.question["checkpoints"]] == list(range(6))
    (tmp_path / "first").rename(tmp_path / "moved")
    inspect = inspector(run, model=own, data=vectors, checkpoints=tmp_path / "moved")
    assert inspect(3).vog == pytest.approx(run.values("vog@all")[3], rel=1e-5)
    with pytest.raises(CheckpointError, match="holds no checkpoint"):
        vog.score(NumpyNetwork(), tmp_path / "moved", vectors, tmp_path / "c")


def test_the_features_are_told_apart_from_none() -> None:
    layer = LinearLastLayer(torch.ones(2, 3), has_bias=False)
    torch.testing.assert_close(
        layer.gradient_norm(torch.tensor([[3.0, 4.0], [0.0, 0.0]])),
        torch.tensor([5 * 3**0.5, 0.0]),
    )


def test_it_can_be_sent_to_another_process() -> None:
    network = pickle.loads(pickle.dumps(NumpyNetwork()))
    assert isinstance(network, NumpyNetwork)
