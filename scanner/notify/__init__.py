"""Notices: what is new, told to people who do not read reports. The one folder that sends to web hooks and mail."""
