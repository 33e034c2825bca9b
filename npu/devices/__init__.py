"""Device back ends: one file each."""
