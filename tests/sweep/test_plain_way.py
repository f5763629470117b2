"""Models that read a weight at another time, or by another way, than a plain forward pass.

The judge is the plain way: a fresh module for each checkpoint, `load_state_dict`, `eval`, forward,
`backward`. What the run stores equals it, or the run is refused.
"""

import functools
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

import vog
from plain_models import WIDTH, Base, Build, State, X, Y, assert_as_plain, plain, save, states_of
from vog.cli import main
from vog.errors import CheckpointError, FunctionError, ModelError, ScoreError
from vog.models.torch.adapter import APART_NOTE
from vog.sweep.prepare import prepare
from vog.sweep.request import Request


class Recomputing(Base):
    """Calls its first layer again while it goes backward."""

    reentrant = False

    def forward(self, x: Tensor) -> Tensor:
        again = checkpoint(self.first, x.flatten(1), use_reentrant=self.reentrant)
        return self.last(torch.tanh(again))


class RecomputingReentrantly(Recomputing):
    reentrant = True


class _Inverting(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: nn.Module) -> Tensor:
        ctx.layer = layer
        ctx.save_for_backward(x.detach())
        with torch.no_grad():
            return torch.tanh(layer(x))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        with torch.enable_grad():
            leaf = x.detach().requires_grad_()
            torch.tanh(ctx.layer(leaf)).backward(gradients[0])
        assert leaf.grad is not None
        return leaf.grad, None


class Reversible(Base):
    """Its backward pass is written by hand, and calls a layer."""

    def forward(self, x: Tensor) -> Tensor:
        return self.last(_Inverting.apply(x.flatten(1), self.first))


class Listing(Base):
    """Reads its weights from a list that it made when it was built."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = [self.first.weight, self.first.bias]

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.tanh(F.linear(x.flatten(1), *self.weights)))


class CachedInEvaluation(Base):
    """Keeps the product of its weights until it is trained again."""

    kept: Tensor | None = None

    def train(self, mode: bool = True) -> "CachedInEvaluation":
        self.kept = None if mode else self.kept
        return super().train(mode)

    def forward(self, x: Tensor) -> Tensor:
        if self.training or self.kept is None:
            self.kept = self.last.weight @ self.first.weight
        return F.linear(x.flatten(1), self.kept, self.last.bias)


class CachedProperty(Base):
    @functools.cached_property
    def scale(self) -> Tensor:
        return torch.tanh(self.first.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.tanh(self.first(x.flatten(1))) * self.scale)


class Merging(Base):
    """Adds a low-rank part to its weight when it is evaluated, as LoRA layers do."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Parameter(torch.randn(2, WIDTH) / 9), nn.Parameter(torch.randn(8, 2))
        self.merged = False

    def train(self, mode: bool = True) -> "Merging":
        super().train(mode)
        if mode == self.merged:
            self.first.weight.data += (-1 if mode else 1) * (self.b @ self.a)
            self.merged = not mode
        return self


class WithExtraState(Base):
    def __init__(self) -> None:
        super().__init__()
        self.temperature = float(torch.rand(())) + 0.5

    def get_extra_state(self) -> Tensor:
        return torch.tensor(self.temperature)

    def set_extra_state(self, state: Any) -> None:
        self.temperature = float(state)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * self.temperature


class WithVersion(Base):
    """Files of version 1 hold the bias with the other sign."""

    _version = 2

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *rest: Any) -> None:  # type: ignore[override]
        if rest[0].get("version", 1) < 2:
            state_dict[prefix + "offset"] = -state_dict[prefix + "offset"]
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def __init__(self) -> None:
        super().__init__()
        self.offset = nn.Parameter(torch.randn(3))

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * self.offset


class Closing(Base):
    """Has a function that holds the module itself, as a hook does."""

    def __init__(self) -> None:
        super().__init__()
        scale = self.scale = nn.Parameter(torch.randn(self.first.out_features))

        def scaled(_: nn.Module, __: Any, made: Tensor) -> Tensor:
            return made * scale

        self.first.register_forward_hook(scaled)


class Aliasing(Base):
    """Has a second name for the memory of a weight, which is not saved."""

    alias: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("alias", self.first.weight.detach(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.tanh(F.linear(x.flatten(1), self.alias, self.first.bias)))


class Passing(nn.Module):
    """A wrapper that has all names of the compiled network inside of it."""

    def __init__(self) -> None:
        super().__init__()
        self.module = torch.compile(Base(), backend="eager")

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("module"), name)

    def forward(self, x: Tensor) -> Tensor:
        return self.module(2 * x + 1)


class MakingABuffer(Base):
    """Makes a mask when it first goes forward."""

    def forward(self, x: Tensor) -> Tensor:
        if "mask" not in self._buffers:
            self.register_buffer("mask", torch.ones(3), persistent=False)
        return super().forward(x) * self.get_buffer("mask")


class ComputingForEvaluation(Base):
    """Makes a tensor of its weights for evaluation, saved in that mode alone, as e2cnn does."""

    def train(self, mode: bool = True) -> Any:
        if mode:
            self._buffers.pop("product", None)
        elif self.training:
            self.register_buffer("product", self.first.weight * 2)
        return super().train(mode)

    def forward(self, x: Tensor) -> Tensor:
        made = self._buffers.get("product")
        product = self.first.weight * 2 if made is None else made
        return self.last(torch.tanh(F.linear(x.flatten(1), product, self.first.bias)))


class LoadingWithoutStrict(Base):
    """Has methods of its own that take less than those of nn.Module."""

    def load_state_dict(self, state: Any) -> Any:  # type: ignore[override]
        return super().load_state_dict(state)

    def state_dict(self) -> Any:  # type: ignore[override]
        return super().state_dict()


class KeepingWhatAHookMade(Base):
    """Keeps a tensor that a hook makes when weights are loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.kept = [torch.zeros(1)]
        self.register_load_state_dict_post_hook(lambda module, _: module.keep())

    def keep(self) -> None:
        self.kept = [torch.tanh(self.first.bias)]

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.tanh(self.first(x.flatten(1)) + self.kept[0]))


@pytest.mark.slow
@pytest.mark.parametrize(
    "build",
    [
        *(Closing, Aliasing, MakingABuffer, ComputingForEvaluation, LoadingWithoutStrict),
        *(KeepingWhatAHookMade, Passing, Recomputing, RecomputingReentrantly, Reversible, Listing),
        CachedInEvaluation,
        *(CachedProperty, Merging, WithExtraState, WithVersion),
        lambda: nn.Sequential(nn.LazyConv2d(4, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(3)),
        lambda: nn.Sequential(nn.Flatten(), nn.utils.weight_norm(nn.Linear(WIDTH, 3))),
        lambda: nn.Sequential(
            nn.Flatten(), nn.Linear(WIDTH, 4), nn.utils.spectral_norm(nn.Linear(4, 3))
        ),
    ],
    ids=lambda build: getattr(build, "__name__", ""),
)
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")
def test_the_plain_way(build: Build, tmp_path: Path) -> None:
    lazily = build
    if any(nn.parameter.is_lazy(p) for p in build().parameters()):
        build = partial(_with_shapes, lazily)
    states = states_of(build)
    run = vog.score(
        *(lazily, save(states, tmp_path / "ck"), (X, Y), tmp_path / "run"),
        scores="vog,grad_norm,aum",
    )
    for name, expected in plain(lazily, states).items():
        off = np.abs(run.values(f"{name}@all") - expected).max()
        assert off <= 1e-5 * np.abs(expected).max(), name


def _with_shapes(build: Build) -> nn.Module:
    """A lazy module after it met a batch, as a training loop saves it."""
    module = build()
    module(torch.from_numpy(X))
    return module


def notes_of(build: Any, states: list[State], folder: Path, **words: Any) -> dict[str, str]:
    ck = save(states, folder / "ck")
    request = Request(build, ck, (X, Y), folder / "run", scores="vog,aum", quiet=True, **words)
    return dict(prepare(request).notes)


def test_only_what_keeps_something_is_loaded_apart(tmp_path: Path) -> None:
    for build in (Base, Recomputing, Listing, Merging):
        folder = tmp_path / build.__name__
        folder.mkdir()
        assert "model" not in notes_of(build, states_of(build), folder)
    folder = tmp_path / "apart"
    folder.mkdir()
    notes = notes_of(CachedProperty, states_of(CachedProperty), folder, compile=True)
    assert notes["model"] == APART_NOTE
    assert notes["compile"] == "no: each checkpoint is loaded into a copy of its own"


def test_a_state_that_only_a_checkpoint_in_the_middle_has(tmp_path: Path) -> None:
    """The first and the last checkpoint alone do not show it."""
    states = states_of(WithExtraState)
    for state, temperature in zip(states, (1.0, 3.0, 1.0, 1.0), strict=True):
        state["_extra_state"] = torch.tensor(temperature)
    assert_as_plain(WithExtraState, states, tmp_path)


def test_weights_that_are_read_again_for_each_block(tmp_path: Path) -> None:
    """With as little memory as this, checkpoints are streamed, and loaded apart each time."""
    states = states_of(CachedProperty)
    run = vog.score(
        *(CachedProperty, save(states, tmp_path / "ck"), (X, Y), tmp_path / "run"),
        scores="vog,grad_norm,aum",
        batch_size=4,
        memory="30KB",
    )
    expected = plain(CachedProperty, states)["vog"]
    np.testing.assert_allclose(run.values("vog@all"), expected, rtol=1e-5)


def test_names_of_the_old_weight_norm_load_into_the_new(tmp_path: Path) -> None:
    with pytest.warns(FutureWarning, match="weight_norm"):
        states = states_of(lambda: nn.Sequential(nn.Flatten(), old_norm(nn.Linear(WIDTH, 3))))
    new_norm = nn.utils.parametrizations.weight_norm
    assert_as_plain(
        lambda: nn.Sequential(nn.Flatten(), new_norm(nn.Linear(WIDTH, 3))), states, tmp_path
    )


old_norm = nn.utils.weight_norm


def test_the_users_module_is_as_it_was_though_evaluation_merges(tmp_path: Path) -> None:
    module = Merging()
    before = {key: value.clone() for key, value in module.state_dict().items()}
    assert_as_plain(Merging, states_of(Merging), tmp_path, model=module)
    assert module.training
    assert not module.merged
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())


class NotToBeCopied(Base):
    def __deepcopy__(self, memo: Any) -> Any:
        raise TypeError("it holds a connection")


@pytest.mark.parametrize("build", [Closing, Aliasing])
def test_a_module_whose_copy_is_none(build: Callable[[], Base], tmp_path: Path) -> None:
    module, states = build(), states_of(build)
    before = {key: value.clone() for key, value in module.state_dict().items()}
    assert_as_plain(build, states, tmp_path, model=module)
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())
    assert module.training
    assert all(one.grad is None and one.requires_grad for one in module.parameters())


class Scaling(Base):
    """Has extra state, and cannot be copied."""

    scale = 1.0

    def get_extra_state(self) -> Any:
        return torch.tensor(self.scale)

    def set_extra_state(self, state: Any) -> None:
        self.scale = float(state)

    def __deepcopy__(self, memo: Any) -> Any:
        raise TypeError("a lock")

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * self.scale


def test_extra_state_of_a_module_that_cannot_be_copied_is_refused(tmp_path: Path) -> None:
    states, module = states_of(Scaling), Scaling()
    for step, state in enumerate(states):
        state["_extra_state"] = torch.tensor(float(step + 1))
    with pytest.raises(ModelError, match="neither copied nor built anew"):
        vog.score(module, save(states, tmp_path / "ck"), (X, Y), tmp_path / "run", quiet=True)
    assert module.scale == 1.0


def test_gradients_that_only_one_batch_size_has_are_refused(tmp_path: Path) -> None:
    class Alone(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, *gradients: Tensor) -> Tensor:
            return gradients[0] * len(gradients[0])

    class Other(Base):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(Alone.apply(x))

    with pytest.raises(ModelError, match="though their logits are the same"):
        notes_of(Other, states_of(Other), tmp_path)


def test_what_the_caller_computes_in_half_precision(tmp_path: Path) -> None:
    states = states_of(Base)
    with torch.autocast("cpu"):
        run = vog.score(Base, save(states, tmp_path / "ck"), (X, Y), tmp_path / "run", quiet=True)
    expected = plain(Base, states)["vog"]
    assert np.abs(run.values("vog@all") - expected).max() <= 1e-5 * expected.max()


def test_a_module_that_cannot_be_copied_is_compared_with_itself(tmp_path: Path) -> None:
    module, states = NotToBeCopied(), states_of(NotToBeCopied)
    before = {key: value.clone() for key, value in module.state_dict().items()}
    (tmp_path / "a").mkdir()
    assert "neither copied nor built anew" in notes_of(module, states, tmp_path / "a")["model"]
    assert_as_plain(NotToBeCopied, states, tmp_path, model=module)
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())
    (tmp_path / "b").mkdir()
    assert "model" not in notes_of(NotToBeCopied, states, tmp_path / "b"), "it can be built anew"


def test_random_constants_that_are_not_saved_are_refused(tmp_path: Path) -> None:
    class Projecting(Base):
        def __init__(self) -> None:
            super().__init__()
            self.signs = torch.randn(WIDTH)

        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x.flatten(1) * self.signs)

    with pytest.raises(ModelError, match=r"differ from those of load_state_dict.*random numbers"):
        notes_of(Projecting, states_of(Projecting), tmp_path)


def test_weights_that_play_no_part_are_refused(tmp_path: Path) -> None:
    class Unused(Base):
        def __init__(self) -> None:
            super().__init__()
            self.other = nn.Linear(WIDTH, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.other(x.flatten(1))

    states = states_of(Unused)
    frozen = [{k: states[0][k] if k[:5] == "other" else v for k, v in s.items()} for s in states]
    with pytest.raises(ModelError, match=r"the 4 checkpoints .* same logits .* bit for bit"):
        notes_of(Unused, frozen, tmp_path)
    (tmp_path / "pair").mkdir()
    pair = [frozen[0], frozen[1], *states[2:]]
    assert notes_of(Unused, pair, tmp_path / "pair")["same logits"].startswith("at steps 0 and 1:")


class Viewing(nn.Module):
    """The commonest small network there is; its `view` refuses channels that lie innermost."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.fc = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(64, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm(self.conv(x)))
        return self.fc(x.view(x.size(0), -1))


def test_a_layout_that_the_model_refuses_is_not_imposed(tmp_path: Path) -> None:
    assert_as_plain(Viewing, states_of(Viewing), tmp_path)


def test_the_error_of_a_model_is_that_of_its_plain_layout(tmp_path: Path) -> None:
    class Narrow(Viewing):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x[:, :2])

    with pytest.raises(ModelError, match="cannot take a batch") as error:
        notes_of(Narrow, states_of(Narrow), tmp_path)
    assert "view" not in str(error.value)


class Cosine(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        return 10 * F.linear(F.normalize(input, dim=1), F.normalize(self.weight, dim=1))


class Hooked(nn.Linear):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs)
        self.register_forward_hook(self._tripled)

    @staticmethod
    def _tripled(layer: nn.Module, given: Any, out: Any) -> Any:
        return out * 3


@pytest.mark.parametrize("head", [Cosine, Hooked])
def test_a_head_that_computes_more_than_a_linear_layer_is_none(
    head: type[nn.Linear], tmp_path: Path
) -> None:
    def build() -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(WIDTH, 8), nn.Tanh(), head(8, 3))

    with pytest.raises(ScoreError, match="grand needs a model whose logits are the output"):
        vog.score(
            *(build, save(states_of(build), tmp_path / "ck"), (X, Y), tmp_path / "run"),
            scores="grand",
        )


def test_one_example_that_is_no_number_takes_no_score_away(tmp_path: Path) -> None:
    spoiled = X.copy()
    spoiled[0] = np.nan
    ck = save(states_of(Base), tmp_path / "ck")
    run = vog.score(Base, ck, (spoiled, Y), tmp_path / "run", scores="all")
    whole = vog.score(Base, ck, (X, Y), tmp_path / "whole", scores="all")
    assert run.columns == whole.columns
    np.testing.assert_allclose(
        run.values("grand@all")[1:], whole.values("grand@all")[1:], rtol=1e-5
    )
    assert np.isnan(run.values("grand@all")[0])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_the_caller_has_set(tmp_path: Path) -> None:
    expected = plain(Base, states_of(Base))
    ck = save(states_of(Base), tmp_path / "ck")
    with torch.inference_mode():
        model = Base()
        a = vog.score(model, ck, (X, Y), tmp_path / "a", scores="vog,aum")
    torch.set_default_dtype(torch.float64)
    try:
        b = vog.score(Base, ck, (X, Y), tmp_path / "b", scores="vog,aum")
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    with torch.no_grad():
        c = vog.score(nn.DataParallel(Base()), ck, (X, Y), tmp_path / "c", scores="vog,aum")
    compiled: Any = torch.compile(Base())
    d = vog.score(compiled, ck, (X, Y), tmp_path / "d", scores="vog,aum")
    for run in (a, b, c, d):
        np.testing.assert_allclose(run.values("vog@all"), expected["vog"], rtol=1e-5)
        np.testing.assert_allclose(run.values("aum@all"), expected["aum"], rtol=1e-4, atol=1e-6)


class PartlyCompiled(Base):
    def __init__(self) -> None:
        super().__init__()
        self.first = torch.jit.script(self.first)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_code_of_torchscript_keeps_references_of_its_own(tmp_path: Path) -> None:
    assert_as_plain(PartlyCompiled, states_of(PartlyCompiled), tmp_path)
    whole = torch.jit.script(Base())
    run = vog.score(whole, tmp_path / "ck", (X, Y), tmp_path / "whole", scores="vog,grad_norm,aum")
    np.testing.assert_allclose(
        run.values("vog@all"), plain(Base, states_of(Base))["vog"], rtol=1e-5
    )


def test_a_function_that_returns_the_same_module_each_time(tmp_path: Path) -> None:
    module = Base()
    run = assert_as_plain(Base, states_of(Base), tmp_path, model=lambda: module)
    assert run.rows == len(Y)


def prefixed(states: list[State], more: Callable[[State], State]) -> list[State]:
    return [{**{f"model.{k}": v for k, v in s.items()}, **more(s)} for s in states]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (lambda s: {"criterion.weight": torch.ones(3)}, "criterion.weight"),
        (lambda s: {"n_averaged": torch.tensor(3)}, "n_averaged"),
        (lambda s: {f"ema_model.{k}": v * 2 for k, v in s.items()}, "ema_model.first.weight"),
    ],
)
def test_what_stands_beside_the_prefix_is_left_aside_and_said(
    more: Callable[[State], State], said: str, tmp_path: Path
) -> None:
    states = states_of(Base)
    (tmp_path / "notes").mkdir()
    names = notes_of(Base, prefixed(states, more), tmp_path / "notes")["names"]
    assert names.startswith("those under 'model.'; left aside: ")
    assert said in names
    run = vog.score(
        Base, tmp_path / "notes" / "ck", (X, Y), tmp_path / "run", scores="vog,grad_norm,aum"
    )
    np.testing.assert_allclose(run.values("vog@all"), plain(Base, states)["vog"], rtol=1e-5)


def test_two_prefixes_of_which_none_is_known_are_refused(tmp_path: Path) -> None:
    states = [
        {f"{who}.{k}": v for who in ("student", "teacher") for k, v in s.items()}
        for s in states_of(Base)
    ]
    with pytest.raises(CheckpointError, match=r"several times, under student\., teacher\."):
        notes_of(Base, states, tmp_path)


def test_a_part_of_the_names_under_a_prefix_is_a_misfit(tmp_path: Path) -> None:
    states = prefixed(states_of(Base), lambda s: {"criterion.weight": torch.ones(3)})
    for state in states:
        del state["model.last.bias"]
    with pytest.raises(CheckpointError, match=r"does not fit the model\n.*model.first.weight"):
        notes_of(Base, states, tmp_path)


class Masked(Base):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mask", torch.full((8, 8), -torch.inf).triu(1))

    def forward(self, x: Tensor) -> Tensor:
        attention = (self.first(x.flatten(1))[:, :, None] + self.mask).softmax(-1)
        return self.last(attention.mean(1))


def test_infinity_by_design_is_no_divergence(tmp_path: Path) -> None:
    states = states_of(Masked)
    assert_as_plain(Masked, states, tmp_path)
    states[1]["first.weight"][0, 0] = torch.inf
    (tmp_path / "diverged").mkdir()
    with pytest.raises(CheckpointError, match="infinite values in first.weight. Training diverged"):
        notes_of(Masked, states, tmp_path / "diverged")


def test_a_function_that_fails_is_named(tmp_path: Path) -> None:
    def build() -> nn.Module:
        raise ZeroDivisionError("no classes")

    with pytest.raises(FunctionError, match="ZeroDivisionError: no classes"):
        notes_of(build, states_of(Base), tmp_path)


def test_plan_and_summary_say_that_checkpoints_are_loaded_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save(states_of(CachedProperty), tmp_path / "ck")
    np.savez(tmp_path / "data.npz", inputs=X, labels=Y)
    words = {
        "model": f"{Path(__file__)}:CachedProperty",
        "checkpoints": str(tmp_path / "ck"),
        "data": str(tmp_path / "data.npz"),
        "out": str(tmp_path / "run"),
        "scores": "vog",
    }
    arguments = [word for key, value in words.items() for word in (f"--{key}", value)]
    monkeypatch.setattr(sys, "argv", ["vog", "score", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code
    said = capsys.readouterr().err
    assert " ".join(said.split()).count("each checkpoint is loaded into a copy of its own") == 2


class Temperature:
    """A class of the user's, which a file can only name."""


def test_an_extra_state_that_would_have_to_be_executed_is_refused(tmp_path: Path) -> None:
    states = states_of(WithExtraState)
    states[-1]["_extra_state"] = {"temperature": Temperature()}
    with pytest.raises(CheckpointError, match=r"_extra_state holds an object of .*Temperature"):
        notes_of(WithExtraState, states, tmp_path)
