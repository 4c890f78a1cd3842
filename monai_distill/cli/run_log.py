"""``run.log``: what a command printed and logged, in the folder of the run."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import datetime
import io
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from .execution import COMMAND, program_name
from .plain_errors import plain_message

__all__ = ["RunLog"]

FILE = "run.log"


class RunLog:
    """Copies standard output and standard error into ``run.log``, with the command line and the time before them.

    Text that appears before :meth:`open` is called is written then; without a folder nothing is written. Bars of a
    terminal, which write over themselves, are left out. A folder of several commands gets one file, to which each of
    them appends. Of several processes only the first writes.

    Args:
        words: the command line.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with RunLog(["resume", "here"]) as log:
        ...     log.open(folder)
        ...     print("scored")
        scored
        >>> (folder / "run.log").read_text().splitlines()[1:]
        ['$ monai-distill resume here', 'scored']
    """

    def __init__(self, words: Sequence[str]) -> None:
        time = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
        self._text: TextIO = io.StringIO()
        self._start = f"{time}\n$ {shlex.join([COMMAND, *words])}\n"
        self._text.write(self._start)
        self._part: TextIO | None = None
        self._streams: tuple[TextIO, TextIO] | None = None

    def open(self, folder: Path) -> None:
        """Write into a folder that exists.

        Raises:
            OSError: if the file cannot be written.
        """
        if program_name() == COMMAND and isinstance(self._text, io.StringIO):
            before = self._text.getvalue()
            self._text = _appending(folder)
            self._text.write(before)

    @contextmanager
    def part(self, folder: Path) -> Iterator[None]:
        """Inside the block, also write into the log of ``folder``, one run of several; it is made when absent."""
        if program_name() != COMMAND:
            yield
            return
        folder.mkdir(parents=True, exist_ok=True)
        with _appending(folder) as self._part:
            self._part.write(self._start)
            try:
                yield
            except Exception as error:
                self._part.write(f"Stopped by {type(error).__name__}: {plain_message(error)}\n")
                raise
            finally:
                self._part = None

    def write(self, text: str) -> None:
        """Add text that a stream received."""
        if "\r" not in text and "\x1b" not in text:
            self._text.write(text)
            if self._part is not None:
                self._part.write(text)

    def __enter__(self) -> RunLog:
        self._streams = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = _Copied(sys.stdout, self), _Copied(sys.stderr, self)
        return self

    def __exit__(self, *_: object) -> None:
        if self._streams is not None:
            sys.stdout, sys.stderr = self._streams
        self._text.close()


def _appending(folder: Path) -> TextIO:
    return (folder / FILE).open("a", encoding="utf-8", buffering=1)  # a killed run has its lines


class _Copied:
    """A stream whose text is also written into the log."""

    def __init__(self, stream: TextIO, log: RunLog) -> None:
        self._stream = stream
        self._log = log

    def write(self, text: str) -> int:
        self._log.write(text)
        return self._stream.write(text)

    def writelines(self, lines: Sequence[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
