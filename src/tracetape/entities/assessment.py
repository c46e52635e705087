"""Judgements on traces: feedback on what was answered, expectations of what should have been."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tracetape._system import wall_clock_ns
from tracetape.capture.conversion import text_of
from tracetape.entities.assessment_source import (
    AssessmentError,
    AssessmentSource,
    AssessmentSourceType,
)
from tracetape.entities.assessment_value import (
    ExpectationValue,
    FeedbackValue,
    IssueReferenceValue,
)
from tracetape.exceptions import InvalidTypeError, InvalidValueError
from tracetape.formats.timestamps import milliseconds_of, rfc3339

__all__ = ["Assessment", "Expectation", "Feedback", "IssueReference"]

_RUN = "mlflow.assessment.sourceRunId"


@dataclass
class Assessment:
    """A judgement; `Feedback`, `Expectation` and `IssueReference` are its kinds.

    Attributes:
        name: what is judged, such as ``correctness``.
        source: who or what judged.
        trace_id: the trace; None while it belongs to none.
        run_id: the evaluation run that it comes from.
        rationale: why.
        metadata: whatever else is known of it.
        span_id: the span that it is about; None: the whole trace.
        create_time_ms: when it was made, in milliseconds since the epoch; now, if not given.
        last_update_time_ms: when it was changed last; now, if not given.
        assessment_id: its id, once it is stored.
        error: why a feedback has no value.
        expectation, feedback, issue: what it says; exactly one of them.
        overrides: id of the assessment that it replaces.
        valid: False once another replaces it.

    Raises:
        InvalidTypeError: `source` is not an `AssessmentSource`.
        InvalidValueError: it says nothing, or several things, or an expectation has an error.
    """

    name: str
    source: AssessmentSource
    trace_id: str | None = None
    run_id: str | None = None
    rationale: str | None = None
    metadata: dict[str, str] | None = None
    span_id: str | None = None
    create_time_ms: int | None = None
    last_update_time_ms: int | None = None
    assessment_id: str | None = None
    error: AssessmentError | None = None
    expectation: ExpectationValue | None = None
    feedback: FeedbackValue | None = None
    issue: IssueReferenceValue | None = None
    overrides: str | None = None
    valid: bool | None = None

    def __post_init__(self) -> None:
        said = [one for one in (self.expectation, self.feedback, self.issue) if one is not None]
        if len(said) != 1:
            raise InvalidValueError(
                "Exactly one of `expectation`, `feedback`, or `issue` should be specified."
            )
        if self.error is not None:
            if self.expectation is not None:
                raise InvalidValueError("Cannot set `error` when `expectation` is specified.")
            if self.feedback is None:
                raise InvalidValueError("Cannot set `error` when `feedback` is not specified.")
            self.feedback.error = self.error
        if not isinstance(self.source, AssessmentSource):
            raise InvalidTypeError(
                "`source` must be an instance of `AssessmentSource`. "
                f"Got {type(self.source)} instead."
            )
        now = wall_clock_ns() // 1_000_000
        if self.create_time_ms is None:
            self.create_time_ms = now
        if self.last_update_time_ms is None:
            self.last_update_time_ms = now
        if self.run_id is None and self.metadata:
            self.run_id = self.metadata.get(_RUN)

    def to_dictionary(self) -> dict[str, Any]:
        """As in MLflow's JSON; what is not known is left out."""
        fields = {
            "assessment_id": self.assessment_id,
            "assessment_name": self.name,
            "trace_id": self.trace_id,
            "span_id": self.span_id,
            "source": self.source.to_dictionary(),
            "create_time": rfc3339(self.create_time_ms or 0),
            "last_update_time": rfc3339(self.last_update_time_ms or 0),
            **self._value_fields(),
            "rationale": self.rationale,
            "metadata": {key: text_of(value) for key, value in (self.metadata or {}).items()}
            or None,
            "overrides": self.overrides,
            "valid": self.valid,
        }
        return {name: value for name, value in fields.items() if value is not None}

    @classmethod
    def from_dictionary(cls, d: dict[str, Any]) -> Assessment:
        """The assessment of MLflow's JSON, as an object of its kind.

        Raises:
            InvalidValueError: it is of no known kind, or something is missing.
        """
        kind = next((kind for key, kind in _KINDS.items() if d.get(key)), None)
        if kind is None:
            raise InvalidValueError(f"Unknown assessment type: {d.get('assessment_name')}")
        if not issubclass(kind, cls):
            wanted = next(key for key, each in _KINDS.items() if each is cls)
            raise InvalidValueError(f"`{wanted}` must exist in the dictionary.")
        try:
            return kind._from_json(d)
        except KeyError as error:
            raise InvalidValueError(f"An assessment without {error}.") from None

    to_dict = to_dictionary
    from_dict = from_dictionary

    def to_proto(self) -> Any:
        """An ``mlflow.assessments.Assessment`` of protobuf.

        Raises:
            IntegrationMissingError: the package opentelemetry-proto is absent.
        """
        from tracetape.formats.mlflow_proto import assessment_to_proto

        return assessment_to_proto(self.to_dictionary())

    @classmethod
    def from_proto(cls, proto: Any) -> Assessment:
        """The assessment of an ``mlflow.assessments.Assessment``, as an object of its kind.

        Raises:
            InvalidValueError: it is of no known kind, or of another one than is asked for.
        """
        from tracetape.formats.mlflow_proto import assessment_from_proto

        return cls.from_dictionary(assessment_from_proto(proto))

    def _value_fields(self) -> dict[str, Any]:
        if self.feedback is not None:
            error = self.error or self.feedback.error
            return {"feedback": FeedbackValue(self.feedback.value, error).to_dictionary()}
        if self.expectation is not None:
            return {"expectation": self.expectation.to_dictionary()}
        assert self.issue is not None
        return {"issue": self.issue.to_dictionary()}

    @classmethod
    def _from_json(cls, data: dict[str, Any]) -> Assessment:
        raise NotImplementedError("Use Feedback, Expectation or IssueReference.")

    def _take(self, data: dict[str, Any]) -> None:
        """Take the fields that all kinds share, except name and value."""
        self.source = AssessmentSource.from_dictionary(data["source"])
        self.trace_id = data.get("trace_id") or None
        self.span_id = data.get("span_id")
        self.create_time_ms = milliseconds_of(data["create_time"])
        self.last_update_time_ms = milliseconds_of(data["last_update_time"])
        self.rationale = data.get("rationale")
        self.metadata = data.get("metadata")
        self.run_id = data.get("run_id") or (self.metadata or {}).get(_RUN)
        self.assessment_id = data.get("assessment_id") or None
        self.overrides = data.get("overrides")
        self.valid = data.get("valid", self.valid)


@dataclass(init=False)
class Feedback(Assessment):
    """How good an answer, or a step towards it, was.

    Attributes:
        value: a number, a text, a truth value, or a list or dictionary of these.
        error: why there is no value.
        feedback: both.
    """

    def __init__(
        self,
        name: str = "feedback",
        value: Any = None,
        error: Exception | AssessmentError | str | None = None,
        source: AssessmentSource | None = None,
        trace_id: str | None = None,
        metadata: dict[str, str] | None = None,
        span_id: str | None = None,
        create_time_ms: int | None = None,
        last_update_time_ms: int | None = None,
        rationale: str | None = None,
        overrides: str | None = None,
        valid: bool = True,
    ) -> None:
        """Say how good it was; without `source` the judge is CODE.

        Raises:
            InvalidTypeError: `error` or `source` is of a wrong type.
        """
        why = None if error is None else AssessmentError.from_value(error)
        super().__init__(
            name=name,
            source=AssessmentSource(AssessmentSourceType.CODE) if source is None else source,
            trace_id=trace_id,
            rationale=rationale,
            error=why,
            feedback=FeedbackValue(value, why),
            metadata=metadata,
            span_id=span_id,
            create_time_ms=create_time_ms,
            last_update_time_ms=last_update_time_ms,
            overrides=overrides,
            valid=valid,
        )

    @property
    def value(self) -> Any:
        """A number, a text, a truth value, or a list or dictionary of these."""
        assert self.feedback is not None
        return self.feedback.value

    @value.setter
    def value(self, value: Any) -> None:
        assert self.feedback is not None
        self.feedback.value = value

    @property
    def error_code(self) -> str | None:
        """The error's code, if there is an error."""
        return None if self.error is None else self.error.error_code

    @property
    def error_message(self) -> str | None:
        """The error's message, if there is an error."""
        return None if self.error is None else self.error.error_message

    @classmethod
    def _from_json(cls, data: dict[str, Any]) -> Feedback:
        given = FeedbackValue.from_dictionary(data["feedback"])
        feedback = cls(data["assessment_name"], given.value, given.error)
        feedback._take(data)
        return feedback


@dataclass(init=False)
class Expectation(Assessment):
    """The right answer, as a person or a program knows it.

    Attributes:
        value: any JSON value.
        expectation: holds it.
    """

    def __init__(
        self,
        name: str,
        value: Any,
        source: AssessmentSource | None = None,
        trace_id: str | None = None,
        metadata: dict[str, str] | None = None,
        span_id: str | None = None,
        create_time_ms: int | None = None,
        last_update_time_ms: int | None = None,
    ) -> None:
        """Say what is expected; without `source` it is a HUMAN who says so.

        Raises:
            InvalidValueError: `value` is None.
            InvalidTypeError: `source` is of a wrong type.
        """
        if value is None:
            raise InvalidValueError("The `value` field must be specified.")
        super().__init__(
            name=name,
            source=AssessmentSource(AssessmentSourceType.HUMAN) if source is None else source,
            trace_id=trace_id,
            metadata=metadata,
            span_id=span_id,
            create_time_ms=create_time_ms,
            last_update_time_ms=last_update_time_ms,
            expectation=ExpectationValue(value),
        )

    @property
    def value(self) -> Any:
        """Any JSON value."""
        assert self.expectation is not None
        return self.expectation.value

    @value.setter
    def value(self, value: Any) -> None:
        assert self.expectation is not None
        self.expectation.value = value

    @classmethod
    def _from_json(cls, data: dict[str, Any]) -> Expectation:
        given = ExpectationValue.from_dictionary(data["expectation"])
        expectation = cls(data["assessment_name"], given.value)
        expectation._take(data)
        return expectation


@dataclass(init=False)
class IssueReference(Assessment):
    """That a trace shows a known issue; the issue's id is the assessment's name.

    Attributes:
        issue_id: id of the issue.
        issue_name: what the issue is called.
        issue: holds the name.
    """

    def __init__(
        self,
        issue_id: str,
        issue_name: str,
        source: AssessmentSource | None = None,
        trace_id: str | None = None,
        run_id: str | None = None,
        rationale: str | None = None,
        metadata: dict[str, str] | None = None,
        span_id: str | None = None,
        create_time_ms: int | None = None,
        last_update_time_ms: int | None = None,
    ) -> None:
        """Say which issue it is; without `source` it is an LLM_JUDGE who says so.

        Raises:
            InvalidValueError: `issue_id` or `issue_name` is None.
            InvalidTypeError: `source` is of a wrong type.
        """
        for field, given in (("issue_id", issue_id), ("issue_name", issue_name)):
            if given is None:
                raise InvalidValueError(f"The `{field}` field must be specified.")
        super().__init__(
            name=issue_id,
            source=AssessmentSource(AssessmentSourceType.LLM_JUDGE) if source is None else source,
            trace_id=trace_id,
            run_id=run_id,
            rationale=rationale,
            metadata=metadata,
            span_id=span_id,
            create_time_ms=create_time_ms,
            last_update_time_ms=last_update_time_ms,
            issue=IssueReferenceValue(issue_name),
        )

    @property
    def issue_id(self) -> str:
        """Id of the issue."""
        return self.name

    @issue_id.setter
    def issue_id(self, value: str) -> None:
        self.name = value

    @property
    def issue_name(self) -> str:
        """The name of the issue."""
        assert self.issue is not None
        return self.issue.issue_name

    @issue_name.setter
    def issue_name(self, value: str) -> None:
        assert self.issue is not None
        self.issue.issue_name = value

    @classmethod
    def _from_json(cls, data: dict[str, Any]) -> IssueReference:
        given = IssueReferenceValue.from_dictionary(data["issue"])
        reference = cls(data["assessment_name"], given.issue_name)
        reference._take(data)
        return reference


_KINDS: dict[str, type[Assessment]] = {
    "expectation": Expectation,
    "feedback": Feedback,
    "issue": IssueReference,
}
