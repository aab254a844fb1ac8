"""A file's way through `shared.rows` as the services take it: fed in blocks, judged, then read."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Iterator
from itertools import cycle

from shared.rows.csv_format import CsvFormat
from shared.rows.format_judge import ByteCheck, FormatOptions, judge_format
from shared.rows.reader_versions import read_records
from shared.rows.record import Record


def check_bytes(content: bytes, block_sizes: tuple[int, ...] = (4096,)) -> ByteCheck:
    """With its head held, ready to be judged."""
    check = ByteCheck()
    stream = DribblingStream(content, block_sizes)
    while block := stream.read(len(content)):
        check.update(block)
    check.finish()
    check.hold_head(io.BytesIO(content))
    return check


def judge(content: bytes, options: FormatOptions | None = None) -> CsvFormat:
    return judge_format(check_bytes(content), options or FormatOptions())


def read(content: bytes, options: FormatOptions | None = None, block_sizes: tuple[int, ...] = (65536,)) -> list[Record]:
    return list(read_records(DribblingStream(content, block_sizes), judge(content, options)))


def read_version_1(
    content: bytes, options: FormatOptions | None = None, block_sizes: tuple[int, ...] = (65536,)
) -> list[Record]:
    csv_format = dataclasses.replace(judge(content, options), reader_version=1)
    return list(read_records(DribblingStream(content, block_sizes), csv_format))


class DribblingStream(io.BytesIO):
    """Gives as many bytes a read as the sizes say, in turn, whatever is asked for."""

    def __init__(self, content: bytes, sizes: tuple[int, ...]) -> None:
        super().__init__(content)
        self._sizes: Iterator[int] = cycle(sizes)

    def read(self, size: int | None = -1) -> bytes:
        return super().read(min(next(self._sizes), size) if size is not None and size >= 0 else next(self._sizes))
