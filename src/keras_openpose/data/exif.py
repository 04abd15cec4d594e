"""Reads the EXIF orientation of a file: how its pixels must be turned to be upright.

OpenCV applies it, TensorFlow does not.
"""

from typing import Literal

HEAD = 2**16  # bytes of a file that hold the orientation: it stands before the pixels

_ORIENTATION = 0x0112  # tag of the EXIF standard
# Markers of a JPEG: a segment of some application, and the last before the pixels.
_APPLICATION, _START_OF_SCAN = 0xE1, 0xDA


def read_orientation(head: bytes) -> int:
    """The orientation of a JPEG or PNG file.

    Args:
        head: the file's first `HEAD` bytes.

    Returns:
        1 (upright, or not stated) to 8, as EXIF numbers them.
    """
    if head.startswith(b"\xff\xd8"):
        return _orientation(_exif_of_jpeg(head))
    if head.startswith(b"\x89PNG"):
        return _orientation(_exif_of_png(head))
    return 1


def _exif_of_jpeg(head: bytes) -> bytes:
    place = 2
    while place + 4 <= len(head) and head[place] == 0xFF and head[place + 1] != _START_OF_SCAN:
        content, next_place = place + 4, place + 2 + int.from_bytes(head[place + 2 : place + 4], "big")
        if head[place + 1] == _APPLICATION and head.startswith(b"Exif\0\0", content):
            return head[content + 6 : next_place]
        place = next_place
    return b""


def _exif_of_png(head: bytes) -> bytes:
    place = 8
    while place < len(head):
        length, content = int.from_bytes(head[place : place + 4], "big"), place + 8
        if head[place + 4 : content] == b"eXIf":
            return head[content : content + length]
        place = content + length + 4  # behind the checksum
    return b""


def _orientation(exif: bytes) -> int:
    """The orientation among the entries of the first directory, twelve bytes each."""
    order: Literal["little", "big"] = "little" if exif.startswith(b"II") else "big"

    def number(place: int, length: int) -> int:
        return int.from_bytes(exif[place : place + length], order)

    directory = number(4, 4)
    for entry in range(directory + 2, min(directory + 2 + 12 * number(directory, 2), len(exif)), 12):
        if number(entry, 2) == _ORIENTATION:
            orientation = number(entry + 8, 2)
            return orientation if 1 <= orientation <= 8 else 1
    return 1
