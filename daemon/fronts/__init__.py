"""Several daemons, the fronts, that share their sessions: what one was told outlives it at any other (docs/fronts.md)."""
