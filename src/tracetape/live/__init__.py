"""What is being made: spans and traces that are still running."""
