"""A PyTorch module that is observed under the weights of one checkpoint after the other.

The weights of a checkpoint are in place during a forward and backward pass, and the module has its
own again afterwards. A template, a copy that loads each file and is never run, decides whether a
checkpoint fits. If a module carries state from one checkpoint to the next, each gets its own copy.
"""

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vog import user_functions
from vog.checkpoints import Contents, Reader
from vog.data.inputs import Inputs, Uniform, VariedInputs
from vog.errors import ModelError, VogError
from vog.models.last_layer import LinearLastLayer
from vog.models.protocol import (
    Companions,
    FittedWeights,
    Outputs,
    StateBesideWeightsError,
    Variant,
)
from vog.models.torch import (
    buckets,
    linear_head,
    memory,
    module_inputs,
    module_output,
    norm_folding,
    sending,
    state_dict,
)
from vog.models.torch.buckets import Buckets, Padding
from vog.models.torch.compiled import compile_forward
from vog.models.torch.float32_arithmetic import float32_arithmetic
from vog.models.torch.folder_reader import FolderReader
from vog.models.torch.fresh_modules import ModuleSource, is_scripted, source_of
from vog.models.torch.identity import identity_of
from vog.models.torch.input_gradient import first_of_pair, input_gradient
from vog.models.torch.linear_head import Forward, Head
from vog.models.torch.matched_weights import (
    LoadedWeights,
    MatchedWeights,
    extra_state_of,
    load_apart,
    load_copies,
    settings_of,
)
from vog.models.torch.module_run import Precision, advice_on, bfloat16_names, run_module
from vog.models.torch.norm_folding import Folding
from vog.models.torch.rest import Rest, digest_with_rest, note_on
from vog.models.torch.state_dict import set_mode
from vog.models.torch.weights_in_place import (
    TorchWeights,
    restored_on_exit,
    tensor_nbytes,
    weights_in_place,
)
from vog.observation import GRADIENTS, OF_LAST_LAYER, Signal
from vog.scores.gradient import Layout
from vog.wording import option

_HEAD_EXAMPLES = 8
APART_NOTE = (
    "each checkpoint is loaded into a copy of its own: one module that takes the weights of all in "
    "turn would not give the numbers of the plain way (slower: norms are not folded)"
)
_IN_PAIRS_NOTE = (
    f"an example that is alone in its batch is computed twice: PyTorch {torch.__version__} gives "
    f"it another gradient than it has among others"
)
_UNPADDED_NOTE = (
    "examples of different lengths are never in one batch, since padding changes their numbers"
)


@dataclass(frozen=True)
class TorchModel:
    """A module that maps a batch of inputs to logits: a tensor, or an object with `.logits`.

    Attributes:
        module: its mode, gradients and buffers are restored after use.
        device: of the computation; the module may be elsewhere.
        head: the last linear layer, if the module has one and its output is the logits.
        head_name: the name of that layer if the user gives it; None to find it.
        folding: the batch norms that the convolutions before them compute.
        foldable: the batch norms that they could compute.
        precision: of convolutions and linear layers except the head. Everything else, and all
            results, are float32.
        compiled: the forward pass as one compiled graph for all checkpoints, for full batches.
        full_batch: the number of examples in a full batch.
        source: makes the modules into which checkpoints are loaded; by default, copies.
        reader: reads checkpoint files.
        folder_reader: reads checkpoint folders of the library that the module is of, if any.
        rest: what checkpoints may lack, as it was built; None if they have to have everything.
        own_companions: what comes with the module, whatever its checkpoints are.
        layout: the axis of an example that holds its colours; None if its shape decides.
        memory_format: of images; channels last is faster, and some models refuse it.
        may_fold: norms may be folded into convolutions.
        in_copies: each checkpoint is loaded into its own copy of the module.
        restores: the module is the user's own object, so its values are restored as well.
        in_pairs: an example that is alone in its batch is computed twice. In the backward pass
            through a batch norm whose channels then become tokens, PyTorch mistakes the memory
            layout of a single example, and returns a wrong gradient without an error.
        wrt_setting: the module whose output is differentiated, or `embeddings`, as the user gives
            it; None to find what is differentiated.
        wrt: the name of that module; None if the inputs are differentiated.
        has_leaf: there is something to differentiate.
        padding: how examples of different lengths are made into batches.
    """

    module: nn.Module
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    head: Head | None = None
    head_name: str | None = None
    folding: Folding = field(default_factory=Folding)
    foldable: Folding = field(default_factory=Folding)
    precision: Precision = "float32"
    compiled: Forward | None = None
    full_batch: int = 0
    source: ModuleSource = None  # type: ignore[assignment]  # set after the rest
    reader: Reader = field(default_factory=Reader)
    folder_reader: FolderReader | None = None
    rest: Rest | None = None
    own_companions: Companions = field(default_factory=Companions)
    layout: Layout | None = None
    memory_format: torch.memory_format = torch.channels_last
    may_fold: bool = True
    in_copies: bool = False
    restores: bool = True
    in_pairs: bool = False
    wrt_setting: str | None = None
    wrt: str | None = None
    has_leaf: bool = True
    padding: Padding = field(default_factory=Padding)

    def __post_init__(self) -> None:
        if self.source is None:
            object.__setattr__(self, "source", source_of(self.module, None))

    def __getstate__(self) -> bytes:
        """Return the model as it is sent to another process, which reads weights from files."""
        state = dict(vars(self))
        state.pop("_shared_ready", None)
        if self.template is not None:  # what would build a module anew may be a local function
            state["source"] = replace(self.source, module=self.template, build=None)
        modules = [self.module, *([] if self.template is None else [self.template])]
        sent = () if self.rest is None else self.rest.values
        return sending.pack(state | {"compiled": self.compiled is not None}, modules, sent)

    def __setstate__(self, state: bytes) -> None:
        """Take the state of another process; a graph is compiled again at its first use."""
        values = sending.unpack(state)
        if values["compiled"]:
            values["compiled"] = compile_forward(values["module"], values["head"])
        else:
            values["compiled"] = None
        vars(self).update(values)

    @property
    def template(self) -> nn.Module | None:
        """The module that loads checkpoints and is never run; None if there is no copy."""
        return self.source.template

    @property
    def signals(self) -> frozenset[Signal]:
        """All signals, except those of a linear head or of gradients if there is no such thing."""
        missing = frozenset() if self.head is not None else OF_LAST_LAYER
        return frozenset(Signal) - missing - (frozenset() if self.has_leaf else GRADIENTS)

    @property
    def input_names(self) -> tuple[str, ...] | None:
        """The names that the module takes; None if its signature has none."""
        return self.padding.arguments

    def differentiated_module(self, inputs: Inputs) -> str | None:
        """Return the module whose output is differentiated for such inputs; None for the inputs."""
        return module_output.module_for(self.module, self.wrt_setting, inputs)

    @property
    def versions(self) -> Mapping[str, str]:
        """The version of PyTorch."""
        return {"torch": torch.__version__}

    @property
    def predicts_next_token(self) -> bool:
        """True for causal language models of transformers, whose classes are named so."""
        names = [kind.__name__ for kind in type(self.module).__mro__]
        return any(name.endswith(("ForCausalLM", "LMHeadModel")) for name in names)

    @property
    def settings(self) -> Mapping[str, Any]:
        """The number of folded norms, and whether checkpoints are loaded apart."""
        folded = {"folded": len(self.folding.pairs)}
        return folded | ({"loaded_apart": True} if self.in_copies else {})

    @property
    def remarks(self) -> tuple[str, ...]:
        """How checkpoints are loaded, if it is unusual."""
        remarks = (APART_NOTE,) if self.in_copies else ()
        remarks += (_IN_PAIRS_NOTE,) if self.in_pairs else ()
        remarks += () if self.padding.is_used else (_UNPADDED_NOTE,)
        if not self.source.can_be_fresh:
            remarks += (
                f"compared with load_state_dict and backward on itself: it can be neither copied "
                f"nor built anew (give a function as {option('model')})",
            )
        return remarks

    @property
    def plain_name(self) -> str:
        """What a user of PyTorch would write."""
        return "load_state_dict, eval and backward on a fresh model"

    @property
    def reads_concurrently(self) -> bool:
        """True if checkpoints are not loaded into the module that runs."""
        return self.in_copies or self.template is not None

    def identity(self) -> Mapping[str, str]:
        """Return digests of the printed module, and of the code and settings of its layers."""
        return identity_of(self.source.module)

    def reads_itself(self, path: Path) -> bool:
        """Return True for a folder of the module's library; our readers read other files."""
        return self.folder_reader is not None and self.folder_reader.takes(path)

    def companions(self, last: Path) -> Companions:
        """Return the transform and the names of classes of the module's library."""
        reader = self.folder_reader
        return self.own_companions if reader is None else reader.companions(last)

    def contents(self, path: Path) -> Contents:
        """Return the weights in a checkpoint, before they are matched to the module.

        Raises:
            CheckpointError: the checkpoint cannot be read.
        """
        if self.folder_reader is not None and self.folder_reader.takes(path):
            return self.folder_reader.contents(path)
        return self.reader.contents(path)

    def read(self, path: Path) -> FittedWeights:
        """Return the weights of a checkpoint by the names of the module, floats in float32."""
        contents, source, name = self.contents(path), self.source, str(path)
        target = self.template or self.module
        may_lack = () if self.rest is None else self.rest.values
        renamed = state_dict.rename(contents.weights, target, name, may_lack)
        weights, shared = self.completed(contents.weights, renamed.weights, target)
        extra_state = extra_state_of(renamed.weights, source, path)
        if extra_state and not self.reads_concurrently:
            raise StateBesideWeightsError(f"{path} has more than tensors.")
        notes = {} if contents.note is None else {"taken": contents.note}
        if self.template is not None and renamed.note is not None:
            notes["names"] = renamed.note
        notes |= {"from the model": note_on(shared)} if shared else {}
        if self.in_copies:
            matched = MatchedWeights(load_apart(weights, source, name), extra_state, shared)
            return FittedWeights(matched, contents.key, notes)
        # A module without a template is the user's, and loading changes more of it than weights.
        with nullcontext() if self.template is not None else self.evaluation_mode():
            tensors = load_copies(weights, source, name)
            settings = settings_of(target)
        if self.rest is not None:
            tensors = {**tensors, **{key: self.rest.values[key] for key in shared}}
        matched = MatchedWeights(tensors, extra_state, shared)
        return FittedWeights(matched, contents.key, notes, settings)

    def loadable(self, path: Path, module: nn.Module) -> Mapping[str, Any]:
        """Return the weights of a checkpoint, with what it may lack, for a module of this kind."""
        weights = self.contents(path).weights
        if self.rest is None:
            return weights
        renamed = state_dict.rename(weights, module, str(path), self.rest.values).weights
        return self.completed(weights, renamed, module)[0]

    def completed(
        self, weights: Mapping[str, Any], renamed: Mapping[str, Any], module: nn.Module
    ) -> tuple[Mapping[str, Any], frozenset[str]]:
        """Return the weights of a file with what it may lack, and the first names of that.

        Args:
            weights: under the names of the file; returned as they are if they lack nothing.
            renamed: the same under the names of the module.
            module: takes the weights.
        """
        lacking = {} if self.rest is None else self.rest.lacking(renamed, module)
        if self.rest is None or not lacking:
            return weights, frozenset()
        complete = copy.copy(renamed)  # with the versions of layers
        assert isinstance(complete, dict), "what `rename` returns"
        complete.update(lacking)
        return complete, self.rest.first_names(lacking.keys(), module)

    def digest(self, fitted: FittedWeights) -> str:
        """Return a digest of all values but counters of batches."""
        digest, shared = fitted.values.digest(), fitted.values.shared
        if self.rest is None or not shared:
            return digest
        return digest_with_rest(digest, self.rest.digest(shared))

    def ready(self, fitted: FittedWeights) -> TorchWeights:
        """Return weights for `observe`: norms folded; precision, device and format as set."""
        tensors = fitted.values.tensors
        if isinstance(tensors, LoadedWeights):
            return LoadedWeights(tensors.module.to(self.device))
        folded, shared = self.folding.fold_weights(tensors), fitted.values.shared
        for key in shared - self._shared_ready.keys():
            self._shared_ready[key] = self._ready_tensor(key, folded[key])
        return {
            key: self._shared_ready[key] if key in shared else self._ready_tensor(key, value)
            for key, value in folded.items()
        }

    def _ready_tensor(self, key: str, value: Tensor) -> Tensor:
        return self._to_device(value.bfloat16() if key in self._bfloat16_names else value)

    @cached_property
    def _shared_ready(self) -> dict[str, Tensor]:
        """Tensors that no checkpoint has, on the device: once for all checkpoints."""
        return {}

    @cached_property
    def _bfloat16_names(self) -> frozenset[str]:
        return bfloat16_names(self.module, self.head, self.precision)

    def nbytes(self, weights: TorchWeights) -> int:
        """Return the bytes of all tensors that the checkpoint does not share with others."""
        shared = self._shared_ready
        return sum(
            tensor_nbytes(value) for key, value in weights.items() if shared.get(key) is not value
        )

    def place(self, inputs: Inputs) -> Uniform | Buckets:
        """Return a batch on the device, in the memory format of the model."""
        if isinstance(inputs, VariedInputs):
            return buckets.buckets_of(inputs, self.padding).mapped(self._placed)
        return self._placed(inputs)

    def _placed(self, inputs: Uniform) -> Uniform:
        inputs = buckets.with_required_mask(inputs, self.padding)
        module_inputs.check_mask(inputs)  # here, since on a GPU the answer would have to be awaited
        # A copy from pinned memory runs while the CPU and the GPU do other work.
        pinned = inputs.pin_memory() if self.device.type == "cuda" else inputs
        return module_inputs.mapped(self._to_device, pinned)

    def _to_device(self, tensor: Tensor) -> Tensor:
        on_device = tensor.to(self.device, non_blocking=True)
        if tensor.layout is not torch.strided:
            return on_device
        # Convolutions on CPU and GPU are faster with channels innermost in memory.
        is_image = tensor.ndim == 4 and not self.in_copies
        return on_device.contiguous(
            memory_format=self.memory_format if is_image else torch.contiguous_format
        )

    @contextmanager
    def evaluation_mode(self) -> Iterator[None]:
        """Set evaluation mode inside the block, and restore the mode of each sub-module after it.

        In training mode dropout would add noise to the spread, and batch normalisation would make
        the examples of a batch depend on each other. The module's own `train` changes the mode,
        since it may do more than that.
        """
        if self.in_copies:  # the copies that run are in evaluation mode already
            with float32_arithmetic():
                yield
            return
        with (
            float32_arithmetic(),
            restored_on_exit(self.module) if self.restores else nullcontext(),
        ):
            if any(part.training for part in self.module.modules()):
                set_mode(self.module, training=False)
            with self.folding.applied(self.module):
                yield

    @contextmanager
    def observe(
        self, weights: TorchWeights, placed: Uniform | Buckets, differentiate: bool
    ) -> Iterator[Outputs]:
        """Give the outputs of n examples; the weights stay in place inside the block."""
        # A backward pass may call layers again, so the weights stay in place until it ends.
        # Gradients are enabled always, because some models compute gradients themselves.
        with torch.enable_grad(), self._in_place(weights):
            if not isinstance(placed, Buckets):
                yield self._outputs(weights, placed, differentiate)
                return
            parts = [
                self._outputs(weights, part, differentiate, is_bucket=True) for part in placed.parts
            ]
            yield buckets.joined(parts, placed)

    def _outputs(
        self, weights: TorchWeights, placed: Uniform, differentiate: bool, is_bucket: bool = False
    ) -> Outputs:
        """Return the outputs of examples of equal shape, with weights that are in place."""
        if self.in_pairs and len(placed) == 1:
            pair = module_inputs.doubled(placed)
            return first_of_pair(self._outputs(weights, pair, differentiate, is_bucket))
        logits, features, leaf = self._forward_to_leaf(weights, placed, differentiate)

        def vjp(cotangent: Tensor, more: bool = False) -> Tensor:
            assert leaf is not None, "there is a leaf where gradients are wanted"
            return input_gradient(logits, cotangent, leaf, keep_graph=more, module=self.wrt)

        last_layer = None
        if self.head is not None and features is not None:
            has_bias = self.head.layer.bias is not None
            last_layer = LinearLastLayer(features.detach(), has_bias)
        mask = None
        if leaf is not None:
            mask = module_inputs.mask_of(placed, leaf, self.wrt is not None)
            if mask is None and is_bucket:
                mask = module_inputs.every_position(placed, leaf, self.wrt is not None)
        return Outputs(logits.detach(), vjp, last_layer, mask)

    def _forward_to_leaf(
        self, weights: TorchWeights, placed: Uniform, differentiate: bool
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Return logits, the input of the head, and what is differentiated, if there are such."""
        if self.wrt is None:
            inputs, leaf = module_inputs.with_leaf(placed, differentiate)
            return *self._forward(weights, inputs), leaf
        if not differentiate:
            return *self._forward(weights, placed), None
        with module_output.output_as_leaf(self.module_for(weights), self.wrt) as output:
            logits, features = self._forward(weights, placed)
        return logits, features, output.leaf(len(placed))

    def _in_place(self, weights: TorchWeights) -> AbstractContextManager[None]:
        return (
            nullcontext()
            if isinstance(weights, LoadedWeights)
            else weights_in_place(self.module, weights)
        )

    def forward(
        self, weights: TorchWeights, inputs: Uniform
    ) -> tuple[Float[Tensor, "n *outputs"], Tensor | None]:
        """Return logits in float32, and the input of the head if there is one.

        Raises:
            ModelError: the model cannot take such a batch, or returns no logits.
        """
        with self._in_place(weights):
            return self._forward(weights, inputs)

    def _forward(self, weights: TorchWeights, inputs: Uniform) -> tuple[Tensor, Tensor | None]:
        """Do the same as `forward` with weights that are in place."""
        run = self.compiled if self.compiled and len(inputs) == self.full_batch else self._run
        is_bfloat16 = self.precision == "bfloat16"
        try:
            with (
                self.folding.pairs_checked(),
                torch.autocast(
                    self.device.type, torch.bfloat16, enabled=is_bfloat16, cache_enabled=False
                ),
            ):
                logits, features = run(weights, inputs)
        except VogError:
            raise
        except Exception as error:
            if memory.ran_out(error):
                raise
            raise ModelError(
                f"the model cannot take a batch of shape {module_inputs.shape_text(inputs)}"
                f"{' in bfloat16' if is_bfloat16 else ''}: {user_functions.describe_error(error)}\n"
                f"{advice_on(error, self.module, self.precision)}"
            ) from error
        is_cut = self.head is not None and self.head.name == self.wrt
        if is_bfloat16 and self.head is not None and features is not None and not is_cut:
            # Logits of two or three digits would spoil every score that compares them.
            logits = self.head.logits(weights, features)
        return logits.float(), features

    def module_for(self, weights: TorchWeights) -> nn.Module:
        """Return the module that runs with these weights."""
        return weights.module if isinstance(weights, LoadedWeights) else self.module

    def _run(self, weights: TorchWeights, inputs: Uniform) -> tuple[Tensor, Tensor | None]:
        return run_module(self.module_for(weights), self.head, inputs)

    def ways(self, inputs: Inputs) -> "Iterator[TorchModel]":
        """Yield the model with channels last and norms folded, as it is, and in copies."""
        plain = replace(self, memory_format=torch.contiguous_format)
        if not (self.in_copies or is_scripted(self.module)):
            if module_inputs.is_image(inputs):
                yield self
            elif self.may_fold:
                yield plain
            yield replace(plain, may_fold=False)
        if isinstance(inputs, VariedInputs) and buckets.can_pad(inputs, self.padding):
            padding = replace(self.padding, is_used=False)
            yield replace(plain, may_fold=False, padding=padding)
        if self.source.can_be_fresh:
            yield replace(plain, may_fold=False, in_copies=True)

    def apart(self) -> "TorchModel":
        """Return the model that loads each checkpoint into a copy of its own."""
        if not self.source.can_be_fresh:
            raise ModelError(
                f"the model can be neither copied nor built anew, and it is compiled by "
                f"TorchScript or keeps more of a checkpoint than its tensors; so no checkpoint can "
                f"be loaded into a copy of its own. Give a function that builds it as "
                f"{option('model')}."
            )
        return replace(self, in_copies=True)

    def plain(self) -> "TorchModel":
        """Return `load_state_dict`, `eval` and `backward` on a fresh module."""
        from vog.models.torch.plain_way import PlainWay  # it is a model of this kind

        fresh = self.source.fresh()
        values = {member.name: getattr(self, member.name) for member in fields(self)}
        values |= {
            "module": self.source.module if fresh is None else fresh,
            "folding": Folding(),
            "compiled": None,
            "in_copies": True,
            "restores": fresh is None,
            "rest": None if self.rest is None else self._rest_of(fresh),
        }
        return PlainWay(**values)

    def _rest_of(self, fresh: nn.Module | None) -> Rest | None:
        return self.rest if fresh is None else Rest.of(fresh, copied=True)

    def adapted(self, fitted: FittedWeights, path: Path, inputs: Inputs) -> "TorchModel":
        """Return the model with its own module, its head, and the norms that may be folded."""
        own = self if self.in_copies or self.template is None else self._with_module(path)
        if own.wrt_setting is not None:
            module_output.check_name(own.module, own.wrt_setting)
        wrt = own.differentiated_module(inputs)
        has_leaf = wrt is not None or module_output.has_floats(inputs)
        return replace(own, wrt=wrt, has_leaf=has_leaf).with_parts(fitted, inputs)

    def with_parts(self, fitted: FittedWeights, inputs: Inputs) -> "TorchModel":
        """Return the model with its head, and the norms that may be folded, as runs show them."""
        with self.evaluation_mode(), torch.enable_grad():
            weights = self.ready(fitted)
            uniform = inputs.examples[0] if isinstance(inputs, VariedInputs) else inputs
            placed, few = self._placed(uniform), self._placed(uniform[:_HEAD_EXAMPLES])
            module = self.module_for(weights)
            head = linear_head.find(
                module, weights, lambda: self.forward(weights, few)[0], self.head_name
            )
            model = replace(self, head=head)
            if model.may_fold and model.template is not None:
                run = partial(model.forward, weights, placed)
                model = replace(model, foldable=norm_folding.find(model.module, run))
        return model

    def _with_module(self, path: Path) -> "TorchModel":
        """Return the model with a module of its own, which has what the checkpoint creates."""
        module = self.source.copy_or_fresh()
        if module is None:
            raise ModelError("the model cannot be copied after a checkpoint was loaded into it.")
        state_dict.load(self.loadable(path, module), module, str(path))  # creates lazy layers
        return replace(self, module=module)

    def variant(self, variant: Variant, batch_size: int = 0) -> "TorchModel":
        """Return another way to compute with this module."""
        if variant is Variant.FOLDED and self.foldable.pairs:
            return replace(self, folding=self.foldable)
        if variant is Variant.IN_PAIRS:
            return replace(self, in_pairs=True)
        if variant is Variant.WITHOUT_LAST_LAYER:
            return replace(self, head=None)
        if variant is Variant.BFLOAT16:
            return replace(self, precision="bfloat16")
        if variant is Variant.COMPILED and self.wrt is not None:
            raise ModelError(f"a compiled graph does not give the output of {self.wrt}")
        if variant is Variant.COMPILED and not self.in_copies:
            graph = compile_forward(self.module, self.head)
            return replace(self, compiled=graph, full_batch=batch_size)
        reasons = {Variant.FOLDED: "no norm can be folded"}
        raise ModelError(reasons.get(variant, "each checkpoint is loaded into a copy of its own"))

    def layout_of(self, shape: tuple[int, ...]) -> Layout | None:
        """Return the axis of colours that was set; no module says it."""
        return self.layout

    def in_batches_of(self, size: int) -> "TorchModel":
        """Return the model itself, which computes batches of any size."""
        return self

    def free_bytes(self) -> int:
        """Return the free bytes of the device; in a container, at most what its limit leaves."""
        return memory.free_bytes(self.device)

    def peak_bytes(self, work: Callable[[], object]) -> int:
        """Run `work`, and return the most bytes of new tensors that it holds at one time."""
        return memory.peak_bytes(work, self.device)

    def ran_out(self, error: BaseException) -> bool:
        """Return True if an error says that memory ran out, on the processor or on a GPU."""
        return memory.ran_out(error)

    def release(self) -> None:
        """Give back the unused memory that allocators keep, after memory ran out."""
        memory.release()
