"""What a model is worth: word errors and their confidence, text as written, inventions, live captions."""
