"""Answering requests from a cassette."""
