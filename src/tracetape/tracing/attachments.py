"""Binary content beside a trace; the name of ``mlflow.tracing.attachments``."""

from tracetape.entities.attachment import Attachment

__all__ = ["Attachment"]
