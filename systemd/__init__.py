"""The units of the service and the account that the system's one runs as: data, written by `amanuensis service`."""
