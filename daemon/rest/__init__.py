"""OpenAI's REST API for files of sound, on an ASGI server of its own (extra `[rest]`)."""
