"""Values of assessments: feedback, expectation, reference to an issue."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tracetape.capture import decode, encode
from tracetape.entities.assessment_source import AssessmentError
from tracetape.exceptions import InvalidValueError

__all__ = ["ExpectationValue", "FeedbackValue", "IssueReferenceValue"]

_JSON_FORMAT = "JSON_FORMAT"


@dataclass
class FeedbackValue:
    """How good it was.

    Attributes:
        value: a number, a text, a truth value, or a list or dictionary of these.
        error: why there is no value.
    """

    value: Any
    error: AssessmentError | None = None

    def to_dictionary(self) -> dict[str, Any]:
        """As in MLflow's JSON."""
        fields = {"value": decode(encode(self.value))}
        if self.error is not None:
            fields["error"] = self.error.to_dictionary()
        return fields

    @classmethod
    def from_dictionary(cls, d: dict[str, Any]) -> FeedbackValue:
        """The inverse of `to_dictionary`."""
        error = d.get("error")
        return cls(d["value"], AssessmentError.from_dictionary(error) if error else None)

    def to_proto(self) -> Any:
        """An ``mlflow.assessments.Feedback``."""
        from tracetape.formats.mlflow_proto import feedback_to_proto

        return feedback_to_proto(self.to_dictionary())

    @classmethod
    def from_proto(cls, proto: Any) -> FeedbackValue:
        """The value of an ``mlflow.assessments.Feedback``."""
        from tracetape.formats.mlflow_proto import feedback_from_proto

        return cls.from_dictionary(feedback_from_proto(proto))


@dataclass
class ExpectationValue:
    """The expected value.

    Attributes:
        value: any JSON value.
    """

    value: Any

    @property
    def is_plain(self) -> bool:
        """Whether the value is written into JSON as it is; any other one becomes JSON text."""
        return self.value is None or isinstance(self.value, (bool, int, float, str))

    def serialized(self) -> dict[str, str]:
        """The value as JSON text, and the name of that form.

        Raises:
            InvalidValueError: the value has no JSON.
        """
        try:
            text = json.dumps(self.value)  # MLflow's spelling, byte for byte
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidValueError(
                f"Failed to serialize value {self.value} to JSON string. "
                "Expectation value must be JSON-serializable."
            ) from error
        return {"serialization_format": _JSON_FORMAT, "value": text}

    @classmethod
    def of_serialized(cls, form: str, text: str) -> ExpectationValue:
        """The value that `serialized` gave.

        Raises:
            InvalidValueError: the form is unknown.
        """
        if form != _JSON_FORMAT:
            raise InvalidValueError(
                f"Unknown serialization format: {form}. Only {_JSON_FORMAT} is supported."
            )
        return cls(json.loads(text))

    def to_dictionary(self) -> dict[str, Any]:
        """As in MLflow's JSON.

        Raises:
            InvalidValueError: the value has no JSON.
        """
        return {"value": self.value} if self.is_plain else {"serialized_value": self.serialized()}

    @classmethod
    def from_dictionary(cls, d: dict[str, Any]) -> ExpectationValue:
        """The inverse of `to_dictionary`.

        Raises:
            InvalidValueError: there is no value.
        """
        if "value" in d:
            return cls(d["value"])
        if "serialized_value" in d:
            text = d["serialized_value"]
            return cls.of_serialized(text.get("serialization_format", _JSON_FORMAT), text["value"])
        raise InvalidValueError(
            "Either 'value' or 'serialized_value' must be present in the dictionary "
            "representation of an Expectation."
        )

    def to_proto(self) -> Any:
        """An ``mlflow.assessments.Expectation``.

        Raises:
            InvalidValueError: the value has no JSON.
        """
        from tracetape.formats.mlflow_proto import expectation_to_proto

        return expectation_to_proto(self.to_dictionary())

    @classmethod
    def from_proto(cls, proto: Any) -> ExpectationValue:
        """The value of an ``mlflow.assessments.Expectation``.

        Raises:
            InvalidValueError: its form is unknown.
        """
        from tracetape.formats.mlflow_proto import expectation_from_proto

        return cls.from_dictionary(expectation_from_proto(proto))


@dataclass
class IssueReferenceValue:
    """Which issue it is.

    Attributes:
        issue_name: what the issue is called.
    """

    issue_name: str

    def to_dictionary(self) -> dict[str, Any]:
        """As in MLflow's JSON."""
        return {"issue_name": self.issue_name}

    @classmethod
    def from_dictionary(cls, d: dict[str, Any]) -> IssueReferenceValue:
        """The inverse of `to_dictionary`."""
        return cls(d["issue_name"])

    def to_proto(self) -> Any:
        """An ``mlflow.assessments.IssueReference``."""
        from tracetape.formats.mlflow_proto import issue_to_proto

        return issue_to_proto(self.to_dictionary())

    @classmethod
    def from_proto(cls, proto: Any) -> IssueReferenceValue:
        """The value of an ``mlflow.assessments.IssueReference``."""
        return cls(proto.issue_name)
