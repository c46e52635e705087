"""Calls in parallel with asyncio: every span lands under its right parent.

Needs OPENAI_API_KEY.
"""

import asyncio

import tracetape
from openai import AsyncOpenAI
from tracetape.entities import SpanType

tracetape.autolog()

client = AsyncOpenAI()


@tracetape.trace(span_type=SpanType.CHAIN)
async def describe(city: str) -> str:
    completion = await client.chat.completions.create(
        model="gpt-4o-mini",
        messages=[{"role": "user", "content": f"In which country is {city}?"}],
        max_tokens=12,
    )
    return completion.choices[0].message.content or ""


@tracetape.trace(span_type=SpanType.WORKFLOW)
async def describe_all(cities: list[str]) -> dict[str, str]:
    answers = await asyncio.gather(*(describe(city) for city in cities))
    return dict(zip(cities, answers, strict=True))


for city, text in asyncio.run(describe_all(["Paris", "Oslo", "Rome"])).items():
    print(f"{city}: {' '.join(text.split())}")
