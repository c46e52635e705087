"""The groq package: its SDK is generated as OpenAI's is, and its chat speaks the same language."""

from tracetape.instrument import Integration, Template

__all__ = ["INTEGRATION"]

TEMPLATE = Template(
    module="groq",
    client="Groq",
    async_client="AsyncGroq",
    endpoints={
        # Texts of the form "module:Class" are imported when the first such call is made.
        "/openai/v1/chat/completions": "tracetape_openai.chat:ChatCompletions",
        "/openai/v1/embeddings": "tracetape_openai.embeddings:Embeddings",
    },
    default_provider="groq",
)

INTEGRATION = Integration(
    name="groq",
    package="groq",
    install="pip install groq",
    targets=TEMPLATE.targets(),
)
