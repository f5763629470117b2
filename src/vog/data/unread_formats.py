"""Files that are no list of files, named by what they are, with the way in."""

from pathlib import Path

from vog.wording import option

_FUNCTION = "give file.py:function that returns a Dataset as {data}."
_UNPACK = "Unpack it, and give what is in it as {data}."
_ENDING = "Give it the ending {ending}, by which data are known."
# The first bytes of a file: what it is, and what to do.
_FIRST_BYTES = {
    b"PAR1": ("a Parquet file", _ENDING.format(ending=".parquet")),
    b"ARROW1": ("an Arrow file", _ENDING.format(ending=".arrow")),
    b"\x89HDF\r\n\x1a\n": ("an HDF5 file", _ENDING.format(ending=".h5")),
    b"\x93NUMPY": ("a NumPy array", _ENDING.format(ending=".npy")),
    b"PK\x03\x04": ("a zip archive", "Give it the ending .zip, or .npz if NumPy wrote it."),
    b"\x1f\x8b": ("compressed by gzip", _UNPACK),
    b"BZh": ("compressed by bzip2", _UNPACK),
    b"\xfd7zXZ": ("compressed by xz", _UNPACK),
    b"\x28\xb5\x2f\xfd": ("compressed by zstd", _UNPACK),
    b"7z\xbc\xaf": ("a 7z archive", _UNPACK),
    b"Rar!": ("a RAR archive", _UNPACK),
    b"SQLite format 3": (
        "an SQLite database",
        "Write the table to a .csv or .parquet file, and give that as {data}.",
    ),
    b"\xd0\xcf\x11\xe0": ("an Excel or Word file", "Save the table as .csv, and give that."),
    b"%PDF": ("a PDF file", "Give images or texts as {data}."),
    b"\x89PNG": ("one PNG image", "Give the folder that it is in as {data}."),
    b"\xff\xd8\xff": ("one JPEG image", "Give the folder that it is in as {data}."),
    b"Obj\x01": ("an Avro file", f"Write a .parquet file of it, or {_FUNCTION}"),
    b"ORC": ("an ORC file", f"Write a .parquet file of it, or {_FUNCTION}"),
    b"version https://git-lfs": (
        "a pointer of git-lfs and not the file itself",
        "Fetch it: git lfs pull.",
    ),
}
# Formats whose files begin with anything.
_ENDINGS = {
    ".tfrecord": ("a TFRecord file", f"Write images in folders, or {_FUNCTION}"),
    ".tfrecords": ("a TFRecord file", f"Write images in folders, or {_FUNCTION}"),
    ".rec": ("a RecordIO file", f"Write images in folders, or {_FUNCTION}"),
    ".beton": ("a file of FFCV", f"Give the data that it was made of, or {_FUNCTION}"),
    ".mdb": ("a database of LMDB", f"Write images in folders, or {_FUNCTION}"),
    ".lmdb": ("a database of LMDB", f"Write images in folders, or {_FUNCTION}"),
    ".pkl": ("a pickle, which runs code when it is read", f"Save arrays as .npz, or {_FUNCTION}"),
    ".pickle": (
        "a pickle, which runs code when it is read",
        f"Save arrays as .npz, or {_FUNCTION}",
    ),
    ".mat": ("a file of MATLAB", f"Save the arrays as .npz, or {_FUNCTION}"),
    ".xlsx": ("an Excel file", "Save the table as .csv, and give that as {data}."),
    ".bin": ("a file of bytes in an unknown form", f"Save the arrays as .npz, or {_FUNCTION}"),
}
_TAR, _TAR_AT = b"ustar", 257


def format_sentence(path: Path, content: bytes) -> str:
    """Return what a file is that is not a text, and what to do, as the end of a message."""
    name, advice = _known_format(path, content)
    return f"it is {name}. {advice.format(data=option('data'))}"


def _known_format(path: Path, content: bytes) -> tuple[str, str]:
    for start, known_format in _FIRST_BYTES.items():
        if content.startswith(start):
            return known_format
    if content[_TAR_AT : _TAR_AT + len(_TAR)] == _TAR:
        return "a tar archive", _ENDING.format(ending=".tar")
    if path.suffix.lower() in _ENDINGS:
        return _ENDINGS[path.suffix.lower()]
    byte = next((byte for byte in content if byte > 127 or byte == 0), 0)
    return (
        f"neither a text in UTF-8 (it has the byte {byte:#x}) nor a format that is known",
        "Write lines of `relative/path label`, with a name that is not UTF-8 as its id, such as "
        f"caf\\xe9.jpg, or {_FUNCTION}",
    )
