"""Several daemons, the fronts, that share their sessions: what one has told outlives it (docs/fronts.md)."""
