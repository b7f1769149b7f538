"""The model server of the serving image: `python -m containers.serving`."""
