"""Development on one machine: embedded servers, a mailbox, and one command that runs everything."""
