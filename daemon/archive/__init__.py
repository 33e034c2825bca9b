"""Archives: thousands of files transcribed, each exactly once, however often the work is interrupted."""
