"""OpenAI's SDK, and every service that is called with it."""

from tracetape.instrument import Integration, Template

__all__ = ["INTEGRATION", "TEMPLATE"]

TEMPLATE = Template(
    module="openai",
    client="OpenAI",
    async_client="AsyncOpenAI",
    endpoints={
        "/chat/completions": "tracetape_openai.chat:ChatCompletions",
        "/responses": "tracetape_openai.responses:Responses",
        "/responses/compact": "tracetape_openai.responses:CompactedResponses",
        "GET /responses/{id}": "tracetape_openai.responses:RetrievedResponses",
        "/responses/{id}/cancel": "tracetape_openai.responses:RetrievedResponses",
        "/completions": "tracetape_openai.completions:Completions",
        "/embeddings": "tracetape_openai.embeddings:Embeddings",
        "/moderations": "tracetape_openai.other:Moderations",
        "/images/generations": "tracetape_openai.images:Images",
        "/images/edits": "tracetape_openai.images:Images",
        "/images/variations": "tracetape_openai.images:Images",
        "/audio/transcriptions": "tracetape_openai.audio:Transcriptions",
        "/audio/translations": "tracetape_openai.audio:Translations",
        "/audio/speech": "tracetape_openai.audio:Speech",
        "/decisions": "tracetape_openai.other:Decisions",
        "/vector_stores/{id}/search": "tracetape_openai.other:VectorStoreSearch",
    },
    default_provider="openai",
    generic="tracetape_openai.other:Generic",
    management="tracetape_openai.other:Management",
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
    targets=TEMPLATE.targets(),
)
