"""A user's graph that tells voices apart, opened and run within limits: nobody here has made it."""

from __future__ import annotations

import stat
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime as ort

from amanuensis.npu.model_error import ModelError
from amanuensis.npu.speaker_network import open_session
from amanuensis.npu.speaker_sound import Float32

MAX_BYTES: Final = 2**29  # the largest that are published have some 120 MB
LIMIT_S: Final = 30.0  # of a run: windows take some milliseconds, on a busy machine a second
# `TensorProto.external_data` in onnx.proto: an entry whose key is "location" names a file.
OTHER_FILE: Final = b"\x0a\x08location\x12"


class SpeakerGraph:
    """One graph in ONNX Runtime.

    Args:
        path: of the file.
        shape: of what it is given: [1, None] for samples, [1, None, bins] for frames; None is free.
        dim: numbers that it answers with.
        limit_s: of a run.

    Raises:
        ModelError: it is no such graph, or too large, or its weights are in other files.

    """

    def __init__(self, path: Path, shape: tuple[int | None, ...], dim: int, limit_s: float = LIMIT_S) -> None:
        self._path, self._dim, self._limit_s = path, dim, limit_s
        check_file(path, MAX_BYTES)
        if OTHER_FILE in path.read_bytes():
            raise ModelError(f"{path}: has weights in other files; export it as one file")
        try:
            self._session = open_session(path)
        except Exception as error:  # ONNX Runtime's errors have no common base of their own
            raise ModelError(f"{path}: ONNX Runtime cannot open it ({_short(error)}); export it again") from error
        self._check_input(shape)
        self._input = self._session.get_inputs()[0].name
        answer = self._session.get_outputs()[0]
        self._output = answer.name
        if answer.shape and all(isinstance(size, int) for size in answer.shape):  # else it is seen when it runs
            self._check_size(int(np.prod(answer.shape)), answer.type, answer.shape)

    def run(self, given: Float32) -> Float32:
        """Return its first output, float32 [dim], for something of `shape`.

        Raises:
            ModelError: it fails, takes too long, or answers with something else.

        """
        answer = np.asarray(self._answer(given))
        kind = str(answer.dtype)
        self._check_size(answer.size if answer.dtype.kind == "f" else -1, kind, answer.shape)
        if not np.isfinite(answer).all():
            raise ModelError(f"{self._path}: answers with numbers that are not finite; replace it or remove it")
        return answer.reshape(-1).astype(np.float32)

    def _answer(self, given: Float32) -> Any:
        options = ort.RunOptions()
        clock = threading.Timer(self._limit_s, setattr, (options, "terminate", True))
        clock.daemon = True
        clock.start()
        try:
            return self._session.run([self._output], {self._input: given}, options)[0]
        except Exception as error:  # as above
            if options.terminate:
                raise ModelError(
                    f"{self._path}: takes more than {self._limit_s:g} s for a window; replace it"
                ) from error
            raise ModelError(f"{self._path}: fails on {given.shape} ({_short(error)}); export it again") from error
        finally:
            clock.cancel()

    def _check_input(self, shape: tuple[int | None, ...]) -> None:
        inputs = self._session.get_inputs()
        fits = (
            len(inputs) == 1
            and inputs[0].type == "tensor(float)"
            and len(inputs[0].shape) == len(shape)
            and all(
                not isinstance(size, int) or size == want for size, want in zip(inputs[0].shape, shape, strict=True)
            )
        )
        if not fits:
            found = ", ".join(f"{given.name} {given.type} {given.shape}" for given in inputs) or "nothing"
            wanted = f"[1, frames, {shape[2]}], frames" if len(shape) == 3 else "[1, n], n"
            raise ModelError(
                f"{self._path}: takes {found:.300}; wanted is one float {wanted} free: see docs/speaker-model.md"
            )

    def _check_size(self, size: int, kind: str, shape: Sequence[int]) -> None:
        if size != self._dim:
            raise ModelError(
                f"{self._path}: answers with {kind} {list(shape)}, but speakers.json gives dim {self._dim}; correct "
                "one of them"
            )


def check_file(path: Path, max_bytes: int) -> None:
    """Refuse what is no file, or is too long to be read.

    Raises:
        ModelError: it is so, or it cannot be looked at.

    """
    try:
        found = path.stat()
    except OSError as error:
        why = "missing" if isinstance(error, FileNotFoundError) else error.strerror
        raise ModelError(f"{path}: {why}; a speaker model needs speakers.onnx and speakers.json") from None
    if not stat.S_ISREG(found.st_mode):
        raise ModelError(f"{path}: is not a regular file; put the speaker model there, or remove it")
    if found.st_size > max_bytes:
        raise ModelError(f"{path}: has {found.st_size} bytes; at most {max_bytes} are read: is it the right file?")


def _short(error: Exception) -> str:
    return f"{error!s:.200}".replace("\n", " ")
