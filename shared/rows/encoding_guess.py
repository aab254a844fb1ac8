"""Which encoding lines that are no UTF-8 may be in, judged by how they would read.

chardet ranks the encodings that programs save files in; it is given only cells with bytes from 0x80 on, for the ASCII
of a whole file drowns what there is to see. How a reading looks decides whether it can be meant: letters where letters
belong, no symbol in the midst of a word, no word in two scripts.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

# What cp1252 is taken for without asking has to be this much likelier than any other reading of the same lines.
_AS_GOOD: Final = 0.85
_WINDOWS: Final = "cp1252"
_MOST_BYTES: Final = 16 * 1024
# Of a file in a right encoding a few lines may still be damaged.
_MOST_IMPLAUSIBLE: Final = 0.05
_ENCODINGS: Final = (
    "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "mac-roman", "mac-latin2",
    "mac-cyrillic", "iso8859-2", "koi8-r", "cp850", "cp437", "cp852", "cp866", "gb18030", "big5hkscs", "cp932",
    "euc_jis_2004", "cp949",
)  # fmt: skip
# Seldom met, so they must be the likelier to be named before others.
_RARE: Final = frozenset({"mac-latin2", "mac-cyrillic", "cp437", "cp852", "euc_jis_2004"})
_RARITY: Final = 0.8
# What did not decode, and control characters that no keyboard has.
_nobody_writes = re.compile("[\ufffd\x80-\x9f]")
_between_cells = re.compile(b'[,;\\t"]')
_not_in_windows = re.compile(b"[\x81\x8d\x8f\x90\x9d]")
_LETTERS: Final = frozenset({"Lu", "Ll", "Lt", "Lo", "Mn", "Mc"})
_EAST_ASIAN: Final = frozenset({"CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "HANGUL", "BOPOMOFO"})
_PUNCTUATION: Final = frozenset("’‘“”„‚«»‹›–—…€£§°®©™·•¿¡ªº№\xa0、。・「」（），；：")
_INSIDE_WORDS: Final = frozenset("’‘·")
_NOT_BEFORE_LETTERS: Final = frozenset("£€§№©®™°")
_AT_THE_BEGINNING: Final = frozenset("¿¡«")


# How likely these cells are in each encoding, by its codec; one that is not among them is not likely at all.
RankEncodings = Callable[[bytes], Mapping[str, float]]


class Reading(NamedTuple):
    """One way to read the lines, and how likely it is beside others."""

    codec: str
    text: str
    likelihood: float
    is_plausible: bool


def rank_encodings(cells: bytes) -> dict[str, float]:
    """Of cells with bytes from 0x80 on."""
    # Its models take 26 MiB from the first call on: a process that leaves this to another one does without.
    import chardet

    ranked = chardet.detect_all(
        cells, ignore_threshold=True, compat_names=False, include_encodings=_ENCODINGS, max_bytes=len(cells) + 1
    )
    return {str(found["encoding"]): float(found["confidence"]) for found in ranked}


def readings(lines: Sequence[bytes], rank: RankEncodings = rank_encodings) -> list[Reading]:
    """The different ways to read these lines, best first; of those that read the same the commonest encoding."""
    lines = _thinned(_without_damage(lines))
    content = b"\n".join(lines)
    cells = b"\n".join(cell for line in lines for cell in _between_cells.split(line) if not cell.isascii())
    likelihoods = rank(cells)
    found: dict[str, Reading] = {}
    for codec in _ENCODINGS:
        text = content.decode(codec, "replace")
        likelihood = likelihoods.get(codec, 0.0) * (_RARITY if codec in _RARE else 1.0)
        reading = Reading(codec, text, likelihood, _is_plausible(cells.decode(codec, "replace")))
        # Two encodings that read the lines alike are one answer, as likely as the likelier of them.
        same = found.get(text, reading)
        found[text] = same._replace(likelihood=max(same.likelihood, reading.likelihood))
    ranked = sorted(found.values(), key=lambda each: (not each.is_plausible, -each.likelihood))
    return [each for each in ranked if each.is_plausible or not _nobody_writes.search(each.text)] or ranked[:1]


def is_surely_windows(ranked: Sequence[Reading]) -> bool:
    """Whether the best of them is cp1252's, and no other as good."""
    best = ranked[0]
    others = [each.likelihood for each in ranked[1:] if each.is_plausible]
    return best.codec == _WINDOWS and best.is_plausible and max(others, default=0.0) < best.likelihood * _AS_GOOD


def _thinned(lines: Sequence[bytes]) -> Sequence[bytes]:
    """As many lines from the whole of them as there is room for."""
    size = sum(map(len, lines))
    return lines[:: size // _MOST_BYTES + 1]


def _without_damage(lines: Sequence[bytes]) -> Sequence[bytes]:
    """Without the few lines that keep chardet from thinking of cp1252 at all, if they are few."""
    sound = [line for line in lines if not _not_in_windows.search(line)]
    return sound if len(lines) - len(sound) <= len(lines) * _MOST_IMPLAUSIBLE else lines


def _is_plausible(text: str) -> bool:
    lines = text.split("\n")
    implausible = sum(not all(_is_in_place(line, at) for at in range(len(line))) for line in lines)
    return implausible <= len(lines) * _MOST_IMPLAUSIBLE


def _is_in_place(line: str, at: int) -> bool:
    character = line[at]
    if character.isascii():
        return True
    before, after = line[at - 1 : at] if at else "", line[at + 1 : at + 2]
    if _script(character) is not None:
        scripts = {_script(each) for each in (before, character, after) if each.isalpha()} - {None}
        return len(scripts) <= 1 and not (character.isupper() and before.islower())
    if character in _NOT_BEFORE_LETTERS:
        return not after.isalpha()
    if character in _AT_THE_BEGINNING:
        return not before.isalpha()
    return character in _PUNCTUATION and (character in _INSIDE_WORDS or not (before.isalnum() and after.isalnum()))


def _script(character: str) -> str | None:
    """The script of a letter, None for anything else."""
    if unicodedata.category(character) not in _LETTERS:
        return None
    first = unicodedata.name(character, "UNKNOWN").split()[0]
    if first in ("FEMININE", "MASCULINE", "COMBINING"):
        return None
    return "EAST ASIAN" if first in _EAST_ASIAN else first
