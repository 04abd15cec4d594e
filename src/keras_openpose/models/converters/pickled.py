"""Pickles, read without running them: what they may call is a table, everything else is an error.

Python's own unpickler, even with a restricted `find_class`, reserves memory that a damaged file asks for.
"""

import pickletools
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

# Opcodes that push their argument.
_VALUES = {
    "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE", "BINSTRING",
    "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
}  # fmt: skip
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_MARK = object()


class Global(str):
    """A class or function that a pickle names, as `module.name`."""


def read_pickle(
    file: BinaryIO, calls: Mapping[str, Callable], persistent: Callable[[object], object] | None = None
) -> Any:
    """Read one pickle, up to its end; strings of Python 2 become text of the same character codes.

    Args:
        file: the pickle, from here on.
        calls: what stands for the classes and functions that the pickle may call, by `module.name`.
        persistent: what stands for an object outside of the pickle, by its id. Defaults to an error.

    Returns:
        Dictionaries, lists, tuples, numbers, text, bytes, `Global` and what `calls` made.

    Raises:
        ValueError: it is no pickle, a damaged one, or calls something else.
    """
    try:
        return _run(file, calls, persistent)
    except (IndexError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"no pickle of weights, or a damaged one ({type(error).__name__})") from error


def _run(file, calls, persistent) -> Any:
    # What a pickle holds is known when it runs, not before: whoever reads one checks it.
    stack: list[Any] = []
    memo: dict[object, Any] = {}
    for opcode, argument, _ in pickletools.genops(file):
        name = opcode.name
        if name in _VALUES:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            stack.append(_EMPTY[name]())
        elif name in ("BINPUT", "LONG_BINPUT", "MEMOIZE"):
            memo[len(memo) if argument is None else argument] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name == "MARK":
            stack.append(_MARK)
        elif name == "TUPLE":
            stack.append(tuple(_since_mark(stack)))
        elif name in _TUPLES:
            stack.append(tuple([stack.pop() for _ in range(_TUPLES[name])][::-1]))
        elif name in ("APPEND", "APPENDS"):
            items = [stack.pop()] if name == "APPEND" else _since_mark(stack)
            stack[-1].extend(items)
        elif name in ("SETITEM", "SETITEMS"):
            items = [stack.pop(), stack.pop()][::-1] if name == "SETITEM" else _since_mark(stack)
            stack[-1].update(as_dict(zip(items[::2], items[1::2], strict=True)))
        elif name == "GLOBAL":
            stack.append(Global(str(argument).replace(" ", ".")))
        elif name == "STACK_GLOBAL":
            attribute, module = stack.pop(), stack.pop()
            stack.append(Global(f"{module}.{attribute}"))
        elif name == "REDUCE":
            arguments, function = stack.pop(), stack.pop()
            if not isinstance(function, Global) or function not in calls:
                raise ValueError(f"it holds more than weights: it would call {str(function)[:100]}")
            stack.append(calls[function](*arguments))
        elif name == "BUILD":
            stack.pop()  # attributes, such as the versions of a state dict
        elif name == "BINPERSID" and persistent:
            stack.append(persistent(stack.pop()))
        elif name == "STOP":
            return stack.pop()
        elif name not in ("PROTO", "FRAME"):
            raise ValueError(f"no pickle of weights: it has the opcode {name}")
    raise ValueError("the pickle has no end")


def _since_mark(stack: list) -> list:
    items = []
    while (item := stack.pop()) is not _MARK:
        items.append(item)
    return items[::-1]


def as_dict(pairs=()) -> dict:
    """A dictionary with keys that are text or integers: to hash others can take for ever."""
    pairs = list(pairs)
    if not all(isinstance(key, (str, int)) for key, _ in pairs):
        raise ValueError("a dictionary has keys that are neither text nor integers")
    return dict(pairs)
