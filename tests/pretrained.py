"""Tiny models of transformers, and the folders that `save_pretrained` and Trainer leave."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

CLASSES = 4
NAMES = ("zero", "one", "two", "three")
_VIT = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 48,
    "image_size": 16,
    "patch_size": 4,
}
_BERT = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 48,
    "vocab_size": 20,
    "max_position_embeddings": 16,
}
_STAGES = {"depths": [1, 1], "hidden_sizes": [8, 16]}
# By the names of their classes without the end.
VISION: dict[str, dict[str, Any]] = {
    "ViT": _VIT,
    "Beit": _VIT | {"use_relative_position_bias": True},
    "Swin": {
        "image_size": 16,
        "patch_size": 2,
        "embed_dim": 8,
        "depths": [1, 1],
        "num_heads": [2, 4],
        "window_size": 4,
    },
    "Dinov2": {**_VIT, "mlp_ratio": 2},
    "Segformer": {
        "num_encoder_blocks": 2,
        "depths": [1, 1],
        "sr_ratios": [2, 1],
        "hidden_sizes": [8, 16],
        "patch_sizes": [3, 3],
        "strides": [2, 2],
        "num_attention_heads": [1, 2],
        "mlp_ratios": [2, 2],
    },
    "ConvNext": {"num_stages": 2, "patch_size": 2, **_STAGES},
    "ResNet": {"embedding_size": 8, "layer_type": "basic", **_STAGES},
}
TEXT: dict[str, dict[str, Any]] = {
    "Bert": _BERT,
    "DistilBert": {
        "vocab_size": 20,
        "dim": 24,
        "n_layers": 2,
        "n_heads": 3,
        "hidden_dim": 48,
        "max_position_embeddings": 16,
    },
    "GPT2": {
        "vocab_size": 20,
        "n_embd": 24,
        "n_layer": 2,
        "n_head": 3,
        "n_positions": 16,
        "pad_token_id": 0,
    },
    "Roberta": _BERT | {"pad_token_id": 1},
}


def model(name: str, names: Sequence[str] | None = None, **settings: Any) -> Any:
    """Return a model for classification with random weights, in evaluation mode.

    Args:
        name: of a row in `VISION` or `TEXT`.
        names: of its classes.
        settings: in place of those in the row.
    """
    import transformers

    kind = "ImageClassification" if name in VISION else "SequenceClassification"
    numbers = {"num_labels": CLASSES}
    if names is not None:
        numbers = {
            "id2label": dict(enumerate(names)),
            "label2id": {n: i for i, n in enumerate(names)},
        }
    config = getattr(transformers, f"{name}Config")(
        **({**VISION, **TEXT}[name] | numbers | settings)
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return getattr(transformers, f"{name}For{kind}")(config).eval()


def scatter(module: torch.nn.Module, seed: int) -> None:
    """Give each tensor of a module other values; batch statistics stay positive."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in [*module.parameters(), *module.buffers()]:
            if value.is_floating_point():
                value.add_(torch.rand(value.shape, generator=generator), alpha=0.2)


def save_checkpoints(folder: Path, module: Any, count: int = 3, **options: Any) -> list[Path]:
    """Save `checkpoint-10`, `checkpoint-20`, ..., as Trainer does, and return the folders.

    Args:
        folder: in which they are made.
        module: the model; it has the last weights afterwards.
        count: of checkpoints.
        options: of `save_pretrained`.
    """
    paths = [folder / f"checkpoint-{10 * (step + 1)}" for step in range(count)]
    for seed, path in enumerate(paths):
        scatter(module, seed)
        module.save_pretrained(path, **options)
        (path / "trainer_state.json").write_text("{}")
        torch.save({}, path / "optimizer.pt")
    return paths


def images(count: int, size: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Return random inputs and labels of all classes."""
    rng = np.random.default_rng(1)
    inputs = rng.normal(size=(count, 3, size, size)).astype(np.float32)
    return inputs, np.arange(count) % CLASSES


def save_image_folder(root: Path, names: Sequence[str] = NAMES, count: int = 16) -> Path:
    """Save pictures, whose brightness is that of their class, in a folder for each class."""
    rng = np.random.default_rng(0)
    for row in range(count):
        label = row % len(names)
        pixels = rng.integers(20 * label, 20 * label + 60, (20, 24, 3), dtype=np.uint8)
        folder = root / names[label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / f"{row:02}.png")
    return root


def image_processor(size: int = 16) -> Any:
    """Return the processor of a model of that size."""
    import transformers

    return transformers.ViTImageProcessor(size={"height": size, "width": size})


def tokenizer() -> Any:
    """Return a tokenizer of a few words."""
    import transformers

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "good", "bad", "film"]
    return transformers.BertTokenizer(vocab={word: i for i, word in enumerate(words)})
