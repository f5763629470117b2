"""Pickles of strangers, read as data: what a file names is never imported, called or executed.

The threat. A pickle is a program for a stack machine. Its opcodes GLOBAL, STACK_GLOBAL and INST
name any importable object, REDUCE, NEWOBJ and OBJ call what was named, BUILD calls `__setstate__`
or sets attributes, EXT1 to EXT4 and persistent ids reach into registries. A checkpoint from the
internet may use each of these against whoever reads it: to run code, to write files, to exhaust
memory or time, or to make the reader take false numbers for weights.

What holds instead:

- No object of the file is ever callable. A name becomes a `Name`, two strings; calling it makes a
  `StandIn` that keeps the arguments. A table of about forty names (`builders.py`) leads to
  functions of ours, which look at every argument, and only make tensors, numbers and containers.
- Nothing is imported, and no attribute is looked up by a text of the file. Dotted names such as
  `os.system` or `__class__.__base__` stay texts.
- BUILD stores a state on a stand-in. On an `OrderedDict` it sets `_metadata` and nothing else. No
  method of an object from the file runs: no `__setstate__`, `__reduce__`, `__eq__` or `__hash__`.
- Persistent ids are storages. The extension registry and out-of-band buffers are refused.
- Keys of dicts and members of sets are texts, bytes, names and small numbers, or short tuples of
  these; others are wrapped and hash by identity, so no crafted hash costs more than any other.
- Steps, copies and sizes are bounded (`Budget`), and every size is compared with the size of the
  file before memory is taken. Archives are refused by the sizes they declare, before unpacking.
- A tensor is made only of bytes that its storage has: size, stride and offset are checked.
  Indices of sparse tensors are checked by torch (`check_invariants`).

What is outside: `--read file.py:function` and the names that a user allows by
`torch.serialization.add_safe_globals` are code of the user's choice and do run. False numbers in
a file that is well-formed are not found out here. `torch.load(weights_only=True)` is the first
reader of a file, but only of one that this machine has run through and found to name nothing but
dense tensors and ordered dicts.
"""

from vog.checkpoints.safe_pickle.module_state_dict import state_dict_of as state_dict_of
from vog.checkpoints.safe_pickle.numpy_values import array_of as array_of
from vog.checkpoints.safe_pickle.placeholders import Budget as Budget
from vog.checkpoints.safe_pickle.placeholders import Name as Name
from vog.checkpoints.safe_pickle.placeholders import OpaqueKey as OpaqueKey
from vog.checkpoints.safe_pickle.placeholders import StandIn as StandIn
from vog.checkpoints.safe_pickle.placeholders import Unreadable as Unreadable
from vog.checkpoints.safe_pickle.stack_machine import Machine as Machine
from vog.checkpoints.safe_pickle.tensor_records import StorageRecord as StorageRecord
from vog.checkpoints.safe_pickle.tensor_records import StorageSource as StorageSource
from vog.checkpoints.safe_pickle.tensor_records import TensorRecord as TensorRecord
