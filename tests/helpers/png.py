"""Pixels of a PNG as a browser writes them: 8 bits, RGB or RGBA, not interlaced. Source: the PNG specification, 9.2."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray


def read_png(data: bytes) -> NDArray[np.uint8]:
    """Return the pixels, [height, width, 3 or 4]."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    packed, at, head = b"", 8, b""
    while at < len(data):
        (length,), kind = struct.unpack(">I", data[at : at + 4]), data[at + 4 : at + 8]
        body = data[at + 8 : at + 8 + length]
        head = body if kind == b"IHDR" else head
        packed += body if kind == b"IDAT" else b""
        at += 12 + length
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", head)
    assert (depth, interlaced) == (8, 0)
    channels = {2: 3, 6: 4}[colour]
    lines = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(height, 1 + width * channels)
    pixels = np.zeros((height, width, channels), np.uint8)
    above = np.zeros((width, channels), np.uint8)
    for y, line in enumerate(lines):
        above = pixels[y] = _unfiltered(int(line[0]), line[1:].reshape(width, channels), above)
    return pixels


def _unfiltered(kind: int, line: NDArray[np.uint8], above: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if kind in (0, 2):
        return line + above if kind else line
    if kind == 1:
        return np.cumsum(line, axis=0, dtype=np.uint8)
    left, corner = np.zeros(line.shape[1], np.int16), np.zeros(line.shape[1], np.int16)
    out = np.empty_like(line)
    for x in range(line.shape[0]):
        up = above[x].astype(np.int16)
        guess = (left + up) // 2 if kind == 3 else _paeth(left, up, corner)
        out[x] = line[x] + guess.astype(np.uint8)
        left, corner = out[x].astype(np.int16), up
    return out


def _paeth(left: NDArray[np.int16], up: NDArray[np.int16], corner: NDArray[np.int16]) -> NDArray[np.int16]:
    guess = left + up - corner
    far_left, far_up, far_corner = abs(guess - left), abs(guess - up), abs(guess - corner)
    return np.where((far_left <= far_up) & (far_left <= far_corner), left, np.where(far_up <= far_corner, up, corner))
