"""What a document decodes to is known before: never much too little, and fairly for rows of empty cells."""

from __future__ import annotations

import json
import tracemalloc
import uuid

import msgspec
import pytest

from shared.decoded_size import decoded_bytes
from shared.errors import MalformedMessage, NewerThanKnown
from shared.messages import DECODED_BYTES, decode_request

MEBIBYTE = 1024 * 1024
DOCUMENTS = {
    "texts of two letters": [["ab"] * 400_000],
    "numbers": list(range(1000, 400_000)),
    "pairs": [[1, 1]] * 200_000,
    "empty texts": [[""] * 65] * 8_000,
    "texts that look like several": [['",",a'] * 200_000],
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_document_takes_much_more_than_it_is_said_to(name: str) -> None:
    body = json.dumps(DOCUMENTS[name], separators=(",", ":")).encode()
    tracemalloc.start()
    decoded = msgspec.json.decode(body)
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()

    assert decoded
    assert taken + len(body) < 1.5 * decoded_bytes(body)


def test_rows_of_empty_cells_are_not_taken_for_more_than_they_are() -> None:
    body = json.dumps([[""] * 100 + ["asha@example.com"]] * 8_000, separators=(",", ":")).encode()

    assert decoded_bytes(body) < 16 * MEBIBYTE


@pytest.mark.fault(30)
def test_message_that_would_decode_to_more_than_any_chunk_is_malformed_and_a_newer_one_is_left_to_newer() -> None:
    forged = b'{"kind":"redrive","version":1,"upload_id":"%b","rows":[%b[1,1]]}'
    body = forged % (str(uuid.uuid4()).encode(), b"[1,1]," * 1_000_000)
    assert decoded_bytes(body) > DECODED_BYTES

    with pytest.raises(MalformedMessage, match="larger than any chunk"):
        decode_request(body)
    with pytest.raises(NewerThanKnown):
        decode_request(body.replace(b'"version":1', b'"version":99'))
