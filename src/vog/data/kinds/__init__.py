"""The sources: the kinds of data that can be opened, one module a kind.

Importing them loads no framework, so that a run can be read without one; PyTorch is imported when
data in Python are opened.
"""

from pathlib import Path
from typing import Any

from vog.data.kinds.archive_file import ArchiveFile
from vog.data.kinds.array_pair import ArrayPair
from vog.data.kinds.data_frame import DataFrame
from vog.data.kinds.hdf5_file import Hdf5File
from vog.data.kinds.hugging_face_data import HuggingFaceDataset, SavedDataset
from vog.data.kinds.image_folder import ImageFolder
from vog.data.kinds.list_file import ListFile
from vog.data.kinds.npy_file import NpyFile
from vog.data.kinds.npz_file import NpzFile
from vog.data.kinds.python_dataset import PythonDataset
from vog.data.kinds.python_function import PythonFunction
from vog.data.kinds.table_file import TableFile
from vog.data.kinds.tensor_file import TensorFile
from vog.data.protocol import Source

# Tried in this order. An image folder and a list file take every name that none before them does.
SOURCES: tuple[Source, ...] = (
    ArrayPair(),
    DataFrame(),
    HuggingFaceDataset(),
    PythonDataset(),
    PythonFunction(),
    SavedDataset(),
    TableFile(),
    ImageFolder(),
    NpzFile(),
    NpyFile(),
    TensorFile(),
    Hdf5File(),
    ArchiveFile(),
    ListFile(),
)


def source_of(data: Any) -> Source:
    """Return the first source that opens the data, judged by type and name."""
    return next(source for source in SOURCES if source.opens(data))


def source_at(path: str | Path) -> Source:
    """Return the first source that opens a path; a colon in it does not name a function."""
    sources = (source for source in SOURCES if source.opens(path))
    return next(source for source in sources if source.place(path) is not None)
