"""The architectures of other libraries that are compared with the plain way, one row each.

Each is built with random weights from a definition that needs nothing from the network.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn

os.environ.setdefault("KERAS_BACKEND", "torch")

CLASSES = 5


@dataclass(frozen=True)
class Architecture:
    """How a module is built, and the shape of one example of its inputs."""

    library: str
    name: str
    build: Callable[[], nn.Module]
    shape: tuple[int, ...]

    @property
    def title(self) -> str:
        """The library and the name, as a test is called."""
        return f"{self.library}: {self.name}"


def _image(size: int) -> tuple[int, int, int]:
    return (3, size, size)


def _timm(name: str, size: int, checkpointing: bool = False, **keywords: Any) -> Architecture:
    said = ", ".join(f"{key}={value}" for key, value in keywords.items() if key != "img_size")
    words = [name, *([said] if said else []), *(["checkpointing"] if checkpointing else [])]
    build = partial(_build_timm, name, checkpointing, keywords)
    return Architecture("timm", ", ".join(words), build, _image(size))


def _build_timm(name: str, checkpointing: bool, keywords: dict[str, Any]) -> nn.Module:
    import timm

    module = timm.create_model(name, num_classes=CLASSES, **keywords)
    if checkpointing:
        module.set_grad_checkpointing(True)
    return module


def _torchvision(name: str, size: int, **keywords: Any) -> Architecture:
    said = "".join(f", {key}" for key, value in keywords.items() if value is True)
    build = partial(_build_torchvision, name, keywords)
    return Architecture("torchvision", name + said, build, _image(size))


def _build_torchvision(name: str, keywords: dict[str, Any]) -> nn.Module:
    from torchvision import models

    return getattr(models, name)(num_classes=CLASSES, **keywords)


_SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
_FEED_FORWARD = {**_SMALL, "intermediate_size": 64}
_PATCHES = {**_FEED_FORWARD, "image_size": 32, "patch_size": 8}


def _transformers(
    name: str, size: int, checkpointing: bool = False, **keywords: Any
) -> Architecture:
    title = f"{name}ForImageClassification" + (", checkpointing" if checkpointing else "")
    build = partial(_build_transformers, name, checkpointing, keywords)
    return Architecture("transformers", title, build, _image(size))


def _build_transformers(name: str, checkpointing: bool, keywords: dict[str, Any]) -> nn.Module:
    import transformers

    config = getattr(transformers, f"{name}Config")(num_labels=CLASSES, **keywords)
    module = getattr(transformers, f"{name}ForImageClassification")(config)
    if checkpointing:
        module.gradient_checkpointing_enable()
    return module


class _OfEmbeddings(nn.Module):
    """A network of words that is given what its embedding would give."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        return self.network(inputs_embeds=embeddings).logits


def _words(name: str, **keywords: Any) -> Architecture:
    title = f"{name}ForSequenceClassification, embeddings in"
    return Architecture("transformers", title, partial(_build_words, name, keywords), (7, 32))


def _build_words(name: str, keywords: dict[str, Any]) -> nn.Module:
    import transformers

    config = getattr(transformers, f"{name}Config")(num_labels=CLASSES, vocab_size=50, **keywords)
    return _OfEmbeddings(getattr(transformers, f"{name}ForSequenceClassification")(config))


def _lora(merged: bool) -> nn.Module:
    import loralib

    layer = partial(loralib.MergedLinear, enable_lora=[True, False]) if merged else loralib.Linear
    return nn.Sequential(
        loralib.Conv2d(3, 8, 3, r=2),
        nn.ReLU(),
        nn.Flatten(),
        layer(8 * 6 * 6, 16, r=2),
        nn.Tanh(),
        loralib.Linear(16, CLASSES, r=2),
    )


def _equivariant() -> nn.Module:
    from e2cnn import gspaces
    from e2cnn import nn as enn

    space = gspaces.Rot2dOnR2(N=4)
    colours = enn.FieldType(space, 3 * [space.trivial_repr])
    hidden = enn.FieldType(space, 4 * [space.regular_repr])
    return _Equivariant(
        colours,
        enn.SequentialModule(
            enn.R2Conv(colours, hidden, kernel_size=3, padding=1),
            enn.InnerBatchNorm(hidden),
            enn.ReLU(hidden),
            enn.R2Conv(hidden, hidden, kernel_size=3),
            enn.ReLU(hidden),
            enn.GroupPooling(hidden),
        ),
    )


class _Equivariant(nn.Module):
    """An equivariant network of images, with a linear layer at its end."""

    def __init__(self, colours: Any, features: nn.Module) -> None:
        super().__init__()
        self.colours = colours
        self.features = features
        self.head = nn.Linear(4, CLASSES)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        from e2cnn.nn import GeometricTensor

        features = self.features(GeometricTensor(images, self.colours)).tensor
        return self.head(features.mean(dim=(2, 3)))


_EDGES = [[0, 1, 2, 3, 4, 5, 0], [1, 2, 3, 4, 5, 0, 3]]


class _Graph(nn.Module):
    """A network of vectors at the nodes of one graph, which all examples share."""

    edges: torch.Tensor

    def __init__(self, layers: list[nn.Module], width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.head = nn.Linear(width, CLASSES)
        self.register_buffer("edges", torch.tensor(_EDGES), persistent=False)

    def forward(self, nodes: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            nodes = layer(nodes, self.edges).relu()
        return self.head(nodes.mean(dim=1))


def _graph(name: str) -> nn.Module:
    from torch_geometric import nn as pyg

    layer = getattr(pyg, name)
    if name == "GCNConv":
        return _Graph([layer(4, 16, node_dim=-2), layer(16, 16, node_dim=-2)], 16)
    return _Graph([layer(4, 16), layer(16, 16)], 16)


def _keras(convolutional: bool) -> nn.Module:
    import keras

    keras.utils.clear_session()  # else the second module has other names than the first
    dense = [keras.layers.Dense(16, activation="tanh"), keras.layers.Dense(CLASSES)]
    if not convolutional:
        return keras.Sequential([keras.Input((12,)), *dense])
    layers = [keras.layers.Conv2D(8, 3, activation="relu"), keras.layers.BatchNormalization()]
    flat = keras.layers.Flatten()
    return keras.Sequential([keras.Input((8, 8, 3)), *layers, flat, *dense])


_DEIT = {"img_size": 32, "depth": 2}
_BEIT = {"img_size": 32, "depth": 2, "embed_dim": 96, "num_heads": 3}
_STAGES = {"depths": [1, 1], "hidden_sizes": [16, 32]}

ARCHITECTURES = (
    _timm("resnet18", 32),
    _timm("resnet18", 32, checkpointing=True),
    _timm("convnext_atto", 32),
    _timm("convnext_atto", 32, checkpointing=True),
    _timm("vit_tiny_patch16_224", 32, img_size=32),
    _timm("vit_tiny_patch16_224", 32, checkpointing=True, img_size=32),
    _timm("swin_tiny_patch4_window7_224", 56, img_size=56),
    _timm("swin_tiny_patch4_window7_224", 56, checkpointing=True, img_size=56),
    _timm("levit_128s", 64, img_size=64),
    _timm("levit_128s", 64, checkpointing=True, img_size=64),
    _timm("efficientformer_l1", 224),
    _timm("efficientformerv2_s0", 64, img_size=64),
    _timm("efficientformerv2_s0", 64, checkpointing=True, img_size=64),
    _timm("mobilenetv3_small_050", 32),
    _timm("mobilenetv3_small_050", 32, checkpointing=True),
    _timm("densenet121", 32),
    _timm("densenet121", 32, checkpointing=True),
    _timm("efficientnet_b0", 32),
    _timm("regnetx_002", 32),
    _timm("ghostnet_050", 32),
    _timm("mobilevit_xxs", 64),
    _timm("beit_base_patch16_224", 32, **_BEIT),
    _timm("deit3_small_patch16_224", 32, checkpointing=True, **_DEIT),
    _timm("cait_xxs24_224", 32, **_DEIT),
    _timm("xcit_nano_12_p16_224", 32, **_DEIT),
    _timm("repvgg_a0", 32),
    _timm("nf_resnet26", 32),
    _timm("fastvit_t8", 64),
    _timm("edgenext_xx_small", 64),
    _timm("pvt_v2_b0", 64),
    _timm("mambaout_femto", 64),
    _torchvision("resnet18", 32),
    _torchvision("densenet121", 32),
    _torchvision("densenet121", 32, memory_efficient=True),
    _torchvision("mobilenet_v2", 32),
    _torchvision("efficientnet_b0", 32),
    _torchvision("shufflenet_v2_x0_5", 32),
    _torchvision("squeezenet1_1", 64),
    _torchvision("swin_t", 64),
    _torchvision("googlenet", 64, aux_logits=True, init_weights=False),
    _transformers("ViT", 32, **_PATCHES),
    _transformers("ViT", 32, checkpointing=True, **_PATCHES),
    _transformers("Beit", 32, **_PATCHES, use_relative_position_bias=True),
    _transformers("Dinov2", 32, **{**_SMALL, "image_size": 32, "patch_size": 8}),
    _transformers(
        "ResNet", 32, embedding_size=16, hidden_sizes=[16, 32], depths=[1, 1], layer_type="basic"
    ),
    _transformers("ConvNext", 32, num_stages=2, **_STAGES),
    _transformers(
        "Swin",
        32,
        image_size=32,
        patch_size=2,
        embed_dim=16,
        depths=[1, 1],
        num_heads=[2, 4],
        window_size=4,
    ),
    _transformers(
        "Levit",
        64,
        image_size=64,
        hidden_sizes=[16, 32, 48],
        num_attention_heads=[2, 3, 4],
        depths=[1, 1, 1],
        key_dim=[8, 8, 8],
        drop_path_rate=0,
    ),
    _words("Bert", **_FEED_FORWARD),
    _words("Roberta", **_FEED_FORWARD, pad_token_id=1),
    _words("GPT2", n_embd=32, n_layer=2, n_head=4, pad_token_id=0),
    Architecture("e2cnn", "C4 steerable convolutions", _equivariant, _image(12)),
    Architecture("loralib", "Conv2d and Linear", partial(_lora, False), _image(8)),
    Architecture("loralib", "MergedLinear", partial(_lora, True), _image(8)),
    Architecture("torch-geometric", "GCNConv", partial(_graph, "GCNConv"), (6, 4)),
    Architecture("torch-geometric", "GraphConv", partial(_graph, "GraphConv"), (6, 4)),
    Architecture("torch-geometric", "SAGEConv", partial(_graph, "SAGEConv"), (6, 4)),
    Architecture("keras", "Dense, torch backend", partial(_keras, False), (12,)),
    Architecture("keras", "Conv2D, torch backend", partial(_keras, True), (8, 8, 3)),
)
