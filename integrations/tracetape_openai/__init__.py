"""OpenAI's SDK, and every service that is called with it."""

from tracetape.instrument import Integration, Template
from tracetape_openai.audio import Speech, Transcriptions, Translations
from tracetape_openai.chat import ChatCompletions
from tracetape_openai.completions import Completions
from tracetape_openai.embeddings import Embeddings
from tracetape_openai.images import Images
from tracetape_openai.other import (
    Decisions,
    Generic,
    Management,
    Moderations,
    VectorStoreSearch,
)
from tracetape_openai.responses import CompactedResponses, Responses, RetrievedResponses

__all__ = ["INTEGRATION"]

_TEMPLATE = Template(
    module="openai",
    client="OpenAI",
    async_client="AsyncOpenAI",
    endpoints={
        "/chat/completions": ChatCompletions,
        "/responses": Responses,
        "/responses/compact": CompactedResponses,
        "GET /responses/{id}": RetrievedResponses,
        "/responses/{id}/cancel": RetrievedResponses,
        "/completions": Completions,
        "/embeddings": Embeddings,
        "/moderations": Moderations,
        "/images/generations": Images,
        "/images/edits": Images,
        "/images/variations": Images,
        "/audio/transcriptions": Transcriptions,
        "/audio/translations": Translations,
        "/audio/speech": Speech,
        "/decisions": Decisions,
        "/vector_stores/{id}/search": VectorStoreSearch,
    },
    default_provider="openai",
    generic=Generic,
    management=Management,
    # Bodies there name a model, and nobody asks it.
    managed=(
        "/agents",
        "/assistants",
        "/batches",
        "/evals",
        "/fine_tuning",
        "/live",
        "/realtime",
        "/responses/input_tokens",
        "/threads",
    ),
)

INTEGRATION = Integration(
    name="openai",
    package="openai",
    install="pip install openai",
    targets=_TEMPLATE.targets(),
)
