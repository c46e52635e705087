"""OpenAI's Agents SDK: its runs, and what it tells its trace processors."""
