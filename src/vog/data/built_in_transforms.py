"""The transforms of this package: their words, their names in runs, and what a name says."""

from typing import Literal

from vog.data.colours_last import ColoursLast, inner_transform
from vog.data.images import Transform, imagenet, unchanged
from vog.data.tf1_transform import tf1

# The digests of the first two are those of version 0.1, so that its runs can be continued. Change
# one if the result for 8-bit images changes.
_NAMES: dict[Transform, str] = {
    imagenet: "vog.data.images.imagenet e0852b9786532a41",
    unchanged: "vog.data.images.unchanged 775719f923d467cc",
    tf1: "vog.data.tf1_transform.tf1 1",
}
_WORDS: dict[str, Transform] = {"imagenet": imagenet, "tf1": tf1}
_COLOURS_LAST = ", colours last"
# The share of the shorter side that a transform keeps: 224 of 256 pixels.
_CROPPED = 224 / 256


def transform_of_word(word: object) -> Transform | None:
    """Return the transform that a word stands for; None for any other text, and for `none`."""
    return _WORDS.get(word) if isinstance(word, str) else None


def built_in_name(transform: object) -> str | None:
    """Return the name and digest that a run stores for a transform of this package, else None."""
    inner = inner_transform(transform)
    name = next((name for function, name in _NAMES.items() if function is inner), None)
    is_last = isinstance(transform, ColoursLast)
    return name and f"{name}{_COLOURS_LAST if is_last else ''}"


def word_of_name(name: str) -> str | None:
    """Return the word for the transform that a run stores under a name; None for a user's own."""
    transform = _transform_of_name(name)
    if transform is None or transform is unchanged:
        return "none" if transform is unchanged or name == "none" else None
    return next(word for word, function in _WORDS.items() if function is transform)


def layout_of_name(name: str) -> Literal["channels-first", "channels-last"] | None:
    """Return where the transform of a name puts colours; None for a user's own."""
    if _transform_of_name(name) is None:
        return None
    return "channels-last" if name.endswith(_COLOURS_LAST) else "channels-first"


def share_of_name(name: str) -> float:
    """Return the share of the shorter side of an image that the transform of a name keeps."""
    return 1.0 if word_of_name(name) in (None, "none") else _CROPPED


def _transform_of_name(name: str) -> Transform | None:
    # Digests of other versions count as well.
    word = name.partition(" ")[0]
    return next((t for t, stored in _NAMES.items() if stored.partition(" ")[0] == word), None)
