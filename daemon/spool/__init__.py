"""What sessions leave on a disk or in a runtime directory, so that they outlive their daemon (docs/spool.md)."""
