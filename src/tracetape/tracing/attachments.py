"""Binary content next to a trace; the name of ``mlflow.tracing.attachments``."""

from __future__ import annotations

from tracetape.entities.attachment import Attachment
from tracetape.tracing.runtime import runtime

__all__ = ["Attachment", "get_attachment"]


def get_attachment(ref_uri: str, flush: bool = True) -> Attachment | None:
    """The content that a reference in a span's inputs or outputs represents.

    Args:
        ref_uri: a URI ``mlflow-attachment://…``, as `Attachment.ref` gives it.
        flush: wait until what has ended so far is written.

    Returns:
        None if it is not such a URI, or if the content was not kept.
    """
    said = Attachment.parse_ref(ref_uri)
    if said is None:
        return None
    if flush:
        runtime.recorder.flush()
    return runtime.recorder.reading.get_attachment(str(said["attachment_id"]))
