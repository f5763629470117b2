"""Which files of archives are the images, their labels and ids: folders of classes, or samples."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Int

from vog.data.archives.archive_members import Members
from vog.data.examples import UNLABELLED
from vog.data.images import SUFFIXES
from vog.errors import DataError, first_few
from vog.files.file_names import all_printable, printable

_CLASS, _JSON, _TEXT = "cls", "json", "txt"
_JSON_LABELS = ("label", "cls", "class", "target")
_NUMBER = re.compile(r"\d{1,9}")


@dataclass(frozen=True)
class ArchiveRows:
    """The images in archives.

    Attributes:
        members: for each row, the number of its image among the files.
        ids: the path of each image, or the key of its sample.
        labels: the class of each row; -1 if it has none.
        names: the names of the classes, if they have names.
        classes: the number of classes, if folders number them.
    """

    members: Int[np.ndarray, "n"]
    ids: Sequence[str]
    labels: Int[np.ndarray, "n"]
    names: tuple[str, ...] | None
    classes: int | None = None


@dataclass(frozen=True)
class _Sample:
    """The files of one sample of webdataset, by their ending."""

    key: str
    files: dict[str, int] = field(default_factory=dict)

    def image(self) -> int | None:
        """Return the number of the image among the files."""
        endings = (end for end in self.files if f".{end.rpartition('.')[2]}" in SUFFIXES)
        return next((self.files[ending] for ending in endings), None)


def find_rows(members: Members) -> ArchiveRows:
    """Return the images of archives: of samples if some files are labels, else of folders.

    Raises:
        DataError: there are no images, or two have the same name.
    """
    if any(_ending(name) in (_CLASS, _JSON) for name in members.names):
        return _of_samples(members)
    return _of_folders(members)


def _ending(name: str) -> str:
    return name.rpartition("/")[2].partition(".")[2].lower()


def _of_folders(members: Members) -> ArchiveRows:
    images = [
        (name, member)
        for member, name in enumerate(members.names)
        if f".{name.rpartition('.')[2].lower()}" in SUFFIXES
    ]
    prefix = _common_folder([name for name, _ in images])
    paths = sorted((name[len(prefix) :].split("/"), member) for name, member in images)
    classes = sorted({parts[0] for parts, _ in paths if len(parts) > 1})
    if classes:  # a loose image beside folders has no class, as in a folder
        paths = [(parts, member) for parts, member in paths if len(parts) > 1]
    number = {name: label for label, name in enumerate(classes)}
    labels = [number[parts[0]] if classes else UNLABELLED for parts, _ in paths]
    ids = ["/".join(parts) for parts, _ in paths]
    names = tuple(all_printable(classes)) if classes else None
    return _checked(members, [m for _, m in paths], ids, labels, names, len(classes) or None)


def _common_folder(names: Sequence[str]) -> str:
    """Return the folder that all images are below, with its slash, unless it is a class."""
    prefix = ""
    while names:
        rests = [name[len(prefix) :].split("/") for name in names]
        if len({parts[0] for parts in rests}) > 1 or any(len(parts) < 3 for parts in rests):
            return prefix
        prefix += f"{rests[0][0]}/"
    return prefix


def _of_samples(members: Members) -> ArchiveRows:
    """Return the samples of webdataset: files with the same name up to the first dot."""
    samples: dict[tuple[int, str], _Sample] = {}
    for member, name in enumerate(members.names):
        folder, slash, file = name.rpartition("/")
        key = f"{folder}{slash}{file.partition('.')[0]}"
        place = (int(members.archives[member]), key)
        samples.setdefault(place, _Sample(key)).files[_ending(name)] = member
    rows = [(sample, image) for sample in samples.values() if (image := sample.image()) is not None]
    texts = [_label_text(members, sample.files) for sample, _ in rows]
    labels, names = _numbered(texts)
    ids = [sample.key for sample, _ in rows]
    if len(set(ids)) < len(ids):  # keys that start again in each archive
        files = [members.paths[int(members.archives[image])].name for _, image in rows]
        ids = [f"{file}/{key}" for file, key in zip(files, ids, strict=True)]
    return _checked(members, [image for _, image in rows], ids, labels, names, None)


def _label_text(members: Members, files: Mapping[str, int]) -> str | None:
    """Return the label of a sample as text; None if it has none."""
    if _CLASS in files:
        return members.read(files[_CLASS]).decode("utf-8", "replace").strip() or None
    if _JSON in files:
        try:
            content = json.loads(members.read(files[_JSON]))
        except (ValueError, RecursionError):
            return None
        values = [content.get(key) for key in _JSON_LABELS] if isinstance(content, dict) else []
        return next((str(value) for value in values if isinstance(value, str | int)), None)
    text = members.read(files[_TEXT]).decode("utf-8", "replace").strip() if _TEXT in files else ""
    return text if _NUMBER.fullmatch(text) else None


def _numbered(texts: Sequence[str | None]) -> tuple[list[int], tuple[str, ...] | None]:
    """Return labels that are whole numbers as they are, and others in sorted order of names."""
    labels = [text for text in texts if text is not None]
    if all(_NUMBER.fullmatch(text) for text in labels):
        return [UNLABELLED if text is None else int(text) for text in texts], None
    names = sorted(set(labels))
    number = {name: label for label, name in enumerate(names)}
    numbers = [UNLABELLED if text is None else number[text] for text in texts]
    return numbers, tuple(map(printable, names))


def _checked(
    members: Members,
    rows: Sequence[int],
    ids: Sequence[str],
    labels: Sequence[int],
    names: tuple[str, ...] | None,
    classes: int | None,
) -> ArchiveRows:
    """Return the rows; raise DataError if there are none, or if two have the same name."""
    where = first_few([str(path) for path in members.paths], 2)
    if not rows:
        raise DataError(
            f"{where}: there is no image. Expected a folder for each class with its images, or "
            f"samples of webdataset: KEY.jpg and KEY.cls."
        )
    repeated = [name for name, count in Counter(ids).items() if count > 1]
    if repeated:
        raise DataError(
            f"{where}: there are several files named {first_few(repeated)}. Each row needs its "
            f"own id; pack the archive again."
        )
    printed = all_printable(ids)
    return ArchiveRows(np.array(rows), printed, np.array(labels, np.int64), names, classes)
