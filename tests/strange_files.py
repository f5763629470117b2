"""Checkpoint files as people have them and as an attacker makes them, and what reading them does.

Shared by the tests and by the campaign: kinds of files beside whose weights lies something else,
the gadgets that a pickle can call, files that grow when they are read, and mutations of all.
"""

import argparse
import codecs
import datetime
import functools
import io
import pickle
import random
import struct
import sys
import types
import zipfile
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import world
from vog.checkpoints import read_weights
from vog.errors import CheckpointError

(STATE,) = world.weights(1)
_LIBRARY = "library_that_is_not_installed"


def _library() -> types.ModuleType:
    """Return a library whose classes are not importable when the files are read."""
    module = types.ModuleType(_LIBRARY)
    source = """
import enum
from torch import nn

class DictConfig:
    def __init__(self, content): self.__dict__['_content'] = content
    def __getattr__(self, name):
        if name.startswith('__'): raise AttributeError(name)
        return self._content[name]
    def __getstate__(self): return self.__dict__
    def __setstate__(self, state): raise RuntimeError('was run')

class AttrDict(dict):
    __getattr__ = dict.__getitem__

class Slotted:
    __slots__ = ('a', 'b')
    def __init__(self): self.a, self.b = 1, 2

class Color(enum.Enum):
    RED = 1

class Flag(enum.IntEnum):
    ON = 1

class Module(nn.Module):
    def __init__(self, inner):
        super().__init__(); self.inner = inner; self.register_buffer('scratch', None)

class Average(nn.Module):
    def __init__(self, inner):
        super().__init__(); self.inner = inner
        self.register_buffer('cache', __import__('torch').ones(3), persistent=False)

def schedule(step): return step
"""
    exec(source, vars(module))
    for value in vars(module).values():
        if isinstance(value, type) and value.__module__ == "builtins":
            value.__module__ = _LIBRARY
    for name in (
        "DictConfig",
        "AttrDict",
        "Slotted",
        "Color",
        "Flag",
        "Module",
        "Average",
        "schedule",
    ):
        getattr(module, name).__module__ = _LIBRARY
    return module


@contextmanager
def library() -> Iterator[types.ModuleType]:
    """Make the library importable, as it was when the file was written."""
    module = _library()
    sys.modules[_LIBRARY] = module
    try:
        yield module
    finally:
        del sys.modules[_LIBRARY]


def _network() -> nn.Module:
    module = world.build()
    module.load_state_dict(STATE)
    return module


def _kinds(lib: Any) -> dict[str, Any]:
    beside = {
        "argparse arguments": argparse.Namespace(lr=0.1, layers=[1, 2], name="a"),
        "a NumPy scalar": np.float64(0.5),
        "a NumPy bool": np.bool_(True),
        "arrays": {"history": np.arange(6.0).reshape(2, 3), "words": np.array(["a", "b"])},
        "an array of objects": np.array([{"a": 1}, None], dtype=object),
        "NumPy's random state": np.random.RandomState(0).get_state(),
        "a configuration": lib.DictConfig({"a": {"b": [1, 2]}}),
        "a dict with attributes": lib.AttrDict(a=1, b=[2]),
        "an object with slots": lib.Slotted(),
        "a path": Path("runs") / "a",
        "a partial function": functools.partial(lib.schedule, 3),
        "a class": lib.Module,
        "a function": lib.schedule,
        "a builtin": len,
        "times": [
            datetime.datetime(2024, 1, 2, 3),
            datetime.timedelta(1),
            datetime.date(2024, 1, 2),
        ],
        "an enumeration": [lib.Color.RED, lib.Flag.ON],
        "sets": [{1, "a"}, frozenset({(1, 2), 2.5})],
        "numbers": [1 + 2j, 2**200, float("inf"), True, None, b"bytes", bytearray(b"more")],
        "other dicts": [Counter("aab"), defaultdict(list, a=[1]), deque([1, 2]), OrderedDict(b=1)],
        "an exception": ValueError("diverged"),
        "a slice and a range": [slice(1, 2), range(3)],
        "devices and types": [
            torch.device("cpu"),
            torch.float16,
            torch.Size([1, 2]),
            np.dtype("f4"),
        ],
        "the state of an optimizer": {
            "state": {0: {"momentum": torch.ones(3)}},
            "param_groups": [{}],
        },
        "a loss that is a tensor": torch.tensor(0.3, requires_grad=True),
        "a quantized tensor": _quantized(),
        "a sparse tensor": torch.eye(3).to_sparse(),
        "a type of torch": torch.optim.SGD,
    }
    return {
        **{
            f"beside {name}": {"state_dict": STATE, "beside": value}
            for name, value in beside.items()
        },
        "a module": _network(),
        "a module under a key": {"model": _network(), "epoch": 3},
        "a module of a library": {"epoch": 1, "ema": lib.Module(_network()), "model": None},
        "a module in half precision": {"model": _network().half(), "ema": None, "updates": 4},
        "an average with a cache": {"net": lib.Average(_network())},
        "a module in DataParallel": nn.DataParallel(_network()),
        "Lightning": {
            "state_dict": {f"model.{name}": value for name, value in STATE.items()},
            "hyper_parameters": lib.AttrDict(lr=0.1),
            "callbacks": {
                "checkpoint": {"best_model_score": torch.tensor(0.3), "dirpath": Path("a")}
            },
            "loops": {"fit_loop": {"state_dict": {}}},
        },
        "arrays as weights": {"params": {name: value.numpy() for name, value in STATE.items()}},
        "arrays in another order": {
            "params": {name: np.array(value.numpy(), order="F") for name, value in STATE.items()}
        },
        "a dict of a library": lib.AttrDict(STATE),
        "parameters": {"state_dict": {name: _parameter(value) for name, value in STATE.items()}},
        "views of one tensor": {"state_dict": _views()},
    }


def _quantized() -> torch.Tensor:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.quantize_per_tensor(torch.ones(2), 0.1, 2, torch.qint8)


def _parameter(value: torch.Tensor) -> torch.Tensor:
    return nn.Parameter(value.clone()) if value.is_floating_point() else value


def _views() -> dict[str, torch.Tensor]:
    """Return the weights as parts of one storage each, transposed and strided."""
    return {
        name: torch.stack([torch.zeros_like(value), value], -1)[..., 1]
        for name, value in STATE.items()
    }


def _save_zip(content: Any) -> bytes:
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def _save_legacy(content: Any) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=False)
    return file.getvalue()


def _save_protocol(protocol: int) -> Callable[[Any], bytes]:
    def save(content: Any) -> bytes:
        file = io.BytesIO()
        torch.save(content, file, pickle_protocol=protocol)
        return file.getvalue()

    return save


def _save_old_numpy(content: Any) -> bytes:
    """Save as NumPy 1 did: its modules had another name."""
    return with_pickle(
        _save_zip(content), lambda data: data.replace(b"numpy._core.", b"numpy.core.")
    )


WRITERS: dict[str, Callable[[Any], bytes]] = {
    "zip": _save_zip,
    "legacy": _save_legacy,
    "protocol 4": _save_protocol(4),
    "protocol 5": _save_protocol(5),
    "NumPy 1": _save_old_numpy,
    "without torch.save": pickle.dumps,
}


def kinds() -> list[str]:
    """Return the names of the kinds of files."""
    with library() as lib:
        return list(_kinds(lib))


def written(kind: str, writer: str) -> bytes:
    """Return a file of that kind."""
    with library() as lib:
        return WRITERS[writer](_kinds(lib)[kind])


def with_pickle(archive: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """Return an archive of torch.save with another pickle in it."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(file, "w") as new:
        for record in old.infolist():
            data = old.read(record)
            if record.filename.endswith("/data.pkl"):
                data = change(data)
            new.writestr(record.filename, data)
    return file.getvalue()


def as_legacy(data: bytes) -> bytes:
    """Return a file of the old format whose content is a pickle."""
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}
    parts = [pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, system)]
    return b"".join([*parts, data, pickle.dumps([], 2)])


def as_zip(data: bytes) -> bytes:
    """Return an archive of torch.save whose content is a pickle."""
    return with_pickle(_save_zip({}), lambda old: data)


# What attacks are made of: a name, and arguments with which it would do something that is seen.
def gadgets(mark: str) -> list[tuple[str, str, tuple[Any, ...]]]:
    """Return names with arguments; `mark` is a file that most of them would make."""
    make = f"open({mark!r}, 'w').close()"
    touch = f"touch {mark}"
    return [
        ("os", "system", (touch,)),
        ("posix", "system", (touch,)),
        ("nt", "system", (touch,)),
        ("os", "popen", (touch,)),
        ("os", "execv", ("/bin/sh", ["sh", "-c", touch])),
        ("os", "remove", (mark,)),
        ("os", "mkdir", (mark,)),
        ("os", "fork", ()),
        ("os", "_exit", (3,)),
        ("os", "kill", (0, 9)),
        ("sys", "exit", (3,)),
        ("signal", "raise_signal", (9,)),
        ("builtins", "eval", (make,)),
        ("builtins", "exec", (make,)),
        ("builtins", "compile", (make, "", "exec")),
        ("builtins", "open", (mark, "w")),
        ("builtins", "getattr", ("", "join")),
        ("builtins", "setattr", ("", "a", 1)),
        ("builtins", "__import__", ("antigravity",)),
        ("builtins", "breakpoint", ()),
        ("builtins", "input", ()),
        ("builtins", "exit", ()),
        ("builtins", "globals", ()),
        ("builtins", "vars", ()),
        ("builtins", "map", ("", [])),
        ("builtins", "type", ("A", (), {})),
        ("builtins", "bytearray", (10**11,)),
        ("builtins", "range", (10**11,)),
        ("builtins", "list", (range(3),)),
        ("__builtin__", "eval", (make,)),
        ("__builtin__", "apply", ("", ())),
        ("io", "open", (mark, "w")),
        ("io", "FileIO", (mark, "w")),
        ("_io", "FileIO", (mark, "w")),
        ("pathlib", "Path.touch", (Path(mark),)),
        ("subprocess", "run", (["touch", mark],)),
        ("subprocess", "Popen", (["touch", mark],)),
        ("subprocess", "check_output", (["touch", mark],)),
        ("subprocess", "getoutput", (touch,)),
        ("importlib", "import_module", ("antigravity",)),
        ("importlib", "reload", ("os",)),
        ("runpy", "run_path", (mark,)),
        ("runpy", "run_module", ("this",)),
        ("runpy", "_run_code", (make, {})),
        ("code", "interact", ()),
        ("pdb", "run", (make,)),
        ("timeit", "timeit", (make,)),
        ("cProfile", "run", (make,)),
        ("profile", "run", (make,)),
        ("trace", "Trace.run", (make,)),
        ("bdb", "Bdb.run", (make,)),
        ("doctest", "debug_script", (make,)),
        ("pty", "spawn", (["touch", mark],)),
        ("platform", "popen", (touch,)),
        ("commands", "getoutput", (touch,)),
        ("webbrowser", "open", ("http://localhost:1",)),
        ("ctypes", "CDLL", ("libc.so.6",)),
        ("ctypes", "cdll.LoadLibrary", ("libc.so.6",)),
        ("ctypes", "string_at", (0,)),
        ("_ctypes", "dlopen", ("libc.so.6", 2)),
        ("socket", "create_connection", (("localhost", 1),)),
        ("urllib.request", "urlopen", ("http://localhost:1",)),
        ("shutil", "rmtree", (mark,)),
        ("shutil", "copyfile", ("/etc/hostname", mark)),
        ("tempfile", "mkdtemp", ()),
        ("pickle", "loads", (b"cos\nsystem\n(S'true'\ntR.",)),
        ("_pickle", "loads", (b"cos\nsystem\n(S'true'\ntR.",)),
        ("marshal", "loads", (b"N",)),
        ("dill", "loads", (b"N.",)),
        ("dill._dill", "_create_function", ("", {})),
        ("dill._dill", "_import_module", ("antigravity",)),
        ("cloudpickle.cloudpickle", "_make_function", ("", {})),
        ("cloudpickle.cloudpickle", "subimport", ("antigravity",)),
        ("joblib", "load", (mark,)),
        ("types", "FunctionType", ("", {})),
        ("types", "CodeType", (0,) * 5),
        ("types", "ModuleType", ("a",)),
        ("functools", "partial", ("", touch)),
        ("functools", "reduce", ("", [])),
        ("functools", "partialmethod", ("",)),
        ("operator", "attrgetter", ("system",)),
        ("operator", "methodcaller", ("system", touch)),
        ("operator", "itemgetter", ("os",)),
        ("operator", "call", ("", touch)),
        ("itertools", "starmap", ("", [])),
        ("collections", "namedtuple", ("A", "a")),
        ("collections", "UserDict", ()),
        ("copyreg", "add_extension", ("os", "system", 1)),
        ("copyreg", "__newobj__", ("",)),
        ("copyreg", "_reconstructor", ("", "", None)),
        ("copy_reg", "_reconstructor", ("", "", None)),
        ("copy", "_reconstruct", ("", ())),
        ("inspect", "getsource", ("",)),
        ("linecache", "getline", ("/etc/hostname", 1)),
        ("ast", "literal_eval", ("1",)),
        ("site", "main", ()),
        ("pip", "main", (["--version"],)),
        ("pip._internal.cli.main", "main", (["--version"],)),
        ("setuptools", "setup", ()),
        ("multiprocessing", "Process", ()),
        ("multiprocessing.util", "spawnv_passfds", ("", [], [])),
        ("concurrent.futures", "ProcessPoolExecutor", ()),
        ("threading", "Thread", ()),
        ("asyncio", "run", ("",)),
        ("logging.config", "_resolve", ("antigravity",)),
        ("logging", "FileHandler", (mark,)),
        ("codecs", "open", (mark, "w")),
        ("_codecs", "encode", ("a", "antigravity")),
        ("_codecs", "encode", (b"a", "bz2")),
        ("_codecs", "decode", (b"a", "unicode_escape")),
        ("sqlite3", "connect", (mark,)),
        ("zipfile", "ZipFile", (mark, "w")),
        ("numpy", "load", (mark, None, True)),
        ("numpy", "save", (mark, 1)),
        ("numpy", "memmap", (mark, "u1", "w+", 0, (1,))),
        ("numpy", "fromfile", (mark,)),
        ("numpy", "vectorize", ("",)),
        ("numpy.testing._private.utils", "runstring", (make, {})),
        ("numpy.f2py", "compile", (make,)),
        ("numpy._core.multiarray", "scalar", ("", b"")),
        ("numpy.core.multiarray", "_reconstruct", ("", (10**9,), b"b")),
        ("torch", "load", (mark,)),
        ("torch", "save", ({}, mark)),
        ("torch", "Tensor", (10**11,)),
        ("torch", "zeros", (10**11,)),
        ("torch.hub", "load", ("a/b", "c")),
        ("torch.hub", "load_state_dict_from_url", ("http://localhost:1",)),
        ("torch.hub", "download_url_to_file", ("http://localhost:1", mark)),
        ("torch.jit", "load", (mark,)),
        ("torch.package", "PackageImporter", (mark,)),
        ("torch.ops", "load_library", (mark,)),
        ("torch.classes", "load_library", (mark,)),
        ("torch.storage", "_load_from_bytes", (b"cos\nsystem\n(S'true'\ntR.",)),
        ("torch.storage", "UntypedStorage", (10**11,)),
        ("torch.storage", "UntypedStorage.from_file", (mark, True, 10)),
        ("torch.serialization", "load", (mark,)),
        ("torch.serialization", "add_safe_globals", ([],)),
        ("torch.distributed.checkpoint", "load", (mark,)),
        ("torch.utils.cpp_extension", "load", ("a", [mark])),
        ("torch.utils.collect_env", "run", (touch,)),
        ("torch._inductor.codecache", "compile_file", (mark, mark, [])),
        ("torch._utils", "_rebuild_tensor_v2", ("", 0, (10**12,), (0,))),
        ("torch._utils", "_rebuild_parameter", ("os.system", True, {})),
        ("torch._utils", "_rebuild_wrapper_subclass", ("", 1, 2, 3, 4, 5, 6, 7)),
        ("torch._utils", "_rebuild_device_tensor_from_numpy", ("", "", "cuda", False)),
        ("torch._utils", "_rebuild_meta_tensor_no_storage", ("", (10**12,), (1,), False)),
        ("torch._utils", "_import_dotted_name", ("antigravity",)),
        ("torch._tensor", "_rebuild_from_type_v2", ("", "", (), {})),
        ("os", "environ.clear", ()),
        ("sys", "modules.clear", ()),
        ("sys", "modules.__getitem__", ("os",)),
        ("builtins", "object.__subclasses__", ()),
        ("builtins", "str.__class__.__base__.__subclasses__", ()),
        ("argparse", "Namespace.__init__.__globals__.__getitem__", ("_sys",)),
        ("collections", "OrderedDict.__init__.__globals__", ()),
        ("vog.checkpoints.safe_pickle.builders", "BUILDERS.clear", ()),
        ("vog.checkpoints", "read", (mark,)),
        ("pkgutil", "resolve_name", ("os:system",)),
        ("pydoc", "pipepager", ("", touch)),
        ("getpass", "getpass", ()),
        ("faulthandler", "_sigsegv", ()),
        ("time", "sleep", (10**6,)),
        ("uuid", "_get_command_stdout", ("touch", mark)),
    ]


def _text(text: str) -> bytes:
    data = text.encode()
    return pickle.BINUNICODE + struct.pack("<I", len(data)) + data


def _value(value: Any) -> bytes:
    """Return the opcodes of a value, without the frame around it."""
    return pickle.dumps(value, 2)[2:-1]


def calls(module: str, name: str, arguments: tuple[Any, ...]) -> dict[str, bytes]:
    """Return pickles that call, or would have something called, in every way that there is."""
    named = f"c{module}\n{name}\n".encode()
    stacked = _text(module) + _text(name) + pickle.STACK_GLOBAL
    given = _value(arguments)
    spread = b"".join(map(_value, arguments))
    evil = named + given + b"R"
    ordered = b"ccollections\nOrderedDict\n)R"
    return {
        "REDUCE": b"\x80\x02" + evil + b".",
        "REDUCE of STACK_GLOBAL": b"\x80\x04" + stacked + given + b"R.",
        "NEWOBJ": b"\x80\x02" + named + given + b"\x81.",
        "NEWOBJ_EX": b"\x80\x04" + named + given + b"}\x92.",
        "INST": b"(" + spread + f"i{module}\n{name}\n.".encode(),
        "OBJ": b"(" + named + spread + b"o.",
        "called twice": b"\x80\x02" + evil + given + b"R.",
        "BUILD": b"\x80\x02" + named + given + b"b.",
        "BUILD of an object": b"\x80\x02"
        + named
        + b")\x81}"
        + _text("__setstate__")
        + named
        + b"sb.",
        "BUILD of slots": b"\x80\x02"
        + named
        + b")\x81N}"
        + _text("__class__")
        + named
        + b"s\x86b.",
        "BUILD of a dict": b"\x80\x02" + ordered + b"}" + _text("__reduce__") + named + b"sb.",
        "as metadata": b"\x80\x02" + ordered + b"}" + _text("_metadata") + evil + b"sb.",
        "as a key": b"\x80\x02}" + evil + b"Ns.",
        "in a set": b"\x80\x04\x8f(" + evil + b"\x90.",
        "as an item": b"\x80\x02" + named + b")R" + given + given + b"s.",
        "as an element": b"\x80\x02" + named + b")R" + given + b"a.",
        "as a persistent id": b"\x80\x02" + evil + b"Q.",
        "as a text id": f"P{module}.{name}\n.".encode(),
        "as a storage": b"\x80\x02("
        + _text("storage")
        + named
        + _text("0")
        + _text("cpu")
        + b"K\x01tQ.",
        "as a default": b"\x80\x02ccollections\ndefaultdict\n" + named + b"\x85R.",
        "as a parameter": b"\x80\x02ctorch._utils\n_rebuild_parameter\n" + evil + b"\x88N\x87R.",
        "as a type of tensor": b"\x80\x02ctorch._tensor\n_rebuild_from_type_v2\n("
        + named
        + named
        + given
        + b"}tR.",
        "in OrderedDict": b"\x80\x02ccollections\nOrderedDict\n" + evil + b"\x85R.",
        "reconstructed": b"ccopy_reg\n_reconstructor\n(" + named + named + given + b"tR.",
        "as a partial": b"\x80\x02cfunctools\npartial\n"
        + named
        + b"\x85R("
        + named
        + given
        + b"}Ntb.",
        "extension": b"\x80\x02\x82\x01)R.",
        "beside weights": b"\x80\x02}(" + _text("a") + evil + _text("state_dict") + b"}u.",
    }


@contextmanager
def watched() -> Iterator[list[str]]:
    """Note what the interpreter does meanwhile that reading a file does not need."""
    _install()
    _EVENTS.clear()
    _SEES[0] = True
    try:
        yield _EVENTS
    finally:
        _SEES[0] = False


_EVENTS: list[str] = []
_SEES = [False]
_INSTALLED: list[bool] = []
_FORBIDDEN = (
    "os.",
    "subprocess.",
    "shutil.",
    "socket.",
    "ctypes.",
    "pty.",
    "exec",
    "compile",
    "import",
    "pickle.find_class",
    "marshal.",
    "webbrowser.",
    "urllib.",
    "tempfile.",
    "sqlite3.",
    "signal.",
    "code.__new__",
    "function.__new__",
    "builtins.",
    "setopencodehook",
    "sys.",
    "glob.",
)
_HARMLESS = ("os.listdir", "os.scandir", "sys._getframe", "builtins.id", "object.__")


def _install() -> None:
    """Add the hook, which cannot be removed, once."""

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if not _SEES[0] or event.startswith(_HARMLESS):
            return
        if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
            _EVENTS.append(f"open {arguments[0]!r} {arguments[1]}")
        elif event.startswith(_FORBIDDEN):
            _EVENTS.append(f"{event} {arguments!r:.200}")

    # Codecs that our own code names: of the records of archives, and of texts of protocol 0.
    for codec in ("cp437", "raw-unicode-escape"):
        codecs.lookup(codec)
    for save in (_save_zip, _save_legacy):  # torch imports parts of itself when it first reads
        torch.load(io.BytesIO(save({"a": torch.ones(1)})), weights_only=True)
    if not _INSTALLED:
        _INSTALLED.append(True)
        sys.addaudithook(note)


def bombs() -> dict[str, Callable[[int], bytes]]:
    """Return makers of small files that would take much memory or time if read as they ask.

    Each maker is given how many values the file may hold itself.
    """
    deep, flat = zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED
    return {
        "lists in lists": lambda n: as_zip(b"\x80\x02" + _doubled(b"](", b"e") + b"."),
        "tuples in tuples as a key": lambda n: as_zip(b"\x80\x02}" + _doubled(b"(", b"t") + b"Ns."),
        "tuples in tuples in a set": lambda n: as_zip(
            b"\x80\x04\x8f(" + _doubled(b"(", b"t") + b"\x90."
        ),
        "keys that collide": lambda n: as_zip(_colliding(n)),
        "one list copied often": lambda n: as_zip(_copied(b"K\x01", "set", n)),
        "pairs copied often": lambda n: as_zip(_copied(b"NN\x86", "dict", n)),
        "deep lists": lambda n: as_zip(b"\x80\x02" + b"]" * n + b"a" * (n - 1) + b"."),
        "deep tuples": lambda n: as_zip(b"\x80\x02)" + b"\x85" * n + b"."),
        "deep tuples as a key": lambda n: as_zip(b"\x80\x02})" + b"\x85" * n + b"Ns."),
        "deep arguments": lambda n: as_zip(b"ca\nb\n" * n + b")R" + b"\x85R" * (n - 1) + b"."),
        "deep states": lambda n: as_zip(b"ca\nb\n)R" * n + b"b" * (n - 1) + b"."),
        "deep marks": lambda n: as_zip(b"(" * n + b"t" * n + b"."),
        "many sets": lambda n: as_zip(b"\x80\x04" + b"\x8f" * (10 * n) + b"."),
        "a memo far off": lambda n: as_zip(b"\x80\x02Nr\xff\xff\xff\xff."),
        "a text of 4 GB": lambda n: as_zip(b"\x80\x02X\xff\xff\xff\xffa."),
        "bytes of 2^63": lambda n: as_zip(b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7fa."),
        "bytes of 2^63, old": lambda n: as_legacy(b"\x80\x04\x96" + b"\xff" * 7 + b"\x7fa."),
        "many digits": lambda n: as_zip(b"L" + b"9" * n + b"L\n."),
        "a long number": lambda n: as_zip(b"\x80\x02\x8b" + struct.pack("<i", n) + b"a" * n + b"."),
        "bytearray of 100 GB": lambda n: as_zip(
            b"\x80\x02cbuiltins\nbytearray\n\x8a\x05\x00\xe8\x76\x48\x17\x85R."
        ),
        "an old file of 1 EB": lambda n: as_legacy(_tensor_pickle(2**60, (2**60,), (1,), old=True)),
        "an expanded tensor": lambda n: _save_zip({"a": torch.zeros(1).expand(10**12)}),
        "records that unpack to much": lambda n: _packed(b"\0" * (100 * n), 16, deep),
        "a pickle that unpacks to much": lambda n: _zipped({"a/data.pkl": b"]" * (100 * n)}, deep),
        "two pickles": lambda n: _zipped({"a/data.pkl": b"N.", "b/data.pkl": b"N."}, flat),
        "a module in itself": lambda n: as_zip(_module_in_itself()),
        "modules in modules": lambda n: as_zip(_modules_in_modules()),
        "weights everywhere": lambda n: as_zip(_weights_everywhere(n // 10)),
    }


# With these the bound is reached in seconds, and in half a minute where types are checked.
SLOW_BOMBS = frozenset({"modules in modules", "weights everywhere"})


def _doubled(begin: bytes, end: bytes) -> bytes:
    """Return a value that has twice the one before, two hundred times."""
    steps = b"".join(begin + b"h%ch%c" % (i, i) + end + b"q%c0" % (i + 1) for i in range(200))
    return b")q\x000" + steps + b"h\xc8"


def _colliding(count: int) -> bytes:
    """Return a dict of numbers whose hashes are all 0."""
    keys = (k * (2**61 - 1) for k in range(count))
    return (
        b"\x80\x02}("
        + b"".join(b"\x8a\x10" + key.to_bytes(16, "little") + b"N" for key in keys)
        + b"u."
    )


def _copied(item: bytes, kind: str, count: int) -> bytes:
    """Return a pickle that makes a set or a dict of one list again and again."""
    named = f"0cbuiltins\n{kind}\nq\x02".encode()
    listed = b"\x80\x02](" + item * count + b"eq\x01"
    return listed + named + b"h\x02h\x01\x85R0" * (count // 5) + b"N."


def _tensor_pickle(
    count: int, size: tuple[int, ...], stride: tuple[int, ...], old: bool = False
) -> bytes:
    view = b"N" if old else b""
    storage = b"(" + _text("storage") + b"ctorch\nFloatStorage\n" + _text("0") + _text("cpu")
    storage += _value(count) + view + b"tQ"
    return (
        b"\x80\x02}"
        + _text("a")
        + b"ctorch._utils\n_rebuild_tensor_v2\n("
        + storage
        + b"K\x00"
        + _value(size)
        + _value(stride)
        + b"\x89ccollections\nOrderedDict\n)RtRs."
    )


def _packed(data: bytes, count: int, how: int) -> bytes:
    return _zipped({"a/data.pkl": b"N.", **{f"a/data/{i}": data for i in range(count)}}, how)


def _zipped(records: dict[str, bytes], how: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", how) as archive:
        for name, data in records.items():
            archive.writestr(name, data)
    return file.getvalue()


def _module(children: bytes, parameters: bytes = b"}") -> bytes:
    state = (
        _text("_parameters") + parameters + _text("_buffers") + b"}" + _text("_modules") + children
    )
    return b"clibrary\nModule\n)\x81}(" + state + b"ub"


def _module_in_itself() -> bytes:
    return (
        b"\x80\x02clibrary\nModule\n)\x81q\x01}("
        + _text("_parameters")
        + b"}"
        + _text("_buffers")
        + b"}"
        + _text("_modules")
        + b"}"
        + _text("a")
        + b"h\x01sub."
    )


def _modules_in_modules() -> bytes:
    data = b"\x80\x02" + _module(b"}") + b"q\x000"
    for i in range(150):
        inner = b"}(" + b"".join(_text(name) + b"h%c" % i for name in "abcd") + b"u"
        data += _module(inner) + b"q%c0" % (i + 1)
    return data + b"h%c." % 150


def _weights_everywhere(count: int) -> bytes:
    big = b"}(" + b"".join(_text(f"k{i}") + b"N" for i in range(count)) + b"uq\x01"
    often = b"".join(_text(f"r{i}") + b"h\x01" for i in range(2 * count))
    return b"\x80\x02" + big + b"0}(" + often + b"u."


def outcome(data: bytes, path: Path) -> tuple[str, list[str]]:
    """Return how the reading of a file ends, and what was done meanwhile that must not be."""
    path.write_bytes(data)
    with watched() as events:
        try:
            read_weights(path)
            said = "weights"
        except CheckpointError as error:
            said = str(error)
    return said, list(events)


def mutated(seed: int, corpus: list[bytes], mark: str) -> bytes:
    """Return a file of the corpus with something wrong in it."""
    rng = random.Random(seed)
    whole = rng.choice(corpus)
    if whole.startswith(b"PK") and rng.random() < 0.7:
        return with_pickle(whole, lambda data: _changed(rng, data, mark))
    return _changed(rng, whole, mark)


def _changed(rng: random.Random, data: bytes, mark: str) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 5, 20])):
        at = rng.randrange(len(changed) + 1)
        how = rng.randrange(8)
        if how == 0 and at < len(changed):
            changed[at] ^= 1 << rng.randrange(8)
        elif how == 1 and at < len(changed):
            changed[at] = rng.randrange(256)
        elif how == 2:
            del changed[at : at + rng.choice([1, 2, 8, 200])]
        elif how == 3:
            changed[at:at] = rng.randbytes(rng.choice([1, 2, 8]))
        elif how == 4:
            changed[at:at] = bytes(
                rng.choices(
                    b"(R.b0123cioatdeusQP\x81\x82\x83\x84\x92\x93\x94\x8f\x90q\x00h\x00]})N2", k=4
                )
            )
        elif how == 5:
            call = rng.choice(list(calls(*rng.choice(gadgets(mark))).values()))
            changed[at:at] = (
                call.removeprefix(b"\x80\x02").removeprefix(b"\x80\x04").removesuffix(b".")
            )
        elif how == 6:
            start = rng.randrange(len(changed) + 1)
            changed[at:at] = changed[start : start + rng.choice([1, 4, 30, 300])]
        else:
            changed[at : at + 4] = rng.choice(
                [b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\0", b"\0\0\0\x80"]
            )
    return bytes(changed)
