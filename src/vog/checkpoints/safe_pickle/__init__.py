"""Read untrusted pickles as data: names in a file are never imported, called or executed.

The threat. A pickle is a program for a stack machine. Its opcodes GLOBAL, STACK_GLOBAL and INST
name any importable object, REDUCE, NEWOBJ and OBJ call the named object, BUILD calls `__setstate__`
or sets attributes, EXT1 to EXT4 and persistent ids refer to registries. A checkpoint from the
internet may use each of these against its reader: to run code, to write files, to exhaust memory
or time, or to pass false numbers off as weights.

The guarantees:

- No object of the file is ever callable. A name becomes a `Name`, two strings; calling it makes a
  `StandIn` that keeps the arguments. A table of about forty names (`builders.py`) leads to
  functions of ours, which check every argument, and only build tensors, numbers and containers.
- Nothing is imported, and no text of the file is used to look up an attribute. Dotted names such
  as `os.system` or `__class__.__base__` stay texts.
- BUILD stores a state on a stand-in. On an `OrderedDict` it sets `_metadata` and nothing else. No
  method of an object from the file runs: no `__setstate__`, `__reduce__`, `__eq__` or `__hash__`.
- Persistent ids are storages. The extension registry and out-of-band buffers are refused.
- Keys of dicts and members of sets are texts, bytes, names and small numbers, or short tuples of
  these. All other keys are wrapped and hash by identity, so no crafted hash is slower than others.
- Steps, copies and sizes are bounded (`Budget`), and every size is compared with the size of the
  file before memory is allocated. Archives that declare too large a size are not unpacked.
- A tensor consists only of bytes that its storage has: size, stride and offset are checked.
  Indices of sparse tensors are checked by torch (`check_invariants`).

Not covered: a `read` function and the names that a user allows by
`torch.serialization.add_safe_globals` are code of the user's choice and do run. False numbers in
a well-formed file are not detected here. `torch.load(weights_only=True)` loads a file only after
this machine has read it and has seen only the names of dense tensors and ordered dicts.
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
