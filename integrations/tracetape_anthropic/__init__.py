"""Anthropic's SDK."""

from tracetape.instrument import Integration, Template

__all__ = ["INTEGRATION", "TEMPLATE"]

TEMPLATE = Template(
    module="anthropic",
    client="Anthropic",
    async_client="AsyncAnthropic",
    endpoints={"/v1/messages": "tracetape_anthropic.messages:Messages"},
    default_provider="anthropic",
    management="tracetape_anthropic.messages:Management",
    request_id="request-id",
)

INTEGRATION = Integration(
    name="anthropic",
    package="anthropic",
    install="pip install anthropic",
    targets=TEMPLATE.targets(),
)
