"""The opcodes of pickles that move, collect, name, call and build values.

Python's own machine asks objects for methods by name (`append`, `extend`, `__setstate__`), so that
an object decides what runs. These compare types and know what they do with each.
"""

import pickle
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from vog.checkpoints.safe_pickle import literal_opcodes
from vog.checkpoints.safe_pickle.builders import BUILDERS
from vog.checkpoints.safe_pickle.machine_state import MachineState
from vog.checkpoints.safe_pickle.placeholders import Name, StandIn, Unreadable
from vog.checkpoints.safe_pickle.tensor_records import Stored

_LONGEST_NAME = 1000
_COST_OF_SET = 4  # it takes some 200 bytes where a list takes 56
_OLD_MODULES = {"__builtin__": "builtins", "copy_reg": "copyreg"}


def _mark(state: MachineState) -> None:
    state.marks.append(state.stack)
    state.stack = []


def _pop_mark(state: MachineState) -> None:
    state.pop_mark()


def _pass_over_frame(state: MachineState) -> None:
    state.stream.take(8)  # how many bytes follow, which nobody needs to know


def _pop(state: MachineState) -> None:
    if state.stack:
        state.stack.pop()
    else:
        state.pop_mark()


def _set_of(state: MachineState, items: list[Any]) -> set[Any]:
    state.budget.step(_COST_OF_SET)
    return {state.key(item) for item in items}


def _frozenset(state: MachineState) -> None:
    items = state.pop_mark()
    state.stack.append(frozenset(_set_of(state, items)))


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
    for at in range(0, len(items), 2):
        target[state.key(items[at])] = items[at + 1]


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
        target |= _set_of(state, items)
    else:
        raise Unreadable(f"it adds items to a {type(target).__name__}")


def _named(state: MachineState, module: object, name: object) -> Any:
    """Return what a name stands for: a `Name`, or one of the values that are no code."""
    if type(module) is not str or type(name) is not str:
        raise Unreadable("it has a name that is no text")
    if len(module) + len(name) > _LONGEST_NAME:
        raise Unreadable("it has a name that is too long")
    found = Name(_OLD_MODULES.get(module, module), name)
    state.names.add(found)
    return literal_opcodes.VALUES.get((found.module, found.name), found)


def _global(state: MachineState) -> None:
    module, name = (state.stream.line().decode("utf-8") for _ in range(2))
    state.stack.append(_named(state, module, name))


def _stack_global(state: MachineState) -> None:
    name, module = state.stack.pop(), state.stack.pop()
    state.stack.append(_named(state, module, name))


def _called(state: MachineState, callee: object, arguments: object) -> Any:
    """Return what our own builder for the name makes, or else an object that was not made."""
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
    state.stack.append(_called(state, callee, arguments))


def _newobj_ex(state: MachineState) -> None:
    keywords, arguments = state.stack.pop(), state.stack.pop()
    made = _called(state, state.stack.pop(), arguments)
    if type(made) is StandIn:
        made.arguments = (*made.arguments, keywords)
    state.stack.append(made)


def _inst(state: MachineState) -> None:
    arguments = state.pop_mark()
    _global(state)
    state.stack.append(_called(state, state.stack.pop(), tuple(arguments)))


def _obj(state: MachineState) -> None:
    callee, *arguments = state.pop_mark() or [None]
    state.stack.append(_called(state, callee, tuple(arguments)))


def _build(state: MachineState) -> None:
    given, target = state.stack.pop(), state.stack[-1]
    if type(target) is StandIn:
        target.state = given
    elif type(target) is OrderedDict:
        # What `state_dict` notes beside the tensors: the version of each module.
        metadata = given.get("_metadata") if type(given) is dict else None
        if type(metadata) in (dict, OrderedDict):
            target._metadata = metadata  # type: ignore[attr-defined]
    elif not isinstance(target, Stored):  # a parameter may have attributes
        raise Unreadable(f"it sets the state of a {type(target).__name__}")


def _persistent(state: MachineState) -> None:
    if state.storage is None:
        raise Unreadable("it refers to a storage, and has none")
    state.stack.append(state.storage(state.stack.pop()))


def _put_at(number: Callable[[MachineState], int]) -> Callable[[MachineState], None]:
    def operation(state: MachineState) -> None:
        state.memo[number(state)] = state.stack[-1]

    return operation


def _get_at(number: Callable[[MachineState], int]) -> Callable[[MachineState], None]:
    return lambda state: state.stack.append(state.memo[number(state)])


def _by_line(state: MachineState) -> int:
    return literal_opcodes.parse_whole_number(state.stream.line())


def _by_byte(state: MachineState) -> int:
    return state.stream.take(1)[0]


def _by_word(state: MachineState) -> int:
    return int.from_bytes(state.stream.take(4), "little")


OPERATIONS: dict[bytes, Callable[[MachineState], None]] = {
    pickle.MARK: _mark,
    pickle.POP: _pop,
    pickle.POP_MARK: _pop_mark,
    pickle.DUP: lambda state: state.stack.append(state.stack[-1]),
    pickle.EMPTY_LIST: lambda state: state.stack.append([]),
    pickle.EMPTY_DICT: lambda state: state.stack.append({}),
    pickle.EMPTY_SET: lambda state: state.stack.append(_set_of(state, [])),
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
    pickle.BINPERSID: _persistent,
    pickle.PUT: _put_at(_by_line),
    pickle.BINPUT: _put_at(_by_byte),
    pickle.LONG_BINPUT: _put_at(_by_word),
    pickle.MEMOIZE: _put_at(lambda state: len(state.memo)),
    pickle.GET: _get_at(_by_line),
    pickle.BINGET: _get_at(_by_byte),
    pickle.LONG_BINGET: _get_at(_by_word),
    pickle.PROTO: lambda state: state.stream.protocol(),
    pickle.FRAME: _pass_over_frame,
}
