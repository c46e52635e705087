"""OpenAI's SDK, and every service that is called with it."""
