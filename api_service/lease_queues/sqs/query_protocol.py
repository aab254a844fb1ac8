"""The Query form that SDKs spoke until 2023: a form with numbered names for lists, and answers in XML."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

import msgspec
from fastapi import Response

from api_service.lease_queues.sqs.errors import SqsError
from api_service.lease_queues.sqs.json_protocol import refused
from api_service.lease_queues.sqs.message_attributes import AttributeValue, storable

FORM_TYPE: Final = "application/x-www-form-urlencoded"
MEDIA_TYPE: Final = "text/xml"
NAMESPACE: Final = "http://queue.amazonaws.com/doc/2012-11-05/"
# More than the largest batch with all attributes has.
MAX_FIELDS: Final = 2000

# What is numbered in a form, and what the model calls it: lists, and maps with the names of their keys.
_LISTS: Final = {
    "AttributeName": "AttributeNames",
    "MessageAttributeName": "MessageAttributeNames",
    "MessageSystemAttributeName": "MessageSystemAttributeNames",
    "TagKey": "TagKeys",
    "AWSAccountId": "AWSAccountIds",
    "ActionName": "Actions",
    "SendMessageBatchRequestEntry": "Entries",
    "DeleteMessageBatchRequestEntry": "Entries",
    "ChangeMessageVisibilityBatchRequestEntry": "Entries",
}
_MAPS: Final = {
    "Attribute": ("Attributes", "Name"),
    "MessageAttribute": ("MessageAttributes", "Name"),
    "MessageSystemAttribute": ("MessageSystemAttributes", "Name"),
    "Tag": ("Tags", "Key"),
}
# In an answer each item of a list, or entry of a map, is an element of its own.
_ITEMS: Final = {"QueueUrls": "QueueUrl", "queueUrls": "QueueUrl", "Messages": "Message", "Results": "Result"}
_ENTRIES: Final = {name: (element, key) for element, (name, key) in _MAPS.items()}

Body = TypeVar("Body")
Tree = dict[str, Any]


def decode(content: bytes | bytearray) -> Tree:
    """The parameters by their names in the model. Raises `SqsError`."""
    try:
        fields = parse_qsl(bytes(content).decode(), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError:
        raise SqsError("MalformedQueryString", "The body is no form of UTF-8, or has too many fields.") from None
    tree: Tree = {}
    for name, value in fields:
        node = tree
        *way, last = name.split(".")
        for step in way:
            node = node.setdefault(step, {})
            if not isinstance(node, dict):
                raise SqsError("MalformedQueryString", "A parameter is both a value and a list.")
        node[last] = value
    return _named(tree)


def request(tree: Tree, request_type: type[Body], queue_url: str) -> Body:
    """`queue_url` is the address that was asked, for clients that name their queue by it alone. Raises `SqsError`."""
    if tree.get("Action") == "CreateQueue" and "Tags" in tree:
        tree["tags"] = tree.pop("Tags")
    try:
        return msgspec.convert({"QueueUrl": queue_url, **tree}, request_type, strict=False)
    except msgspec.ValidationError as error:
        raise refused(error) from None


def answer(action: str, document: Mapping[str, Any] | None, request_id: str) -> Response:
    """None: the operation has no result, which is not the same as an empty one."""
    inner = "" if document is None else f"<{action}Result>{''.join(_elements(action, document))}</{action}Result>"
    metadata = f"<ResponseMetadata><RequestId>{escape(request_id)}</RequestId></ResponseMetadata>"
    return _response(f"{action}Response", inner + metadata, 200, request_id)


def error_answer(error: SqsError, request_id: str) -> Response:
    kind = "Sender" if error.is_senders_fault else "Receiver"
    parts = {"Type": kind, "Code": error.query_code, "Message": error.message}
    inner = "".join(f"<{name}>{_text(value)}</{name}>" for name, value in parts.items())
    identity = f"<RequestId>{escape(request_id)}</RequestId>"
    return _response("ErrorResponse", f"<Error>{inner}<Detail/></Error>{identity}", error.status, request_id)


def _named(tree: Tree) -> Tree:
    named: Tree = {}
    for name, value in tree.items():
        if name in _LISTS:
            named[_LISTS[name]] = [_named(item) if isinstance(item, dict) else item for item in _numbered(value)]
        elif name in _MAPS:
            map_name, key = _MAPS[name]
            named[map_name] = {_key(item, key): item.get("Value", "") for item in _numbered(value)}
        else:
            named[name] = value
    return named


def _key(item: Any, key: str) -> str:
    name = item.get(key) if isinstance(item, dict) else None
    if not isinstance(name, str):
        raise SqsError("MalformedQueryString", f"An entry of a map has no {key}.")
    return name


def _numbered(value: Any) -> list[Any]:
    if not isinstance(value, dict) or not all(number.isascii() and number.isdigit() for number in value):
        raise SqsError("MalformedQueryString", "The names of a list's items end in their numbers.")
    return [value[number] for number in sorted(value, key=lambda number: (len(number), number))]


def _elements(action: str, document: Mapping[str, Any]) -> Iterator[str]:
    for name, value in document.items():
        if name in _ENTRIES:
            element, key = _ENTRIES[name]
            for entry_name, entry in value.items():
                yield f"<{element}><{key}>{_text(entry_name)}</{key}><Value>{_value(entry)}</Value></{element}>"
        elif isinstance(value, list):
            element = _ITEMS.get(name) or ("BatchResultErrorEntry" if name == "Failed" else f"{action}ResultEntry")
            for item in value:
                inner = "".join(_elements(action, item)) if isinstance(item, dict) else _text(item)
                yield f"<{element}>{inner}</{element}>"
        else:
            yield f"<{name}>{_text(value)}</{name}>"


def _value(value: str | AttributeValue) -> str:
    if not isinstance(value, AttributeValue):
        return _text(value)
    if value.is_binary:
        content = f"<BinaryValue>{base64.b64encode(value.content).decode()}</BinaryValue>"
    else:
        content = f"<StringValue>{_text(value.string_value)}</StringValue>"
    return f"{content}<DataType>{_text(value.data_type)}</DataType>"


def _text(value: object) -> str:
    # A parser would read a carriage return that stands there as itself as a line feed.
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return escape(storable(text), {"\r": "&#13;"})


def _response(element: str, inner: str, status: int, request_id: str) -> Response:
    text = f'<?xml version="1.0"?><{element} xmlns="{NAMESPACE}">{inner}</{element}>'
    return Response(text, status, {"x-amzn-RequestId": request_id}, media_type=MEDIA_TYPE)
