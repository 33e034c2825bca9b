"""One daemon's work on many machines, through Ray; imported only where the settings ask for it."""
