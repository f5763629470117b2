"""The checkpoints in a folder or below it, and folders that other tools write."""

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vog.checkpoints.formats import describe_foreign_folder
from vog.checkpoints.readers.distributed import METADATA
from vog.checkpoints.steps import step_of_folder
from vog.checkpoints.tensorflow_paths import INDEX, saved_model_index
from vog.errors import CheckpointError, first_few
from vog.wording import option

SUFFIXES = (".pt", ".pth", ".ckpt", ".safetensors", ".bin", INDEX)
# Files of weights in a Hugging Face `checkpoint-N/` folder, in order of preference.
TRAINER_NAMES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
# Files that stand for the weights in their folder; the last one for all `.distcp` files beside it.
FOLDER_NAMES = (*TRAINER_NAMES, METADATA)
_UNRELATED_SUFFIXES = (
    ".txt",
    ".json",
    ".yaml",
    ".yml",
    ".log",
    ".csv",
    ".tsv",
    ".png",
    ".md",
    ".py",
    ".lock",
    ".pbtxt",
    ".meta",
)
_TRAINING_STATE = re.compile(
    r"training_args|adapter_model|optim(izer)?(?![a-z])|opt(?=[\d._-])|scheduler|rng_state|scaler"
    r"|.*(_optim_states|zero_pp_rank_\d+_mp_rank_\d+_model_states)\.pt$",
    re.IGNORECASE,
)
_DEEPEST = 4
_MOST_FOLDERS = 2000

# Whether a path, a file or a folder, is a checkpoint that the model reads in its own way.
Reads = Callable[[Path], bool]


def reads_nothing(path: Path) -> bool:
    """Return False, as a model does that leaves all checkpoints to our readers."""
    return False


@dataclass(frozen=True)
class FolderCheckpoints:
    """A folder and the checkpoints that are in it."""

    folder: Path
    paths: list[Path]


def is_checkpoint(path: Path) -> bool:
    """Return whether a name is that of a checkpoint: `.pt`, `.pth.tar`, `model.ckpt-30024`, ..."""
    name = path.name.lower()
    has_suffix = name.removesuffix(".tar").endswith(SUFFIXES) or re.search(r"\.ckpt-\d+$", name)
    return bool(has_suffix) and not is_hidden(path) and not is_training_state(path)


def has_known_name(path: Path) -> bool:
    """Return whether a name is one that our readers know, also within a Trainer's folder."""
    return is_checkpoint(path) or path.name in FOLDER_NAMES


def is_hidden(path: Path) -> bool:
    """Return whether a name begins with a dot, such as the files that macOS and editors leave."""
    return path.name.startswith(".")


def is_training_state(path: Path) -> bool:
    """Return whether a name is that of other training state, such as an optimizer or adapter."""
    return _TRAINING_STATE.match(path.name) is not None


def is_unrelated(path: Path) -> bool:
    """Return whether a name is that of a text, a table, a picture or a log."""
    is_other = path.suffix.lower() in _UNRELATED_SUFFIXES or "events.out.tfevents" in path.name
    return is_other and not path.name.endswith(".index.json")


def refuse_foreign_name(path: Path) -> None:
    """Raise if a path is a folder of another tool.

    Raises:
        CheckpointError: it is.
    """
    if path.is_dir() and saved_model_index(path) is None:
        _refuse_foreign_folder(path)


def weights_file(folder: Path) -> Path | None:
    """Return the file of weights in a folder, or None if there is none or more than one."""
    weights = _trainer_weights_in(folder)
    if weights is not None:
        return weights
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and is_checkpoint(path)]
    return files[0] if len(files) == 1 else None


def checkpoints_in(folder: Path, spec: str, reads: Reads = reads_nothing) -> FolderCheckpoints:
    """Return the checkpoints in a folder, or in the one folder below it that has some.

    Raises:
        CheckpointError: there are none, several subfolders have some, or another tool wrote it.
    """
    paths = _checkpoint_files_in(folder, reads)  # first: if unreadable, the error names this folder
    weights = _trainer_weights_in(folder)
    is_one_model = all(path.parent == folder and not reads(path) for path in paths)
    if weights is not None and is_one_model:
        return FolderCheckpoints(folder, [weights])
    if paths:
        return FolderCheckpoints(folder, paths)
    _refuse_foreign_folder(folder)
    subfolders = _drop_links(_subfolders_with_checkpoints(folder, reads))
    if len(subfolders) == 1:
        return subfolders[0]
    joined = _join_step_folders(subfolders)
    if joined is not None:
        return joined
    if subfolders:
        counts = [f"{subfolder.folder} ({len(subfolder.paths)})" for subfolder in subfolders]
        raise CheckpointError(
            f"{option('checkpoints')}: the folder {spec} holds checkpoints in {len(subfolders)} "
            f"folders below it: {first_few(counts)}. Give one of these."
        )
    raise CheckpointError(
        f"{option('checkpoints')}: the folder {spec} holds no checkpoint "
        f"({', '.join(SUFFIXES)}, or checkpoint-N folders)."
    )


def _checkpoint_files_in(folder: Path, reads: Reads) -> list[Path]:
    """Return what the model reads itself, with the weights of a Trainer or else other files."""
    entries = sorted(folder.iterdir())
    visible = [path for path in entries if not is_hidden(path)]
    own = [path for path in visible if reads(path) and not is_training_state(path)]
    visible = [path for path in visible if path not in own]
    states = [path for path in visible if not is_training_state(path)]
    folders = [weights for path in states if (weights := _trainer_weights_in(path)) is not None]
    files = [path for path in visible if is_checkpoint(path) and path.is_file()]
    # Arrays of the data may lie beside the checkpoints.
    archives = [path for path in visible if path.suffix == ".npz" and path.is_file()]
    return own + (folders or files or archives)


def _subfolders_with_checkpoints(folder: Path, reads: Reads) -> list[FolderCheckpoints]:
    """Return the nearest folders below this one that have checkpoints."""
    subfolders: list[FolderCheckpoints] = []
    waiting = deque([(folder, 0)])
    for _ in range(_MOST_FOLDERS):
        if not waiting:
            break
        current, depth = waiting.popleft()
        paths = _checkpoint_files_in(current, reads) if depth else []
        if paths:
            subfolders.append(FolderCheckpoints(current, paths))
        elif depth < _DEEPEST:
            folders = [path for path in sorted(current.iterdir()) if path.is_dir()]
            folders = [path for path in folders if not is_hidden(path)]
            for path in folders:
                _refuse_foreign_folder(path)
            waiting += [(path, depth + 1) for path in folders]
    return subfolders


def _drop_links(folders: list[FolderCheckpoints]) -> list[FolderCheckpoints]:
    """Return the folders without links to other ones among them (`latest -> run`)."""
    first: dict[Path, FolderCheckpoints] = {}
    for entry in sorted(folders, key=_is_link):
        first.setdefault(entry.folder.resolve(), entry)
    return [entry for entry in folders if first[entry.folder.resolve()] is entry]


def _is_link(entry: FolderCheckpoints) -> bool:
    return entry.folder.resolve() != entry.folder.absolute()


def _join_step_folders(subfolders: list[FolderCheckpoints]) -> FolderCheckpoints | None:
    """Return the files together if each folder is named by a step and has one file, else None."""
    steps = [step_of_folder(entry.folder.name) for entry in subfolders]
    have_one_file = all(len(entry.paths) == 1 for entry in subfolders)
    parents = {entry.folder.parent for entry in subfolders}
    if not have_one_file or None in steps or len(parents) != 1:
        return None
    return FolderCheckpoints(parents.pop(), [path for entry in subfolders for path in entry.paths])


def _refuse_foreign_folder(folder: Path) -> None:
    problem = describe_foreign_folder(folder)
    if problem is not None:
        raise CheckpointError(f"checkpoint {folder} {problem}")


def _trainer_weights_in(path: Path) -> Path | None:
    names = (path / name for name in FOLDER_NAMES)
    return next((name for name in names if name.is_file()), saved_model_index(path))
