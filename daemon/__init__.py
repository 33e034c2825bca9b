"""The shells around the pure parts: configuration, sources, server, command line."""
