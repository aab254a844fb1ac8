"""Message attributes of SQS: their rules, their digest, and how they are kept as headers of a lease queue's message.

A header is a string, and so is most of what is sent here. What it cannot say stands beside it in headers whose names
SQS reserves (`AWS.…`): the type of what is no plain string, and what belongs to the message's system attributes. So who
receives at either door sees what was sent at the other.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import struct
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from api_service.lease_queues.sqs.errors import EntryError

MAX_ATTRIBUTES: Final = 10
RESERVED: Final = "AWS."
TYPE_PREFIX: Final = "AWS.DataType."
TRACE_HEADER: Final = "AWSTraceHeader"
_STRING: Final = "String"
_name = re.compile(r"[A-Za-z0-9_.-]{1,256}")
# What XML 1.0 can hold, which SQS has kept to since it spoke nothing else.
_unstorable = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_number = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


class AttributeValue(msgspec.Struct, rename="pascal", omit_defaults=True):
    data_type: str = ""
    string_value: str | None = None
    binary_value: bytes | None = None

    @property
    def is_binary(self) -> bool:
        return self.data_type.partition(".")[0] == "Binary"

    @property
    def content(self) -> bytes:
        return (self.binary_value or b"") if self.is_binary else (self.string_value or "").encode()


Attributes = Mapping[str, AttributeValue]


def is_storable(text: str) -> bool:
    """Whether SQS takes these characters."""
    return _unstorable.search(text) is None


def storable(text: str) -> str:
    return _unstorable.sub("\ufffd", text)


def check(attributes: Attributes) -> None:
    """Raises `EntryError`."""
    if len(attributes) > MAX_ATTRIBUTES:
        raise _refused(
            f"Number of message attributes [{len(attributes)}] exceeds the allowed maximum [{MAX_ATTRIBUTES}]."
        )
    for name, value in attributes.items():
        _check_name(name)
        _check_value(name, value)


def size_of(attributes: Attributes) -> int:
    """Bytes that count towards those of a message."""
    return sum(len(name.encode()) + len(value.data_type) + len(value.content) for name, value in attributes.items())


def digest(attributes: Attributes) -> str | None:
    """As clients compute it of what they sent and received; None of none."""
    if not attributes:
        return None
    md5 = hashlib.md5(usedforsecurity=False)
    for name, value in sorted(attributes.items()):
        for part in (name.encode(), value.data_type.encode()):
            md5.update(struct.pack(">I", len(part)) + part)
        md5.update(b"\x02" if value.is_binary else b"\x01")
        md5.update(struct.pack(">I", len(value.content)) + value.content)
    return md5.hexdigest()


def chosen(attributes: Attributes, wanted: Iterable[str]) -> dict[str, AttributeValue]:
    """Those that a receiver has asked for: by name, by the beginning of names (`foo.*`), or all."""
    names = set(wanted)
    if not names:
        return {}
    if names & {"All", ".*"}:
        return dict(attributes)
    prefixes = tuple(name.removesuffix(".*") for name in names if name.endswith(".*"))
    return {name: value for name, value in attributes.items() if name in names or name.startswith(prefixes)}


def as_headers(attributes: Attributes) -> dict[str, str]:
    headers = {}
    for name, value in attributes.items():
        headers[name] = base64.b64encode(value.content).decode() if value.is_binary else value.string_value or ""
        if value.data_type != _STRING:
            headers[TYPE_PREFIX + name] = value.data_type
    return headers


def from_headers(headers: Mapping[str, str]) -> dict[str, AttributeValue]:
    """A header that somebody else sent is a string, whatever a header of its type says of it."""
    return {name: _from_header(headers, name) for name in headers if not name.startswith(RESERVED) and headers[name]}


def _from_header(headers: Mapping[str, str], name: str) -> AttributeValue:
    text, data_type = headers[name], headers.get(TYPE_PREFIX + name, _STRING)
    if data_type.partition(".")[0] != "Binary":
        return AttributeValue(data_type, text)
    try:
        return AttributeValue(data_type, binary_value=base64.b64decode(text, validate=True))
    except binascii.Error:
        return AttributeValue(_STRING, text)


def _check_name(name: str) -> None:
    if _name.fullmatch(name) is None or name.startswith(".") or name.endswith(".") or ".." in name:
        raise _refused(
            f"The message attribute name '{name}' is invalid. Attribute name can contain A-Z, a-z, 0-9, underscore "
            "(_), hyphen (-), and period (.) characters, periods only between others, and 256 characters."
        )
    if name.lower().startswith(("aws.", "amazon.")):
        raise _refused(f"The message attribute name '{name}' starts with a prefix that is reserved: AWS. or Amazon.")


def _check_value(name: str, value: AttributeValue) -> None:
    kind = value.data_type.partition(".")[0]
    if not value.data_type:
        raise _refused(f"The message attribute '{name}' must contain a non-empty message attribute type.")
    if kind not in {"String", "Number", "Binary"} or len(value.data_type) > 256 or not is_storable(value.data_type):
        raise _refused(
            f"The message attribute '{name}' has an invalid message attribute type, the set of supported type prefixes "
            "is Binary, Number, and String."
        )
    other = value.string_value if value.is_binary else value.binary_value
    if not value.content or other is not None:
        raise _refused(
            f"The message attribute '{name}' must contain a non-empty message attribute value for message attribute "
            f"type '{kind}', and no other."
        )
    if value.string_value is not None and not is_storable(value.string_value):
        raise EntryError(
            "InvalidMessageContents", f"The message attribute '{name}' has characters that are not allowed."
        )
    if kind == "Number" and _number.fullmatch(value.string_value or "") is None:
        raise _refused(f"Can't cast the value of message (user) attribute '{name}' to a number.")


def _refused(message: str) -> EntryError:
    return EntryError("InvalidParameterValue", message)
