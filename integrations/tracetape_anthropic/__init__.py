"""Anthropic's SDK."""

from tracetape.instrument import Integration, Target, Template, wrap_taking_a_chunk

__all__ = ["INTEGRATION", "TEMPLATE"]

TEMPLATE = Template(
    module="anthropic",
    client="Anthropic",
    async_client="AsyncAnthropic",
    endpoints={"/v1/messages": "tracetape_anthropic.messages:Messages"},
    management="tracetape_anthropic.messages:Management",
    request_id="request-id",
)

INTEGRATION = Integration(
    name="anthropic",
    package="anthropic",
    install="pip install anthropic",
    targets=(
        *TEMPLATE.targets(),
        # Where the `.stream()` helpers make the user's own models of the events.
        *(
            Target(
                f"anthropic.lib.streaming.{module}",
                "",
                "accumulate_event",
                wrap_taking_a_chunk,
                optional=True,
            )
            for module in ("_messages", "_beta_messages")
        ),
    ),
)
