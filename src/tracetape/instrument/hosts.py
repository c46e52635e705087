"""Providers of models by host, from the providers' own API references.

Names are those of MLflow's `mlflow.llm.provider`, which are LiteLLM's; OpenTelemetry's
``gen_ai.provider.name`` knows the more common of them under names of its own.
"""

from __future__ import annotations

import re

__all__ = ["provider_of_host"]

_HOSTS = {
    "ai21.com": "ai21",
    "ai-gateway.vercel.sh": "vercel_ai_gateway",
    "ai.azure.com": "azure",  # AI Foundry: services., inference., models.
    "ai.azure.us": "azure",
    "ai.cloud.ovh.net": "ovhcloud",
    "aliyuncs.com": "dashscope",
    "api.anthropic.com": "anthropic",
    "api.baseten.co": "baseten",
    "api.cerebras.ai": "cerebras",
    "api.cloudflare.com": "cloudflare",
    "api.cohere.ai": "cohere",
    "api.cohere.com": "cohere",
    "api.deepinfra.com": "deepinfra",
    "api.deepseek.com": "deepseek",
    "api.featherless.ai": "featherless_ai",
    "api.fireworks.ai": "fireworks_ai",
    "api.friendli.ai": "friendliai",
    "api.githubcopilot.com": "github_copilot",
    "api.groq.com": "groq",
    "api.hyperbolic.xyz": "hyperbolic",
    "api.inceptionlabs.ai": "inception",
    "api.jina.ai": "jina_ai",
    "api.lambda.ai": "lambda_ai",
    "api.minimax.chat": "minimax",
    "api.minimax.io": "minimax",
    "api.minimaxi.com": "minimax",
    "api.mistral.ai": "mistral",
    "api.moonshot.ai": "moonshot",
    "api.moonshot.cn": "moonshot",
    "api.novita.ai": "novita",
    "api.nvidia.com": "nvidia_nim",
    "api.openai.com": "openai",
    "api.perplexity.ai": "perplexity",
    "api.replicate.com": "replicate",
    "api.sambanova.ai": "sambanova",
    "api.scaleway.ai": "scaleway",
    "api.siliconflow.cn": "siliconflow",
    "api.siliconflow.com": "siliconflow",
    "api.stepfun.com": "stepfun",
    "api.together.ai": "together",
    "api.together.xyz": "together",
    "api.upstage.ai": "upstage",
    "api.venice.ai": "venice",
    "api.voyageai.com": "voyage",
    "api.x.ai": "xai",
    "api.z.ai": "zai",
    "azure-api.net": "azure",
    "bigmodel.cn": "zai",
    "codestral.mistral.ai": "mistral",
    "cognitiveservices.azure.com": "azure",
    "cognitiveservices.azure.us": "azure",
    "endpoints.huggingface.cloud": "huggingface",
    "generativelanguage.googleapis.com": "gemini",
    "inference.baseten.co": "baseten",
    "inference.ml.azure.com": "azure",
    "ml.cloud.ibm.com": "watsonx",
    "models.github.ai": "github",
    "models.inference.ai.azure.com": "github",
    "nebius.ai": "nebius",
    "nebius.com": "nebius",
    "ollama.com": "ollama",
    "openai.azure.cn": "azure",
    "openai.azure.com": "azure",
    "openai.azure.us": "azure",
    "openrouter.ai": "openrouter",
    "qianfan.baidubce.com": "qianfan",
    "router.huggingface.co": "huggingface",
    "snowflakecomputing.com": "snowflake",
    "volces.com": "volcengine",
}
_PATTERNS = (
    (re.compile(r"^bedrock[\w-]*\.[\w.-]*(amazonaws\.com(\.cn)?|api\.aws)$"), "bedrock"),
    (re.compile(r"^runtime\.sagemaker\.[\w-]+\.amazonaws\.com$"), "sagemaker"),
    (re.compile(r"(^|[.-])aiplatform\.([\w.-]+\.)?googleapis\.com$"), "vertex_ai"),
)


def provider_of_host(host: str) -> str | None:
    """The provider's name; None: nobody is known to serve models there."""
    rest = host
    while rest:
        if rest in _HOSTS:
            return _HOSTS[rest]
        rest = rest.partition(".")[2]
    return next((name for pattern, name in _PATTERNS if pattern.search(host)), None)
