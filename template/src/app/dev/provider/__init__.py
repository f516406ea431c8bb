"""The development identity provider: `oauth2-mock-server`, with people to choose from."""
