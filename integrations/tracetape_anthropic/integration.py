"""The methods of Anthropic's SDK that are wrapped."""

from tracetape.instrument import Integration, Target, Template, wrap_taking_a_chunk
from tracetape_anthropic.api import API

__all__ = ["INTEGRATION", "TEMPLATE"]

TEMPLATE = Template(
    module="anthropic",
    client="Anthropic",
    async_client="AsyncAnthropic",
    endpoints=API.endpoints,
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
    apis=(API,),
)
