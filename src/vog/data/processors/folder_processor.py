"""The processor that lies in a folder of transformers: of images, of texts or of sounds."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vog.data.processors.model_transform import refuse_deep
from vog.data.processors.quiet import quiet_transformers
from vog.errors import DataError, FunctionError
from vog.files.file_names import expanded
from vog.user_functions import describe_error
from vog.wording import option

_SETTINGS = ("preprocessor_config.json", "processor_config.json")
_TOKENS = (
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
)
# Texts of any length: what `model_max_length` says where nobody has set it.
_NO_LIMIT = 10**9
# Models whose positions begin after that of padding.
_OFFSET_POSITIONS = ("roberta", "camembert", "mpnet", "longformer", "esm", "xmod")


@dataclass(frozen=True)
class FolderProcessor:
    """Makes inputs of a model with the processor in a folder.

    Attributes:
        folder: that has the files of the processor, and perhaps `config.json`.
        kinds: of the values that it takes: "image", "text" or "sound".
        name: the classes of the processor, and a digest of its files.
        most_tokens: at which a text is cut; None without a limit.
        arguments: of the model, which takes no other inputs; None if they are not known.
    """

    folder: str
    kinds: tuple[str, ...]
    name: str
    most_tokens: int | None = None
    arguments: frozenset[str] | None = None

    @property
    def summary(self) -> str:
        """Where the processor is from, and of which class it is."""
        where = f"the processor in {self.folder} ({self.name.split()[1]})"
        if self.most_tokens is None:
            return where
        return f"{where}; texts are cut at {self.most_tokens} tokens"

    def takes(self, value: Any) -> bool:
        """Return whether a value is an image, a text or a sound, and the processor for it is there.

        Arrays are images if they are of bytes, as other arrays are inputs already.
        """
        return _kind_of(value) in self.kinds

    def __call__(self, value: Any) -> Any:
        """Return an array, or arrays by name; texts are cut at what the model takes.

        Raises:
            DataError: there is no processor for such a value, or it fails.
        """
        kind = _kind_of(value)
        if kind not in self.kinds:
            raise DataError(
                f"{self.summary} is for {' and '.join(self.kinds)}, and an example is of type "
                f"{type(value).__name__}. Pass another {option('transform')}."
            )
        inputs = _PROCESS[kind](self, self._part(kind), value)
        if self.arguments is not None:  # Trainer leaves out the others too
            inputs = {name: part for name, part in inputs.items() if name in self.arguments}
        return next(iter(inputs.values())) if len(inputs) == 1 else inputs

    def _part(self, kind: str) -> Any:
        return _loaded(self.folder, kind, self.name.split()[-1])


def processor_in(folder: Path) -> FolderProcessor | None:
    """Return the processor in a folder; None if there is none.

    Raises:
        FunctionError: transformers is not installed, or cannot read the processor.
    """
    names = [name for name in (*_SETTINGS, *_TOKENS) if (folder / name).is_file()]
    sha = hashlib.sha256()
    for name in names:
        sha.update(f"{name}\n".encode() + _content(folder / name))
    digest = sha.hexdigest()[:16]
    kinds = [kind for kind in _PROCESS if _has_files(folder, kind)]
    parts = {kind: _loaded(str(folder), kind, digest) for kind in kinds}
    if not parts:
        return None
    classes = "+".join(type(part).__name__ for part in parts.values())
    most = _most_tokens(folder, parts["text"]) if "text" in parts else None
    return FolderProcessor(str(folder), tuple(parts), f"hf {classes} {digest}", most)


def first_processor(
    folders: Sequence[Path | None], arguments: frozenset[str]
) -> FolderProcessor | None:
    """Return the processor in the first folder that has one; None if none has.

    Args:
        folders: where it may be.
        arguments: of the model, which takes no other inputs.
    """
    existing = [folder for folder in folders if folder is not None and folder.is_dir()]
    processors = (processor_in(folder) for folder in existing)
    first = next((processor for processor in processors if processor is not None), None)
    return None if first is None else replace(first, arguments=arguments)


def processor_of_name(rest: str, spec: str) -> FolderProcessor:
    """Return the processor of `hf:FOLDER`, in the folder or in its last `checkpoint-N`.

    Raises:
        FunctionError: there is no processor there.
    """
    folder = expanded(rest)
    what = option("transform", spec)
    if not folder.is_dir():
        raise FunctionError(f"{what}: there is no folder {rest}. Nothing is downloaded.")
    numbered = [path for path in folder.glob("checkpoint-*") if path.name[11:].isdecimal()]
    candidates = [folder, *sorted(numbered, key=lambda path: -int(path.name[11:]))]
    for candidate in candidates:
        processor = processor_in(candidate)
        if processor is not None:
            return processor
    raise FunctionError(
        f"{what}: the folder has no processor ({', '.join(_SETTINGS)}) and no tokenizer. Copy the "
        f"files that were saved with the model into it, or give a function."
    )


def _content(path: Path) -> bytes:
    """Return what a file says: of JSON, whatever its layout and the version that wrote it."""
    raw = path.read_bytes()
    if path.suffix != ".json" or path.name not in _SETTINGS:
        return raw
    settings = json.loads(raw)
    settings.pop("transformers_version", None)
    return json.dumps(settings, sort_keys=True).encode()


def _kind_of(value: Any) -> str | None:
    if isinstance(value, str):
        return "text"
    if isinstance(value, Image.Image):
        return "image"
    if isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.ndim in (2, 3):
        return "image"
    is_sound = isinstance(value, Mapping) and {"array", "sampling_rate"} <= value.keys()
    return "sound" if is_sound else None


@cache
def _loaded(folder: str, kind: str, digest: str) -> Any:
    """Return the processor of one kind in a folder, once a process and digest of its files.

    Raises:
        FunctionError: transformers is not installed, or cannot read the processor.
    """
    try:
        with quiet_transformers():
            import transformers

            load = getattr(transformers, _CLASSES[kind]).from_pretrained
            return load(folder, local_files_only=True, trust_remote_code=False)
    except ModuleNotFoundError as error:
        raise FunctionError(
            f"the processor in {folder}: {error.name} is not installed. Run: pip install 'vog[hf]'"
        ) from error
    except Exception as error:
        raise FunctionError(
            f"the processor in {folder} cannot be read: {describe_error(error)}. Give a "
            f"{option('transform')}."
        ) from error


def _has_files(folder: Path, kind: str) -> bool:
    if kind == "text":
        return any((folder / name).is_file() for name in _TOKENS)
    settings = [
        json.loads((folder / name).read_bytes()) for name in _SETTINGS if (folder / name).is_file()
    ]
    return any(_is_for(kind, {**entry, **entry.get(_SECTIONS[kind], {})}) for entry in settings)


def _is_for(kind: str, settings: Mapping[str, Any]) -> bool:
    sounds = "feature_extractor_type" in settings and "sampling_rate" in settings
    if kind == "sound":
        return sounds
    return not sounds and (
        "image_processor_type" in settings or "feature_extractor_type" in settings
    )


def _image(processor: FolderProcessor, part: Any, value: Any) -> dict[str, Any]:
    image = Image.fromarray(value) if isinstance(value, np.ndarray) else value
    refuse_deep(image)
    inputs = part(images=image.convert("RGB"), return_tensors="np")
    return {name: array[0] for name, array in inputs.items() if isinstance(array, np.ndarray)}


def _text(processor: FolderProcessor, part: Any, value: str) -> dict[str, Any]:
    cut = {} if processor.most_tokens is None else {"max_length": processor.most_tokens}
    inputs = part(value, truncation=bool(cut), **cut)
    return {name: np.asarray(numbers, np.int64) for name, numbers in inputs.items()}


def _sound(processor: FolderProcessor, part: Any, value: Mapping[str, Any]) -> dict[str, Any]:
    rate = value["sampling_rate"]
    if rate != part.sampling_rate:
        raise DataError(
            f"a sound has {rate} samples a second, and the processor in {processor.folder} takes "
            f"{part.sampling_rate}. Convert the data to that rate."
        )
    inputs = part(np.asarray(value["array"]), sampling_rate=rate, return_tensors="np")
    return {name: array[0] for name, array in inputs.items()}


def _most_tokens(folder: Path, tokenizer: Any) -> int | None:
    """Return at how many tokens a text is cut: what both tokenizer and model take."""
    limit = int(min(tokenizer.model_max_length, _NO_LIMIT))
    config_file = folder / "config.json"
    if config_file.is_file():
        config = json.loads(config_file.read_bytes())
        sizes = (config.get(key) for key in ("max_position_embeddings", "n_positions"))
        positions = next((size for size in sizes if isinstance(size, int) and size > 0), _NO_LIMIT)
        has_offset = any(word in config.get("model_type", "") for word in _OFFSET_POSITIONS)
        offset = int(config.get("pad_token_id") or 0) + 1 if has_offset else 0
        limit = min(limit, positions - offset)
    return None if limit >= _NO_LIMIT - 512 else limit


_PROCESS = {"image": _image, "text": _text, "sound": _sound}
_CLASSES = {"image": "AutoImageProcessor", "text": "AutoTokenizer", "sound": "AutoFeatureExtractor"}
_SECTIONS = {"image": "image_processor", "sound": "feature_extractor"}
