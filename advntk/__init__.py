"""The front door: command line and pytest plugin."""
