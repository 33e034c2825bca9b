"""What ties the daemon to systemd: notifications, inherited sockets, the watchdog, the journal, the units."""
