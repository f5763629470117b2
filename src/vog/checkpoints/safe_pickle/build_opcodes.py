"""The pickle opcodes that move, collect, name, call and build values.

Python's own machine calls methods by name (`append`, `extend`, `__setstate__`), so the object
decides what runs. The functions here compare types, and each has fixed code for each type.
"""

import pickle
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from vog.checkpoints.safe_pickle import literal_opcodes
from vog.checkpoints.safe_pickle.builders import BUILDERS
from vog.checkpoints.safe_pickle.machine_state import MachineState
from vog.checkpoints.safe_pickle.placeholders import Name, StandIn, Unreadable
from vog.checkpoints.safe_pickle.tensor_records import TensorRecord

_LONGEST_NAME = 1000
_COST_OF_SET = 4  # an empty set takes about 200 bytes, an empty list 56
_OLD_MODULES = {"__builtin__": "builtins", "copy_reg": "copyreg"}


def _mark(state: MachineState) -> None:
    state.marks.append(state.stack)
    state.stack = []


def _pop_mark(state: MachineState) -> None:
    state.pop_mark()


def _skip_frame(state: MachineState) -> None:
    state.stream.take(8)  # the number of bytes that follow, which is not needed


def _pop(state: MachineState) -> None:
    if state.stack:
        state.stack.pop()
    else:
        state.pop_mark()


def _make_set(state: MachineState, items: list[Any]) -> set[Any]:
    state.budget.step(_COST_OF_SET)
    return {state.safe_key(item) for item in items}


def _frozenset(state: MachineState) -> None:
    items = state.pop_mark()
    state.stack.append(frozenset(_make_set(state, items)))


def _list(state: MachineState) -> None:
    items = state.pop_mark()
    state.stack.append(items)


def _tuple(state: MachineState) -> None:
    items = state.pop_mark()
    state.stack.append(tuple(items))


def _tuple_of(count: int) -> Callable[[MachineState], None]:
    def operation(state: MachineState) -> None:
        stack = state.stack
        if len(stack) < count:
            raise IndexError
        stack[-count:] = [tuple(stack[-count:])]

    return operation


def _dict(state: MachineState) -> None:
    items = state.pop_mark()
    state.stack.append({})
    _set_pairs(state, items)


def _set_pairs(state: MachineState, items: list[Any]) -> None:
    target = state.stack[-1]
    if len(items) % 2:
        raise Unreadable("it has a key without a value")
    if type(target) is StandIn:
        target = target.items
    elif type(target) not in (dict, OrderedDict):
        raise Unreadable(f"it sets items of a {type(target).__name__}")
    for position in range(0, len(items), 2):
        target[state.safe_key(items[position])] = items[position + 1]


def _setitem(state: MachineState) -> None:
    value, key = state.stack.pop(), state.stack.pop()
    _set_pairs(state, [key, value])


def _setitems(state: MachineState) -> None:
    items = state.pop_mark()
    _set_pairs(state, items)


def _extend(state: MachineState, items: list[Any]) -> None:
    target = state.stack[-1]
    if type(target) is StandIn:
        target = target.elements
    if type(target) is not list:
        raise Unreadable(f"it appends to a {type(target).__name__}")
    target.extend(items)


def _append(state: MachineState) -> None:
    item = state.stack.pop()
    _extend(state, [item])


def _appends(state: MachineState) -> None:
    items = state.pop_mark()
    _extend(state, items)


def _additems(state: MachineState) -> None:
    items = state.pop_mark()
    target = state.stack[-1]
    if type(target) is StandIn:
        target.elements.extend(items)
    elif type(target) is set:
        target |= _make_set(state, items)
    else:
        raise Unreadable(f"it adds items to a {type(target).__name__}")


def _resolve_name(state: MachineState, module: object, name: object) -> Any:
    """Return the value of a name if it is a plain value such as a dtype, else a `Name`."""
    if type(module) is not str or type(name) is not str:
        raise Unreadable("it has a name that is no text")
    if len(module) + len(name) > _LONGEST_NAME:
        raise Unreadable("it has a name that is too long")
    full_name = Name(_OLD_MODULES.get(module, module), name)
    state.names.add(full_name)
    return literal_opcodes.NAMED_VALUES.get((full_name.module, full_name.name), full_name)


def _global(state: MachineState) -> None:
    module, name = (state.stream.line().decode("utf-8") for _ in range(2))
    state.stack.append(_resolve_name(state, module, name))


def _stack_global(state: MachineState) -> None:
    name, module = state.stack.pop(), state.stack.pop()
    state.stack.append(_resolve_name(state, module, name))


def _call(state: MachineState, callee: object, arguments: object) -> Any:
    """Return the value of our own builder for the name, or a stand-in if there is none."""
    if type(arguments) is not tuple:
        raise Unreadable("it calls something without arguments")
    if type(callee) is Name:
        build = BUILDERS.get((callee.module, callee.name))
        return StandIn(callee, arguments) if build is None else build(state.budget, arguments)
    if type(callee) is StandIn:
        return StandIn(callee.name, (callee, *arguments))
    raise Unreadable(f"it calls a {type(callee).__name__}")


def _reduce(state: MachineState) -> None:
    arguments, callee = state.stack.pop(), state.stack.pop()
    state.stack.append(_call(state, callee, arguments))


def _newobj_ex(state: MachineState) -> None:
    keywords, arguments = state.stack.pop(), state.stack.pop()
    instance = _call(state, state.stack.pop(), arguments)
    if type(instance) is StandIn:
        instance.arguments = (*instance.arguments, keywords)
    state.stack.append(instance)


def _inst(state: MachineState) -> None:
    arguments = state.pop_mark()
    _global(state)
    state.stack.append(_call(state, state.stack.pop(), tuple(arguments)))


def _obj(state: MachineState) -> None:
    callee, *arguments = state.pop_mark() or [None]
    state.stack.append(_call(state, callee, tuple(arguments)))


def _build(state: MachineState) -> None:
    new_state, target = state.stack.pop(), state.stack[-1]
    if type(target) is StandIn:
        target.state = new_state
    elif type(target) is OrderedDict:
        # `state_dict` stores the version of each module beside the tensors.
        metadata = new_state.get("_metadata") if type(new_state) is dict else None
        if type(metadata) in (dict, OrderedDict):
            target._metadata = metadata  # type: ignore[attr-defined]
    elif not isinstance(target, TensorRecord):  # a parameter may have attributes
        raise Unreadable(f"it sets the state of a {type(target).__name__}")


def _load_persistent(state: MachineState) -> None:
    if state.make_storage is None:
        raise Unreadable("it refers to a storage, and has none")
    state.stack.append(state.make_storage(state.stack.pop()))


def _memo_writer(read_index: Callable[[MachineState], int]) -> Callable[[MachineState], None]:
    def operation(state: MachineState) -> None:
        state.memo[read_index(state)] = state.stack[-1]

    return operation


def _memo_reader(read_index: Callable[[MachineState], int]) -> Callable[[MachineState], None]:
    return lambda state: state.stack.append(state.memo[read_index(state)])


def _index_on_line(state: MachineState) -> int:
    return literal_opcodes.parse_whole_number(state.stream.line())


def _index_in_byte(state: MachineState) -> int:
    return state.stream.take(1)[0]


def _index_in_four_bytes(state: MachineState) -> int:
    return int.from_bytes(state.stream.take(4), "little")


OPERATIONS: dict[bytes, Callable[[MachineState], None]] = {
    pickle.MARK: _mark,
    pickle.POP: _pop,
    pickle.POP_MARK: _pop_mark,
    pickle.DUP: lambda state: state.stack.append(state.stack[-1]),
    pickle.EMPTY_LIST: lambda state: state.stack.append([]),
    pickle.EMPTY_DICT: lambda state: state.stack.append({}),
    pickle.EMPTY_SET: lambda state: state.stack.append(_make_set(state, [])),
    pickle.LIST: _list,
    pickle.TUPLE: _tuple,
    pickle.TUPLE1: _tuple_of(1),
    pickle.TUPLE2: _tuple_of(2),
    pickle.TUPLE3: _tuple_of(3),
    pickle.DICT: _dict,
    pickle.FROZENSET: _frozenset,
    pickle.APPEND: _append,
    pickle.APPENDS: _appends,
    pickle.ADDITEMS: _additems,
    pickle.SETITEM: _setitem,
    pickle.SETITEMS: _setitems,
    pickle.GLOBAL: _global,
    pickle.STACK_GLOBAL: _stack_global,
    pickle.REDUCE: _reduce,
    pickle.NEWOBJ: _reduce,
    pickle.NEWOBJ_EX: _newobj_ex,
    pickle.INST: _inst,
    pickle.OBJ: _obj,
    pickle.BUILD: _build,
    pickle.BINPERSID: _load_persistent,
    pickle.PUT: _memo_writer(_index_on_line),
    pickle.BINPUT: _memo_writer(_index_in_byte),
    pickle.LONG_BINPUT: _memo_writer(_index_in_four_bytes),
    pickle.MEMOIZE: _memo_writer(lambda state: len(state.memo)),
    pickle.GET: _memo_reader(_index_on_line),
    pickle.BINGET: _memo_reader(_index_in_byte),
    pickle.LONG_BINGET: _memo_reader(_index_in_four_bytes),
    pickle.PROTO: lambda state: state.stream.skip_protocol(),
    pickle.FRAME: _skip_frame,
}
