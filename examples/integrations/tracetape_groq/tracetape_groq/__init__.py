"""The groq package: its SDK is generated as OpenAI's is, and its chat speaks the same language."""

from tracetape.instrument import Api, Integration, Template, Variables
from tracetape_openai.api import CHAT_COMPLETIONS, EMBEDDINGS

__all__ = ["INTEGRATION"]

# Each endpoint says who reads its calls, who replays and who shows stored ones.
API = Api(
    endpoints={
        "/openai/v1/chat/completions": CHAT_COMPLETIONS,
        "/openai/v1/embeddings": EMBEDDINGS,
    },
    # Set while a cassette is replayed: without a key the client refuses to start.
    variables=Variables(
        key="GROQ_API_KEY", base_url="GROQ_BASE_URL", origin="https://api.groq.com"
    ),
)

TEMPLATE = Template(
    module="groq",
    client="Groq",
    async_client="AsyncGroq",
    endpoints=API.endpoints,
    default_provider="groq",
)

INTEGRATION = Integration(
    name="groq",
    package="groq",
    install="pip install groq",
    targets=TEMPLATE.targets(),
    apis=(API,),
)
