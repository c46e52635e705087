"""OpenAI's API: its endpoints, and the environment variables of its client."""

from tracetape.instrument import Api, Endpoint, Variables

__all__ = ["API", "CHAT_COMPLETIONS", "COMPLETIONS", "EMBEDDINGS", "RESPONSES"]

CHAT_COMPLETIONS = Endpoint(
    "tracetape_openai.chat:ChatCompletions", "tracetape_openai.replays:ChatReplay"
)
COMPLETIONS = Endpoint(
    "tracetape_openai.completions:Completions", "tracetape_openai.replays:CompletionReplay"
)
EMBEDDINGS = Endpoint(
    "tracetape_openai.embeddings:Embeddings", "tracetape_openai.replays:EmbeddingReplay"
)
RESPONSES = Endpoint(
    "tracetape_openai.responses:Responses",
    "tracetape_openai.replays:ResponseReplay",
    "tracetape_openai.response_messages:ResponseMessageReader",
)

API = Api(
    endpoints={
        "/chat/completions": CHAT_COMPLETIONS,
        "/responses": RESPONSES,
        "/responses/compact": Endpoint(
            "tracetape_openai.responses:CompactedResponses",
            "tracetape_openai.replays:PlainReplay",
            "tracetape_openai.response_messages:ResponseMessageReader",
        ),
        "GET /responses/{id}": "tracetape_openai.responses:RetrievedResponses",
        "/responses/{id}/cancel": "tracetape_openai.responses:RetrievedResponses",
        "/completions": COMPLETIONS,
        "/embeddings": EMBEDDINGS,
        "/moderations": Endpoint(
            "tracetape_openai.generic:Moderations", "tracetape_openai.replays:PlainReplay"
        ),
        "/images/generations": Endpoint(
            "tracetape_openai.images:Images", "tracetape_openai.replays:ImageReplay"
        ),
        "/images/edits": Endpoint(
            "tracetape_openai.images:Images", "tracetape_openai.replays:FileReplay"
        ),
        "/images/variations": Endpoint(
            "tracetape_openai.images:Images", "tracetape_openai.replays:FileReplay"
        ),
        "/audio/transcriptions": Endpoint(
            "tracetape_openai.audio:Transcriptions", "tracetape_openai.replays:FileReplay"
        ),
        "/audio/translations": Endpoint(
            "tracetape_openai.audio:Translations", "tracetape_openai.replays:FileReplay"
        ),
        "/audio/speech": "tracetape_openai.audio:Speech",
        "/decisions": Endpoint(
            "tracetape_openai.generic:Decisions", "tracetape_openai.replays:PlainReplay"
        ),
        "/vector_stores/{id}/search": "tracetape_openai.generic:VectorStoreSearch",
    },
    variables=Variables(
        key="OPENAI_API_KEY",
        base_url="OPENAI_BASE_URL",
        origin="https://api.openai.com",
        more=(("/v1", "/models"),),
        never=("/openai/deployments/",),  # Azure's client has other variables
        is_common=True,
    ),
)
