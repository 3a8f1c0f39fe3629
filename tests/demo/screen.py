"""What the show looks like: headings, tables, and a region that is drawn anew in place on a terminal."""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import TextIO

_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34", "cyan": "36"}
_INDENT = "  "
# Lines of a log or a pipe: as wide as is comfortable to read.
_PAGE_WIDTH = 118
_LINE_LIMIT = 160

# Words of certbinder's tables, by what they mean to a person.
_GOOD = r"verified|InSync|True|Deployed|DriftCorrected|SourceRenewed"
_BUSY = r"Pending|Deploying|Drifted|Progressing|DriftDetected|Unknown|Deploy|Activate|CertificateExpiring"
_BAD = r"refused|Failed|RolledBack|RolloutHalted|ConfigTestFailed|False|Refuse|Blocked"
_WORDS = re.compile(rf"(?<![\w./-])(?:(?P<good>{_GOOD})|(?P<busy>{_BUSY})|(?P<bad>{_BAD}))(?![\w/-])")
_WORD_STYLES = {"good": "green", "busy": "yellow", "bad": "red"}


class Screen:
    """Writes to `stream`; colours and redrawing happen on a terminal alone, and NO_COLOR turns colours off."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self.terminal = self._stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._colours = self.terminal and not os.environ.get("NO_COLOR")
        encoding = (getattr(self._stream, "encoding", "") or "").lower().replace("-", "")
        self._unicode = encoding.startswith("utf")
        self._drawn = 0

    @property
    def width(self) -> int:
        return shutil.get_terminal_size((_PAGE_WIDTH, 40)).columns if self.terminal else _PAGE_WIDTH

    def sign(self, pretty: str, plain: str) -> str:
        """The pretty one where the stream can carry it."""
        return pretty if self._unicode else plain

    def style(self, text: str, *styles: str) -> str:
        if not self._colours or not styles:
            return text
        codes = ";".join(_STYLES[style] for style in styles)
        return f"\033[{codes}m{text}\033[0m"

    def words(self, text: str) -> str:
        """The text with certbinder's own words in the colour of what they mean."""

        def painted(match: re.Match[str]) -> str:
            assert match.lastgroup is not None
            return self.style(match[0], _WORD_STYLES[match.lastgroup])

        return _WORDS.sub(painted, text) if self._colours else text

    # Lines

    def write(self, text: str) -> None:
        if not self._unicode:
            text = text.replace("…", "...").replace("·", "-").encode("ascii", "replace").decode()
        self._stream.write(text)
        self._stream.flush()

    def line(self, text: str = "") -> None:
        self.write(f"{_INDENT}{text}".rstrip() + "\n")

    def heading(self, number: str, title: str) -> None:
        rule = self.sign("─", "-") * max(4, min(self.width, 78) - len(number) - len(title) - 4)
        self.write(f"\n{self.style(number, 'cyan', 'bold')}  {self.style(title, 'bold')} {self.style(rule, 'dim')}\n")

    def say(self, text: str, *styles: str) -> None:
        """A sentence, wrapped."""
        for part in textwrap.wrap(text, min(self.width, _PAGE_WIDTH) - len(_INDENT)):
            self.line(self.style(part, *styles))

    def command(self, text: str) -> None:
        self.line(self.style(f"$ {text}", "dim"))

    def good(self, text: str) -> None:
        self.line(f"{self.style(self.sign('✓', 'ok'), 'green')} {text}")

    def bad(self, text: str) -> None:
        self.line(f"{self.style(self.sign('✗', 'FAILED:'), 'red', 'bold')} {text}")

    def entry(self, head: str, text: str, lines: int | None = None) -> None:
        """`head` and a text that is wrapped beside it, to so many lines at most."""
        room = max(40, min(self.width, _PAGE_WIDTH) - len(_INDENT) - len(head) - 1)
        wrapper = textwrap.TextWrapper(
            room, break_on_hyphens=False, break_long_words=False, max_lines=lines, placeholder=" …"
        )
        parts = wrapper.wrap(text) or [""]
        self.line(f"{self.words(head)} {self.words(parts[0])}")
        for part in parts[1:]:
            self.line(" " * (len(head) + 1) + self.words(part))

    def table(self, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        cells = [tuple(head), *map(tuple, rows)]
        widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
        for number, row in enumerate(cells):
            text = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            self.line(self.style(self._cut(text), "dim") if number == 0 else self.words(self._cut(text)))

    # Something that certbinder printed

    def block(self, text: str) -> None:
        """The text as it is, coloured; what does not fit a line is cut, so that tables stay tables."""
        self.erase()
        for line in text.splitlines():
            self.line(self._shown(line))

    def redraw(self, text: str) -> None:
        """Takes the place of what was drawn last; `block` or `erase` ends it. For terminals only."""
        self.erase()
        lines = text.splitlines()
        for line in lines:
            self.line(self._shown(line))
        self._drawn = len(lines)

    def erase(self) -> None:
        if self._drawn:
            self.write(f"\033[{self._drawn}A\033[J")
            self._drawn = 0

    def _shown(self, line: str) -> str:
        line = self._cut(line)
        # The head of a table is all capitals.
        return self.style(line, "dim") if line.isupper() else self.words(line)

    def _cut(self, line: str) -> str:
        room = (self.width if self.terminal else _LINE_LIMIT) - len(_INDENT)
        return line if len(line) <= room else line[: room - 1] + "…"
