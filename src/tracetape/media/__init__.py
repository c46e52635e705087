"""Base64 media, taken out of values."""
