"""Protocol buffers, read field by field without a schema: enough for files of weights."""

from collections.abc import Iterator

# Wire types (protobuf.dev, "Encoding"). Groups (3 and 4) are deprecated and in no file of weights.
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED = {_FIXED64: 8, _FIXED32: 4}


def fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Fields of a message in their order: the number, and an integer or the bytes, which are not copied.

    Raises:
        ValueError: the bytes are no message, or end before it does.
    """
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        number, wire_type = tag >> 3, tag & 7
        if number == 0 or wire_type not in (_VARINT, _FIXED64, _BYTES, _FIXED32):
            raise ValueError(f"no protocol buffer: field {number} of wire type {wire_type}")
        if wire_type == _VARINT:
            value, position = _varint(message, position)
        else:
            length = _FIXED.get(wire_type)
            if length is None:
                length, position = _varint(message, position)
            if length > len(message) - position:
                raise ValueError(
                    f"cut off: field {number} needs {length} bytes, {len(message) - position} are left"
                )
            value = message[position : position + length]
            position += length
        yield number, value


def integers(packed: memoryview) -> list[int]:
    """Integers of a packed repeated field.

    Raises:
        ValueError: the bytes end amid an integer.
    """
    found, position = [], 0
    while position < len(packed):
        value, position = _varint(packed, position)
        found.append(value)
    return found


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for n, byte in enumerate(message[position : position + 10]):  # 64 bits in groups of 7
        value |= (byte & 0x7F) << 7 * n
        if byte < 0x80:
            return value, position + n + 1
    raise ValueError("no protocol buffer, or cut off: an integer has no end")
