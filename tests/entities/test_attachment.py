"""Attachments: binary content and the references that stand for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tracetape.entities.attachment import Attachment

PNG = b"\x89PNG\r\n\x1a\n"


def test_a_reference_says_what_it_stands_for() -> None:
    """MLflow's URI, which reads back."""
    attachment = Attachment(content_type="image/svg+xml; charset=utf-8", content_bytes=PNG)
    reference = attachment.ref("tr-1")
    assert reference.startswith(f"mlflow-attachment://{attachment.id}?content_type=image%2Fsvg")
    assert Attachment.parse_ref(reference) == {
        "attachment_id": attachment.id,
        "content_type": "image/svg+xml; charset=utf-8",
        "trace_id": "tr-1",
        "size": len(PNG),
    }


def test_the_same_content_is_the_same_attachment() -> None:
    """Its id is a UUID that is made from content and type."""
    one = Attachment(content_type="image/png", content_bytes=PNG)
    assert str(UUID(one.id)) == one.id == Attachment(content_type="image/png", content_bytes=PNG).id
    assert Attachment(content_type="image/gif", content_bytes=PNG).id != one.id
    assert Attachment(content_type="image/png", content_bytes=PNG + b"x").id != one.id


def test_content_is_taken_as_it_is_at_the_call() -> None:
    """A buffer changed later does not change it, and nothing can be set."""
    buffer = bytearray(PNG)
    attachment = Attachment(content_type="image/png", content_bytes=buffer)
    buffer.clear()
    assert (attachment.content_bytes, attachment.content_type) == (PNG, "image/png")
    with pytest.raises(AttributeError):
        attachment.content_bytes = b""  # type: ignore[misc]
    assert repr(attachment) == "Attachment(content_type='image/png', size=8)"


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("a.png", None, "image/png"),
        ("a.unheard", None, "application/octet-stream"),
        ("a.png", "image/x-mine", "image/x-mine"),
    ],
)
def test_from_file(name: str, given: str | None, expected: str, tmp_path: Path) -> None:
    """The type is guessed from the name unless it is given."""
    (tmp_path / name).write_bytes(PNG)
    for path in (tmp_path / name, str(tmp_path / name)):
        attachment = Attachment.from_file(path, given)
        assert (attachment.content_type, attachment.content_bytes) == (expected, PNG)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "https://x?content_type=a&trace_id=b",
        "mlflow-attachment://",
        "mlflow-attachment://x",
        "mlflow-attachment://x?content_type=a",
        "mlflow-attachment://x?trace_id=a",
        "mlflow-attachment://[x?content_type=a&trace_id=b",
        None,
        7,
        b"mlflow-attachment://x?content_type=a&trace_id=b",
    ],
)
def test_what_is_no_reference_is_none(uri: Any) -> None:
    """Without an error."""
    assert Attachment.parse_ref(uri) is None


@pytest.mark.parametrize("size", ["", "&size=", "&size=big", "&size=0", "&size=-1"])
def test_a_size_that_is_none_is_not_known(size: str) -> None:
    """The rest is."""
    parsed = Attachment.parse_ref(f"mlflow-attachment://x?content_type=a&trace_id=b{size}")
    assert parsed is not None
    assert (parsed["attachment_id"], parsed["size"]) == ("x", None)
