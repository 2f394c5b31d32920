"""Talks to Azure: credentials, clients, limits and errors. The only package that imports the SDKs."""
