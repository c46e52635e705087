"""The public seam for integrations: tables of targets, extractors with three verbs."""

from tracetape.instrument.integration import Extractor, Integration, Request, Result, Target
from tracetape.instrument.options import options
from tracetape.instrument.providers import provider_of
from tracetape.instrument.registry import autolog, autolog_one
from tracetape.instrument.template import Template

__all__ = [
    "Extractor",
    "Integration",
    "Request",
    "Result",
    "Target",
    "Template",
    "autolog",
    "autolog_one",
    "options",
    "provider_of",
]
