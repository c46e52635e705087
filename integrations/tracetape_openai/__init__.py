"""OpenAI's SDK, and every service that is called with it."""

from tracetape.instrument import Integration, Template
from tracetape_openai.chat import ChatCompletions

__all__ = ["INTEGRATION"]

_TEMPLATE = Template(
    module="openai",
    client="OpenAI",
    async_client="AsyncOpenAI",
    endpoints={"/chat/completions": ChatCompletions},
    default_provider="openai",
)

INTEGRATION = Integration(
    name="openai",
    package="openai",
    install="pip install openai",
    targets=_TEMPLATE.targets(),
)
