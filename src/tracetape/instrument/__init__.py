"""The public seam for integrations: tables of targets, extractors with three verbs."""

from tracetape._modules import is_installed
from tracetape.instrument.integration import Extractor, Integration, Request, Result, Target
from tracetape.instrument.options import options
from tracetape.instrument.outcomes import (
    Failure,
    failure_of_answer,
    failure_of_error,
    failure_of_page,
    failure_of_reasons,
)
from tracetape.instrument.parsing import wrap_taking_a_chunk
from tracetape.instrument.providers import provider_of
from tracetape.instrument.registry import autolog, autolog_one, register
from tracetape.instrument.template import Template

__all__ = [
    "Extractor",
    "Failure",
    "Integration",
    "Request",
    "Result",
    "Target",
    "Template",
    "autolog",
    "autolog_one",
    "failure_of_answer",
    "failure_of_error",
    "failure_of_page",
    "failure_of_reasons",
    "is_installed",
    "options",
    "provider_of",
    "register",
    "wrap_taking_a_chunk",
]
