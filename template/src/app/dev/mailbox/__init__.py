"""A mailbox for development: takes mail over SMTP, keeps the newest in memory, shows it in a browser."""
