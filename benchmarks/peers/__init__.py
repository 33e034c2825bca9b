"""Other systems, run in `.venv-peers` beside ours; nothing of the product imports them."""
