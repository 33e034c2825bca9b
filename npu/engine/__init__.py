"""The engine: windows of speech in, hypotheses out, in a process of its own."""
