"""The program that ranks the encodings of the cells on its input, and writes them as JSON."""

from __future__ import annotations

import json
import sys

from shared.rows.encoding_guess import rank_encodings


def main() -> None:
    json.dump(rank_encodings(sys.stdin.buffer.read()), sys.stdout)


if __name__ == "__main__":
    main()
