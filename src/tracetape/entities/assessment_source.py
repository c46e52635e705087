"""The source of an assessment, and the error of one that failed."""

from __future__ import annotations

import traceback
import warnings
from dataclasses import dataclass
from typing import Any

from tracetape.capture.conversion import text_of
from tracetape.exceptions import InvalidTypeError, InvalidValueError

__all__ = ["AssessmentError", "AssessmentSource", "AssessmentSourceType"]


class AssessmentSourceType:
    """Kinds of sources: plain string constants; called, it checks one that is given as text.

    Raises:
        InvalidValueError: there is no such type.
    """

    SOURCE_TYPE_UNSPECIFIED = "SOURCE_TYPE_UNSPECIFIED"
    LLM_JUDGE = "LLM_JUDGE"
    AI_JUDGE = "AI_JUDGE"  # deprecated: LLM_JUDGE
    HUMAN = "HUMAN"
    CODE = "CODE"

    def __init__(self, source_type: str) -> None:
        """The type of this name, in either case: `str` gives it."""
        self._source_type = _checked(source_type)

    def __str__(self) -> str:
        return self._source_type

    @classmethod
    def from_proto(cls, proto_source_type: int) -> str:
        """The type of this number in MLflow's protobuf.

        Raises:
            IndexError: there is none.
        """
        from tracetape.formats.mlflow_proto import SOURCE_TYPES

        return SOURCE_TYPES[proto_source_type]


_SOURCE_TYPES = ["SOURCE_TYPE_UNSPECIFIED", "LLM_JUDGE", "HUMAN", "CODE"]


def _checked(source_type: Any) -> str:
    kind = str(source_type).upper()
    if kind == AssessmentSourceType.AI_JUDGE:
        warnings.warn("AI_JUDGE is deprecated. Use LLM_JUDGE instead.", FutureWarning, stacklevel=4)
        kind = AssessmentSourceType.LLM_JUDGE
    if kind not in _SOURCE_TYPES:
        raise InvalidValueError(
            f"Invalid assessment source type: {kind}. Valid source types: {_SOURCE_TYPES}"
        )
    return kind


@dataclass
class AssessmentSource:
    """The source of an assessment: a person, a model or code.

    Attributes:
        source_type: one of `AssessmentSourceType`, in either case.
        source_id: a user's name, a model's name, a script's path.

    Raises:
        InvalidValueError: there is no such type.
    """

    source_type: str
    source_id: str | None = "default"

    def __post_init__(self) -> None:
        self.source_type = _checked(self.source_type)

    def to_dictionary(self) -> dict[str, Any]:
        """As in MLflow's JSON."""
        fields: dict[str, Any] = {"source_type": self.source_type}
        if self.source_id is not None:
            fields["source_id"] = self.source_id
        return fields

    @classmethod
    def from_dictionary(cls, source_dict: dict[str, Any]) -> AssessmentSource:
        """The inverse of `to_dictionary`."""
        return cls(source_dict["source_type"], source_dict.get("source_id"))

    def to_proto(self) -> Any:
        """An ``mlflow.assessments.AssessmentSource`` of protobuf.

        Raises:
            IntegrationMissingError: the package opentelemetry-proto is absent.
        """
        from tracetape.formats.mlflow_proto import source_to_proto

        return source_to_proto(self.to_dictionary())

    @classmethod
    def from_proto(cls, proto: Any) -> AssessmentSource:
        """The source of such a message."""
        from tracetape.formats.mlflow_proto import source_from_proto

        return cls.from_dictionary(source_from_proto(proto))

    to_dict = to_dictionary
    from_dict = from_dictionary


@dataclass
class AssessmentError:
    """Why there is no judgement.

    Attributes:
        error_code: such as ``RATE_LIMIT_EXCEEDED``.
        error_message: the details.
        stack_trace: where it happened.
    """

    error_code: str
    error_message: str | None = None
    stack_trace: str | None = None

    @classmethod
    def from_value(cls, error: Exception | AssessmentError | str) -> AssessmentError:
        """The error that an exception, a text or an error represents.

        Raises:
            InvalidTypeError: it is not one of these.
        """
        if isinstance(error, AssessmentError):
            return error
        if isinstance(error, Exception):
            lines = traceback.format_exception(error)
            return cls(type(error).__name__, text_of(error), "".join(lines).strip())
        if isinstance(error, str):
            return cls("ASSESSMENT_ERROR", error)
        raise InvalidTypeError(
            f"'error' must be an Exception, AssessmentError, or string. Got: {type(error)}"
        )

    def to_dictionary(self) -> dict[str, Any]:
        """As in MLflow's JSON; what is not known is left out."""
        fields = {
            "error_code": self.error_code,
            "error_message": self.error_message,
            "stack_trace": self.stack_trace,
        }
        return {name: value for name, value in fields.items() if value is not None}

    @classmethod
    def from_dictionary(cls, error_dict: dict[str, Any]) -> AssessmentError:
        """The inverse of `to_dictionary`."""
        return cls(
            error_dict["error_code"], error_dict.get("error_message"), error_dict.get("stack_trace")
        )

    def to_proto(self) -> Any:
        """An ``mlflow.assessments.AssessmentError`` of protobuf.

        Raises:
            IntegrationMissingError: the package opentelemetry-proto is absent.
        """
        from tracetape.formats.mlflow_proto import error_to_proto

        return error_to_proto(self.to_dictionary())

    @classmethod
    def from_proto(cls, proto: Any) -> AssessmentError:
        """The error of such a message."""
        from tracetape.formats.mlflow_proto import error_from_proto

        return cls.from_dictionary(error_from_proto(proto))

    to_dict = to_dictionary
    from_dict = from_dictionary
